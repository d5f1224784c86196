//! What a queue's arguments and its policies come to together. Owns the rules between the two; between a user's policy
//! and an operator's they are `policy`'s.

use std::time::Duration;

use leveret_protocol::{FieldTable, FieldValue, ShortString};

use super::arguments;
use super::delayed_retry::DelayedRetry;
use super::settings::{DeadLetter, Hold, Overflow, Settings};
use crate::broker::policy::{Target, keys};

impl Settings {
    /// What valid arguments ask for under a policy's definition: of limits and times the smaller counts. Where dead
    /// letters go, and what a full classic queue does, is for the arguments to say first (RabbitMQ).
    #[must_use]
    pub fn under(declared: &FieldTable, definition: &FieldTable) -> Self {
        let own = Self::of(declared);
        if definition.is_empty() {
            return own;
        }
        let policy = Reader(definition);
        let with = arguments::with_policy(declared, definition);
        Self {
            message_ttl: least(own.message_ttl, policy.millis(keys::MESSAGE_TTL)),
            expires: least(own.expires, policy.millis(keys::EXPIRES)),
            max_length: least(own.max_length, policy.count(keys::MAX_LENGTH)),
            max_length_bytes: least(own.max_length_bytes, policy.count(keys::MAX_LENGTH_BYTES)),
            overflow: overflow(declared, &policy).unwrap_or_default(),
            dead_letter: dead_letter(declared, &policy),
            delivery_limit: fewest(own.delivery_limit, policy.number(keys::DELIVERY_LIMIT)),
            consumer_timeout: least(own.consumer_timeout, policy.millis(keys::CONSUMER_TIMEOUT)),
            hold: arguments::hold_until_header(&with).map(Hold::Until),
            retry: arguments::retry(&with),
            delayed_retry: delayed_retry(declared, &policy),
            ..own
        }
    }
}

/// A definition by the types of its keys. It is valid, so that what is of another type is not there.
struct Reader<'a>(&'a FieldTable);

impl Reader<'_> {
    fn number(&self, key: &str) -> Option<i64> {
        self.0.get(key).and_then(FieldValue::as_integer)
    }

    fn count(&self, key: &str) -> Option<u64> {
        self.number(key).and_then(|number| u64::try_from(number).ok())
    }

    fn millis(&self, key: &str) -> Option<Duration> {
        self.count(key).map(Duration::from_millis)
    }

    fn text(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key).and_then(FieldValue::as_bytes)
    }

    /// A name that nothing can have leads nowhere, like one that nothing has.
    fn name(&self, key: &str) -> Option<ShortString> {
        self.text(key).and_then(|text| ShortString::new(text).ok())
    }
}

fn overflow(declared: &FieldTable, policy: &Reader<'_>) -> Option<Overflow> {
    let argument = arguments::overflow(declared);
    let policys = policy.text(keys::OVERFLOW).and_then(Overflow::by_name);
    match Target::of_queue(declared) {
        Target::QuorumQueue => policys.or(argument),
        Target::ClassicQueue | Target::Stream | Target::Exchange => argument.or(policys),
    }
}

/// The policy says which messages wait, before the argument (RabbitMQ); of the shortest delays the longer counts, of the longest
/// the shorter.
fn delayed_retry(declared: &FieldTable, policy: &Reader<'_>) -> Option<DelayedRetry> {
    if Target::of_queue(declared) != Target::QuorumQueue {
        return None;
    }
    let own = Reader(declared);
    let kind = policy.text(keys::DELAYED_RETRY_TYPE).or_else(|| own.text("x-delayed-retry-type"));
    let shortest = own.count("x-delayed-retry-min").into_iter().chain(policy.count(keys::DELAYED_RETRY_MIN)).max();
    let longest = least(own.count("x-delayed-retry-max"), policy.count(keys::DELAYED_RETRY_MAX));
    DelayedRetry::of(kind, shortest, longest)
}

/// Exchange and routing key each come from the arguments or else from the policy.
fn dead_letter(declared: &FieldTable, policy: &Reader<'_>) -> Option<DeadLetter> {
    let exchange = arguments::dead_letter_exchange(declared).or_else(|| policy.name(keys::DEAD_LETTER_EXCHANGE))?;
    let routing_key =
        arguments::dead_letter_routing_key(declared).or_else(|| policy.name(keys::DEAD_LETTER_ROUTING_KEY));
    Some(DeadLetter { exchange, routing_key })
}

/// The smaller one; one that is not there is no limit.
fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    a.into_iter().chain(b).min()
}

