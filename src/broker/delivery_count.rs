//! How often a message was handed out before, and the headers that tell its consumer (RabbitMQ: quorum queues).

use leveret_protocol::FieldValue;

use super::dead_letter::with_headers;
use super::message::Message;

/// How often a message came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCount {
    /// Deliveries that failed: rejected to be requeued, or lost with their channel (`x-delivery-count`).
    pub failed: u64,
    /// Hand-outs that came back, whatever the reason (`x-acquired-count`).
    pub acquired: u64,
}

impl DeliveryCount {
    /// The message as it is delivered once more. What a publisher put into these headers is replaced.
    #[must_use]
    pub fn told_in(self, message: &Message) -> Option<Message> {
        let number = |count: u64| FieldValue::I64(i64::try_from(count).unwrap_or(i64::MAX));
        let counts = [("x-acquired-count", self.acquired), ("x-delivery-count", self.failed)];
        with_headers(message, |headers| {
            for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
                headers.insert(name, number(count));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use leveret_protocol::{ContentHeader, FieldTable, HeaderView, Properties, ShortString};

    use super::*;
    use crate::broker::message::{MessageArena, Traits};
    use crate::broker::time::Timestamp;

    fn message(headers: Option<FieldTable>) -> Message {
        let mut header = BytesMut::new();
        let properties = Properties { headers, priority: Some(3), ..Properties::default() };
        ContentHeader::new(4, properties).encode(&mut header);
        let arrived = Timestamp::from_millis(5);
        MessageArena::default().store(b"\x02ex\x03key", &header, b"body", Traits::default(), arrived).unwrap()
    }

    fn told(count: DeliveryCount, headers: Option<FieldTable>) -> Vec<(String, FieldValue)> {
        let told = count.told_in(&message(headers)).unwrap();
        assert_eq!((told.names(), told.body()), (&b"\x02ex\x03key"[..], &b"body"[..]));
        let properties = HeaderView::parse(told.header()).unwrap().properties().unwrap();
        assert_eq!(properties.priority, Some(3));
        let headers = properties.headers.unwrap();
        headers.iter().map(|(name, value)| (name.to_str_lossy().into_owned(), value.clone())).collect()
    }

    fn entry(name: &str, value: i64) -> (String, FieldValue) {
        (name.to_owned(), FieldValue::I64(value))
    }

    #[test]
    fn counts_that_are_zero_are_not_told() {
        assert_eq!(told(DeliveryCount { failed: 0, acquired: 2 }, None), [entry("x-acquired-count", 2)]);
    }

    #[test]
    fn headers_of_the_publisher_stay_in_the_order_of_names_and_make_way() {
        let headers = [("z", 1), ("x-delivery-count", 9), ("a", 2)];
        let headers = headers.map(|(name, value)| (ShortString::from_static(name), FieldValue::I64(value)));
        let told = told(DeliveryCount { failed: 1, acquired: 1 }, Some(headers.into_iter().collect()));
        let expected = [("a", 2), ("x-acquired-count", 1), ("x-delivery-count", 1), ("z", 1)];
        assert_eq!(told, expected.map(|(name, value)| entry(name, value)));
    }
}
