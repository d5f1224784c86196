//! A message's properties as headers of a request or an answer, and as JSON. A header that looks like one of these and is
//! not is refused: what is asked for is never passed over.

use hyper::HeaderMap;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use leveret_protocol::{Properties, ShortString};
use serde_json::Value;

use crate::http::error::ApiError;
use crate::http::json;

/// How all headers of ours begin.
const PREFIX: &str = "x-leveret-";

/// The longest header with a message's table, in bytes: clients bound theirs. A longer one is left out.
const TABLE_LIMIT: usize = 16 * 1024;

/// What the headers of a publish say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Asked {
    pub(super) properties: Properties,
    /// Whether it is to survive; `None`: as its queue does.
    pub(super) persistent: Option<bool>,
    /// Milliseconds before it may be handed out.
    pub(super) delay: Option<u64>,
}

/// Reads the headers of a publish.
pub(super) fn parse(headers: &HeaderMap) -> Result<Asked, ApiError> {
    let mut asked = Asked::default();
    asked.properties.content_type = headers.get(CONTENT_TYPE).map(|value| short("content-type", value)).transpose()?;
    asked.properties.content_encoding =
        headers.get(CONTENT_ENCODING).map(|value| short("content-encoding", value)).transpose()?;
    for (header, value) in headers {
        if let Some(name) = header.as_str().strip_prefix(PREFIX) {
            asked.read(name, value)?;
        }
    }
    Ok(asked)
}

impl Asked {
    fn read(&mut self, name: &str, value: &HeaderValue) -> Result<(), ApiError> {
        let properties = &mut self.properties;
        match name {
            "message-id" => properties.message_id = Some(short(name, value)?),
            "correlation-id" => properties.correlation_id = Some(short(name, value)?),
            "type" => properties.kind = Some(short(name, value)?),
            "reply-to" => properties.reply_to = Some(short(name, value)?),
            "app-id" => properties.app_id = Some(short(name, value)?),
            "user-id" => properties.user_id = Some(short(name, value)?),
            "priority" => properties.priority = Some(number(name, value)?),
            "timestamp" => properties.timestamp = Some(number(name, value)?),
            "expiration" => {
                let millis: u64 = number(name, value)?;
                properties.expiration = ShortString::new(millis.to_string()).ok();
            }
            "headers" => properties.headers = Some(table(value)?),
            "delay" => self.delay = Some(number(name, value)?),
            "persistent" => self.persistent = Some(flag(name, value)?),
            _ => return Err(ApiError::bad_request(format!("there is no header {PREFIX}{name}"))),
        }
        Ok(())
    }
}

fn table(value: &HeaderValue) -> Result<leveret_protocol::FieldTable, ApiError> {
    match serde_json::from_slice(value.as_bytes()) {
        Ok(Value::Object(object)) => json::to_table(&object),
        Ok(_) | Err(_) => Err(ApiError::bad_request(format!("{PREFIX}headers is no JSON object"))),
    }
}

fn short(name: &str, value: &HeaderValue) -> Result<ShortString, ApiError> {
    ShortString::new(value.as_bytes()).map_err(|_| ApiError::bad_request(format!("{name} has more than 255 bytes")))
}

fn number<T: std::str::FromStr>(name: &str, value: &HeaderValue) -> Result<T, ApiError> {
    let number = value.to_str().ok().and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| ApiError::bad_request(format!("{PREFIX}{name} is no number that it can be")))
}

fn flag(name: &str, value: &HeaderValue) -> Result<bool, ApiError> {
    match value.as_bytes() {
        b"true" => Ok(true),
        b"false" => Ok(false),
        _ => Err(ApiError::bad_request(format!("{PREFIX}{name} is neither true nor false"))),
    }
}

