//! What is looked at in a published message's properties: expiration, CC and BCC, user-id, direct reply-to. Only
//! messages that have such properties get here.

use bytes::BytesMut;
use leveret_protocol::{FieldTable, FieldValue, HeaderView, Properties, ShortString};

use super::reply_to::REPLY_TO;
use crate::broker::auth::User;
use crate::broker::error::ChannelError;
use crate::broker::message::{Message, Traits};

/// Ten years in milliseconds: RabbitMQ's bound on expirations.
const LONGEST_EXPIRATION_MS: i128 = 315_360_000_000;

/// A message that passed, and where its headers send copies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// The message as it is to be kept, where that differs from what came in.
    pub rewritten: Option<Message>,
    /// Routing keys from CC and BCC.
    pub copies: Vec<Vec<u8>>,
    /// The headers table, for exchanges that read it.
    pub headers: Option<FieldTable>,
}

/// Checks a message's properties in RabbitMQ's order. `reply_token` is the channel's direct reply-to queue.
///
/// # Errors
/// 406 for a bad expiration, CC or BCC of a wrong type, somebody else's user-id, or direct reply-to without a
/// consumer.
pub fn check(message: &Message, user: &User, reply_token: Option<&str>) -> Result<Checked, ChannelError> {
    if !message.traits().has(Traits::CHECKED) && !message.traits().has(Traits::HEADERS) {
        return Ok(Checked::default());
    }
    let Ok(mut properties) =
        HeaderView::parse(message.header()).map_or_else(|_| Err(()), |view| view.properties().map_err(|_| ()))
    else {
        return Ok(Checked::default());
    };
    let mut changed = false;
    if properties.reply_to.as_ref().is_some_and(|name| *name == REPLY_TO) {
        let token = reply_token.ok_or(ChannelError::NoReplyConsumer)?;
        properties.reply_to = Some(ShortString::truncated(token));
        changed = true;
    }
    if let Some(expiration) = &properties.expiration {
        check_expiration(&expiration.to_str_lossy())?;
    }
    let mut copies = Vec::new();
    if let Some(headers) = &mut properties.headers {
        collect_copies(headers, "CC", &mut copies)?;
        collect_copies(headers, "BCC", &mut copies)?;
        changed |= headers.remove("BCC").is_some();
    }
    check_user_id(&properties, user)?;
    let rewritten = changed.then(|| message.with_header(&header_bytes(message, &properties)));
    Ok(Checked { rewritten, copies, headers: properties.headers })
}

fn check_user_id(properties: &Properties, user: &User) -> Result<(), ChannelError> {
    match &properties.user_id {
        Some(claimed) if *claimed != user.name && !user.may_impersonate() => {
            Err(ChannelError::WrongUserId { claimed: claimed.to_str_lossy().into_owned(), actual: user.name.clone() })
        }
        Some(_) | None => Ok(()),
    }
}

/// The content header with the same class, weight and body size but other properties.
fn header_bytes(message: &Message, properties: &Properties) -> Vec<u8> {
    const BEFORE_PROPERTIES: usize = 12;
    let mut bytes = BytesMut::from(message.header().get(..BEFORE_PROPERTIES).unwrap_or_default());
    properties.encode(&mut bytes);
    bytes.to_vec()
}

fn collect_copies(headers: &FieldTable, name: &'static str, copies: &mut Vec<Vec<u8>>) -> Result<(), ChannelError> {
    match headers.get(name) {
        None => Ok(()),
        Some(FieldValue::Array(members)) => {
            // Members that are no strings are ignored, as in RabbitMQ.
            copies.extend(
                members.iter().filter_map(|member| {
                    if let FieldValue::LongString(key) = member { Some(key.to_vec()) } else { None }
                }),
            );
            Ok(())
        }
        Some(other) => Err(ChannelError::HeaderNotArray { header: name, kind: other.type_name() }),
    }
}

/// A whole number of milliseconds from 0 to ten years; errors in RabbitMQ's terms.
fn check_expiration(text: &str) -> Result<(), ChannelError> {
    let wrong = |reason: String| Err(ChannelError::InvalidExpiration { value: text.to_owned(), reason });
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let (Some(number), Some(leftover)) = (unsigned.get(..digits), unsigned.get(digits..)) else {
        return wrong("no_integer".to_owned());
    };
    if number.is_empty() {
        return wrong("no_integer".to_owned());
    }
    if !leftover.is_empty() {
        return wrong(format!("{{leftover_string,\"{leftover}\"}}"));
    }
    let value = number.parse::<i128>().unwrap_or(i128::MAX);
    match (text.starts_with('-') && value > 0, value > LONGEST_EXPIRATION_MS) {
        (true, _) => wrong(format!("{{value_negative,-{number}}}")),
        (false, true) => wrong(format!("{{value_too_large,{number}}}")),
        (false, false) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_whole_milliseconds_up_to_ten_years() {
        for text in ["0", "+5", "60000", "315360000000"] {
            assert_eq!(check_expiration(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn tells_what_is_wrong_with_an_expiration_in_rabbitmqs_terms() {
        for (text, reason) in [
            ("", "no_integer"),
            ("soon", "no_integer"),
            ("10foo", "{leftover_string,\"foo\"}"),
            ("-1", "{value_negative,-1}"),
            ("315360000001", "{value_too_large,315360000001}"),
        ] {
            let error = check_expiration(text).unwrap_err().to_string();
            assert_eq!(error, format!("invalid expiration '{text}': {reason}"));
        }
    }
}
