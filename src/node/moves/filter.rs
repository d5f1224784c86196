//! Which messages are meant.

use std::time::Duration;

use leveret_protocol::{FieldTable, FieldValue, HeaderView, ShortString};

use crate::broker::dead_letter;
use crate::broker::message::Message;
use crate::broker::time::Timestamp;

/// What all messages that are meant have; an empty one means all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// These headers, with equal values; numbers are equal whatever their width.
    pub headers: FieldTable,
    /// This routing key.
    pub routing_key: Option<ShortString>,
    /// This message-id.
    pub message_id: Option<ShortString>,
    /// This reason of their last death, in RabbitMQ's words.
    pub death_reason: Option<String>,
    /// At least this age.
    pub older_than: Option<Duration>,
}

impl Filter {
    /// Whether a message is meant.
    #[must_use]
    pub fn matches(&self, now: Timestamp, message: &Message) -> bool {
        if self.routing_key.as_ref().is_some_and(|key| key.as_bytes() != message.routing_key()) {
            return false;
        }
        if self.older_than.is_some_and(|age| message.arrived().after(age) > now) {
            return false;
        }
        if self.headers.is_empty() && self.message_id.is_none() && self.death_reason.is_none() {
            return true;
        }
        let Some(properties) = HeaderView::parse(message.header()).ok().and_then(|view| view.properties().ok()) else {
            return false;
        };
        if self.message_id.is_some() && self.message_id != properties.message_id {
            return false;
        }
        let headers = properties.headers.unwrap_or_default();
        let same = |(name, value): &(ShortString, FieldValue)| {
            headers.iter().find(|(other, _)| other == name).is_some_and(|(_, other)| is_equal(value, other))
        };
        let died = |reason: &String| dead_letter::last_reason(message, &headers).as_ref() == Some(reason);
        self.headers.iter().all(same) && self.death_reason.iter().all(died)
    }
}

fn is_equal(wanted: &FieldValue, found: &FieldValue) -> bool {
    if let (Some(wanted), Some(found)) = (wanted.as_integer(), found.as_integer()) {
        return wanted == found;
    }
    wanted == found
}

#[cfg(test)]
mod tests {
    use leveret_protocol::Properties;

    use super::*;
    use crate::broker::channel::compose::compose;

    const THEN: Timestamp = Timestamp::from_millis(1000);

    fn name(text: &str) -> ShortString {
        ShortString::new(text).unwrap()
    }

    fn headers(value: FieldValue) -> FieldTable {
        std::iter::once((name("h"), value)).collect()
    }

    #[test]
    fn all_that_is_asked_for_has_to_be_so() {
        let properties = Properties {
            headers: Some(headers(FieldValue::I32(7))),
            message_id: Some(name("id")),
            ..Properties::default()
        };
        let message = compose(&name("x"), &name("key"), properties, b"", 10, THEN).unwrap();
        let (all, now) = (Filter::default(), Timestamp::from_millis(2000));
        let second = Some(Duration::from_secs(1));
        for (filter, expected) in [
            (all.clone(), true),
            (Filter { routing_key: Some(name("key")), ..all.clone() }, true),
            (Filter { routing_key: Some(name("ke")), ..all.clone() }, false),
            (Filter { message_id: Some(name("id")), ..all.clone() }, true),
            (Filter { message_id: Some(name("di")), ..all.clone() }, false),
            (Filter { headers: headers(FieldValue::I64(7)), ..all.clone() }, true),
            (Filter { headers: headers(FieldValue::I64(8)), ..all.clone() }, false),
            (Filter { headers: headers(FieldValue::text("7")), ..all.clone() }, false),
            (Filter { older_than: second, ..all.clone() }, true),
            (Filter { older_than: second.map(|age| age * 2), ..all.clone() }, false),
            (Filter { death_reason: Some("expired".to_owned()), ..all.clone() }, false),
            (Filter { routing_key: Some(name("key")), message_id: Some(name("di")), ..all }, false),
        ] {
            assert_eq!(filter.matches(now, &message), expected, "{filter:?}");
        }
    }
}