/// The headers that show a message's properties. Those that no header can carry are named in `x-leveret-omitted`.
pub(super) fn show(properties: &Properties) -> HeaderMap {
    let mut shown = HeaderMap::new();
    let mut omitted = Vec::new();
    let mut add = |name: HeaderName, value: Option<Vec<u8>>| match value.map(|value| HeaderValue::from_bytes(&value)) {
        Some(Ok(value)) => {
            shown.insert(name, value);
        }
        Some(Err(_)) => omitted.push(name.as_str().to_owned()),
        None => {}
    };
    let octets = |text: &Option<ShortString>| text.as_ref().map(|text| text.as_bytes().to_vec());
    let digits = |number: Option<u64>| number.map(|number| number.to_string().into_bytes());
    add(CONTENT_TYPE, octets(&properties.content_type));
    add(CONTENT_ENCODING, octets(&properties.content_encoding));
    add(HeaderName::from_static("x-leveret-message-id"), octets(&properties.message_id));
    add(HeaderName::from_static("x-leveret-correlation-id"), octets(&properties.correlation_id));
    add(HeaderName::from_static("x-leveret-type"), octets(&properties.kind));
    add(HeaderName::from_static("x-leveret-reply-to"), octets(&properties.reply_to));
    add(HeaderName::from_static("x-leveret-app-id"), octets(&properties.app_id));
    add(HeaderName::from_static("x-leveret-user-id"), octets(&properties.user_id));
    add(HeaderName::from_static("x-leveret-expiration"), octets(&properties.expiration));
    add(HeaderName::from_static("x-leveret-priority"), digits(properties.priority.map(u64::from)));
    add(HeaderName::from_static("x-leveret-timestamp"), digits(properties.timestamp));
    let table = properties.headers.as_ref().map(|table| json::of_table(table).to_string().into_bytes());
    // A value with a line break in it is none, and is named as omitted.
    let table = table.map(|table| if table.len() > TABLE_LIMIT { b"\n".to_vec() } else { table });
    add(HeaderName::from_static("x-leveret-headers"), table);
    if let Ok(omitted) = HeaderValue::from_str(&omitted.join(", "))
        && !omitted.is_empty()
    {
        shown.insert("x-leveret-omitted", omitted);
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(headers: &[(&'static str, &'static str)]) -> Result<Asked, ApiError> {
        parse(
            &headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect(),
        )
    }

    #[test]
    fn properties_come_back_as_the_headers_they_were() {
        let headers = [
            ("content-type", "image/png"),
            ("content-encoding", "gzip"),
            ("x-leveret-message-id", "m"),
            ("x-leveret-correlation-id", "c"),
            ("x-leveret-type", "t"),
            ("x-leveret-reply-to", "r"),
            ("x-leveret-app-id", "a"),
            ("x-leveret-user-id", "guest"),
            ("x-leveret-priority", "3"),
            ("x-leveret-timestamp", "7"),
            ("x-leveret-expiration", "5000"),
            ("x-leveret-headers", r#"{"k":[1,"x"]}"#),
        ];
        let shown = show(&given(&headers).unwrap().properties);
        let expected: HeaderMap = headers
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_no_header_can_carry_is_named() {
        let mut properties = Properties { message_id: ShortString::new("a\nb").ok(), ..Properties::default() };
        let long = json!({ "k": "x".repeat(TABLE_LIMIT) });
        properties.headers = json::to_table(long.as_object().unwrap()).ok();
        assert_eq!(show(&properties)["x-leveret-omitted"], "x-leveret-message-id, x-leveret-headers");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = [
            ("x-leveret-priorty", "3"),
            ("x-leveret-priority", "256"),
            ("x-leveret-delay", "-1"),
            ("x-leveret-expiration", "soon"),
            ("x-leveret-persistent", "yes"),
            ("x-leveret-headers", "[1]"),
            ("x-leveret-headers", r#"{"k":null}"#),
        ];
        for header in refused {
            assert!(given(&[header]).is_err(), "{header:?}");
        }
    }
}
