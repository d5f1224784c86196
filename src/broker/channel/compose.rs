//! Messages that do not come in AMQP frames, made to look as if they did.

use bytes::{BufMut as _, BytesMut};
use leveret_protocol::{ContentHeader, HeaderView, Properties, ShortString};

use super::content::traits;
use crate::broker::error::ChannelError;
use crate::broker::message::{Message, MessageArena};
use crate::broker::time::Timestamp;

/// The message that basic.publish with these names and properties would make.
///
/// # Errors
/// 406 when the body is larger than `limit` bytes.
pub fn compose(
    exchange: &ShortString,
    routing_key: &ShortString,
    properties: Properties,
    body: &[u8],
    limit: u64,
    now: Timestamp,
) -> Result<Message, ChannelError> {
    let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let too_large = || ChannelError::MessageTooLarge { size, limit };
    if size > limit {
        return Err(too_large());
    }
    let mut names = BytesMut::with_capacity(exchange.len() + routing_key.len() + 2);
    for name in [exchange, routing_key] {
        names.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        names.extend_from_slice(name.as_bytes());
    }
    let mut header = BytesMut::new();
    ContentHeader::new(size, properties).encode(&mut header);
    let traits = HeaderView::parse(&header).map(|view| traits(&view)).unwrap_or_default();
    MessageArena::default().store(&names, &header, body, traits, now).ok_or_else(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::message::Traits;

    fn name(text: &str) -> ShortString {
        ShortString::new(text).unwrap()
    }

    #[test]
    fn a_composed_message_has_its_names_its_properties_and_its_body() {
        let properties = Properties { delivery_mode: Some(2), ..Properties::default() };
        let message = compose(&name("ex"), &name("key"), properties.clone(), b"body", 4, Timestamp::ZERO).unwrap();
        assert_eq!(
            (message.exchange(), message.routing_key(), message.body()),
            (&b"ex"[..], &b"key"[..], &b"body"[..])
        );
        assert_eq!(ContentHeader::decode(message.header()).unwrap(), ContentHeader::new(4, properties));
        assert_eq!(message.traits(), Traits::PERSISTENT);
    }

    #[test]
    fn a_body_above_the_limit_is_refused() {
        let refused = compose(&name(""), &name("q"), Properties::default(), b"body", 3, Timestamp::ZERO);
        assert_eq!(refused, Err(ChannelError::MessageTooLarge { size: 4, limit: 3 }));
    }
}