/// The smaller limit; but where either says that there is none, as a negative number does, the other one.
fn fewest(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) if a < 0 || b < 0 => Some(a.max(b)),
        (a, b) => least(a, b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
        entries.iter().map(|(key, value)| (ShortString::new(key).unwrap(), value.clone())).collect()
    }

    fn text(text: &str) -> FieldValue {
        FieldValue::text(text)
    }

    #[test]
    fn of_limits_and_times_the_smaller_counts() {
        let names = ["message-ttl", "expires", "max-length", "max-length-bytes"];
        for (argument, policy, expected) in [(3, 7, 3), (7, 3, 3), (5, 5, 5)] {
            let declared: FieldTable = names
                .iter()
                .map(|name| (ShortString::new(format!("x-{name}")).unwrap(), FieldValue::I32(argument)))
                .collect();
            let definition = table(&names.map(|name| (name, FieldValue::I64(policy))));
            let settings = Settings::under(&declared, &definition);
            let millis = Some(Duration::from_millis(expected));
            assert_eq!((settings.message_ttl, settings.expires), (millis, millis));
            assert_eq!((settings.max_length, settings.max_length_bytes), (Some(expected), Some(expected)));
        }
    }

    #[test]
    fn what_only_one_of_them_says_counts() {
        let definition = table(&[("max-length", FieldValue::I64(3)), ("overflow", text("reject-publish"))]);
        let declared = table(&[("x-message-ttl", FieldValue::I32(9))]);
        let expected = Settings {
            message_ttl: Some(Duration::from_millis(9)),
            max_length: Some(3),
            overflow: Overflow::RejectPublish,
            ..Settings::default()
        };
        assert_eq!(Settings::under(&declared, &definition), expected);
        assert_eq!(Settings::under(&declared, &FieldTable::new()), Settings::of(&declared));
    }

    #[test]
    fn the_argument_says_first_what_a_full_classic_queue_does_and_the_policy_what_a_full_quorum_queue_does() {
        let definition = table(&[("overflow", text("reject-publish"))]);
        let overflow = |queue_type| {
            let declared = table(&[("x-queue-type", text(queue_type)), ("x-overflow", text("drop-head"))]);
            Settings::under(&declared, &definition).overflow
        };
        assert_eq!([overflow("classic"), overflow("quorum")], [Overflow::DropHead, Overflow::RejectPublish]);
    }

    #[test]
    fn dead_letter_exchange_and_routing_key_come_each_from_the_argument_first() {
        let definition = table(&[("dead-letter-exchange", text("px")), ("dead-letter-routing-key", text("pk"))]);
        let goes = |declared: &[(&str, FieldValue)]| {
            let letter = Settings::under(&table(declared), &definition).dead_letter.unwrap();
            (letter.exchange.to_string(), letter.routing_key.unwrap().to_string())
        };
        let (exchange, key) = (("x-dead-letter-exchange", text("ax")), ("x-dead-letter-routing-key", text("ak")));
        assert_eq!(goes(&[]), ("px".to_owned(), "pk".to_owned()));
        assert_eq!(goes(std::slice::from_ref(&exchange)), ("ax".to_owned(), "pk".to_owned()));
        assert_eq!(goes(&[exchange, key]), ("ax".to_owned(), "ak".to_owned()));
        let only_key = table(&[("dead-letter-routing-key", text("pk"))]);
        assert_eq!(Settings::under(&FieldTable::new(), &only_key).dead_letter, None);
    }

    #[test]
    fn a_negative_delivery_limit_is_none_and_gives_way_to_any() {
        let limit =
            |number| Settings::under(&FieldTable::new(), &table(&[("delivery-limit", FieldValue::I64(number))]));
        assert_eq!([limit(-1).delivery_limit, limit(0).delivery_limit], [Some(-1), Some(0)]);
        for (a, b, expected) in [(5, 9, 5), (9, 5, 5), (-1, 9, 9), (5, -1, 5), (-1, -1, -1)] {
            assert_eq!(fewest(Some(a), Some(b)), Some(expected));
        }
    }

    #[test]
    fn delayed_retries_come_from_the_policy_first_and_are_for_quorum_queues() {
        let definition = table(&[("delayed-retry-type", text("failed")), ("delayed-retry-min", FieldValue::I64(50))]);
        let declared = |queue_type| {
            table(&[
                ("x-queue-type", text(queue_type)),
                ("x-delayed-retry-type", text("all")),
                ("x-delayed-retry-min", FieldValue::I32(10)),
                ("x-delayed-retry-max", FieldValue::I32(90)),
            ])
        };
        let under = |queue_type| Settings::under(&declared(queue_type), &definition).delayed_retry;
        assert_eq!(under("quorum"), DelayedRetry::of(Some(b"failed"), Some(50), Some(90)));
        assert_eq!(under("classic"), None);
        let alone = Settings::of(&declared("quorum")).delayed_retry;
        assert_eq!(alone, DelayedRetry::of(Some(b"all"), Some(10), Some(90)));
        assert_eq!(Settings::of(&declared("classic")).delayed_retry, None);
        let off = table(&[("delayed-retry-type", text("disabled"))]);
        assert_eq!(Settings::under(&declared("quorum"), &off).delayed_retry, None);
    }

    #[test]
    fn a_timeout_of_consumers_is_read() {
        let definition = table(&[("consumer-timeout", FieldValue::I64(60_000))]);
        let expected = Settings { consumer_timeout: Some(Duration::from_secs(60)), ..Settings::default() };
        assert_eq!(Settings::under(&FieldTable::new(), &definition), expected);
    }
}
