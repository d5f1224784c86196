//! Every key of policies: what values it takes, what it means something to, and what a user's and an operator's value
//! come to together. One line each; RabbitMQ's names and words, but for `delayed-message`, which is LavinMQ's, and
//! `redeclare`, `hold-until-header` and `retry-...`, which are ours.

use leveret_protocol::{FieldValue, ShortString};

use super::apply_to::Target;
use super::merge::Merge;
use super::redeclare::Redeclare;
use crate::broker::queue::Overflow;
use crate::broker::queue::arguments::may_be_given;

/// A key.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// Whether it may have the value.
    pub(super) check: fn(&FieldValue) -> bool,
    /// What RabbitMQ calls a value that it may have.
    pub(super) expected: &'static str,
    /// How an operator's value counts; `None`: operator policies do not take the key.
    pub(super) merge: Option<Merge>,
    /// The types of queues that a policy with this key is for.
    queues: &'static [Target],
}

use Merge::{Greatest, Least, LeastDeliveries, Operators};
use Target::{ClassicQueue, QuorumQueue, Stream};

const ALL: &[Target] = &[ClassicQueue, QuorumQueue, Stream];
const NO_STREAM: &[Target] = &[ClassicQueue, QuorumQueue];
const CLASSIC: &[Target] = &[ClassicQueue];
const QUORUM: &[Target] = &[QuorumQueue];
const STREAM: &[Target] = &[Stream];

/// A key that RabbitMQ knows of to refuse it.
pub(super) const DEPRECATED: &str = "queue-master-locator";

pub(in crate::broker) const ALTERNATE_EXCHANGE: &str = "alternate-exchange";
pub(in crate::broker) const CONSUMER_TIMEOUT: &str = "consumer-timeout";
pub(in crate::broker) const DEAD_LETTER_EXCHANGE: &str = "dead-letter-exchange";
pub(in crate::broker) const DEAD_LETTER_ROUTING_KEY: &str = "dead-letter-routing-key";
pub(in crate::broker) const DEAD_LETTER_STRATEGY: &str = "dead-letter-strategy";
pub(in crate::broker) const DELAYED_MESSAGE: &str = "delayed-message";
pub(in crate::broker) const DELAYED_RETRY_MAX: &str = "delayed-retry-max";
pub(in crate::broker) const DELAYED_RETRY_MIN: &str = "delayed-retry-min";
pub(in crate::broker) const DELAYED_RETRY_TYPE: &str = "delayed-retry-type";
pub(in crate::broker) const DELIVERY_LIMIT: &str = "delivery-limit";
pub(in crate::broker) const EXPIRES: &str = "expires";
pub(in crate::broker) const MAX_LENGTH: &str = "max-length";
pub(in crate::broker) const MAX_LENGTH_BYTES: &str = "max-length-bytes";
pub(in crate::broker) const MESSAGE_TTL: &str = "message-ttl";
pub(in crate::broker) const OVERFLOW: &str = "overflow";
pub(in crate::broker) const REDECLARE: &str = "redeclare";

#[rustfmt::skip]
static KEYS: [Key; 35] = [
    Key { name: ALTERNATE_EXCHANGE, check: is_text, expected: "alternate exchange name", merge: None, queues: ALL },
    Key { name: "consumer-disconnected-timeout", check: not_negative, expected: "consumer disconnected timeout", merge: None, queues: ALL },
    Key { name: CONSUMER_TIMEOUT, check: not_negative, expected: "consumer timeout", merge: None, queues: ALL },
    Key { name: DEAD_LETTER_EXCHANGE, check: is_text, expected: "dead letter exchange name", merge: None, queues: NO_STREAM },
    Key { name: DEAD_LETTER_ROUTING_KEY, check: is_text, expected: "dead letter routing key", merge: None, queues: NO_STREAM },
    Key { name: DEAD_LETTER_STRATEGY, check: |value| is_one_of(value, &["at-most-once", "at-least-once"]), expected: "dead letter strategy", merge: None, queues: QUORUM },
    Key { name: DELAYED_MESSAGE, check: |value| value.as_bool().is_some(), expected: "choice. Must be true or false", merge: None, queues: ALL },
    Key { name: DELAYED_RETRY_MAX, check: is_positive, expected: "delayed retry maximum delay. Must be a positive integer", merge: Some(Least), queues: ALL },
    Key { name: DELAYED_RETRY_MIN, check: is_positive, expected: "delayed retry minimum delay. Must be a positive integer", merge: Some(Greatest), queues: ALL },
    Key { name: DELAYED_RETRY_TYPE, check: |value| is_one_of(value, &["all", "failed", "returned", "disabled"]), expected: "delayed retry type. Must be one of: all, failed, returned, disabled", merge: Some(Operators), queues: ALL },
    Key { name: DELIVERY_LIMIT, check: |value| value.as_integer().is_some(), expected: "delivery limit", merge: Some(LeastDeliveries), queues: QUORUM },
    Key { name: EXPIRES, check: is_positive, expected: "queue expiry", merge: Some(Least), queues: NO_STREAM },
    Key { name: "hold-until-header", check: |value| may_be_given("hold-until-header", value), expected: "header name", merge: None, queues: CLASSIC },
    Key { name: "initial-cluster-size", check: not_negative, expected: "cluster size", merge: None, queues: STREAM },
    Key { name: "max-age", check: is_age, expected: "max age", merge: None, queues: STREAM },
    Key { name: "max-in-memory-bytes", check: not_negative, expected: "maximum memory in bytes", merge: Some(Least), queues: QUORUM },
    Key { name: "max-in-memory-length", check: not_negative, expected: "maximum memory in bytes", merge: Some(Least), queues: QUORUM },
    Key { name: MAX_LENGTH, check: not_negative, expected: "maximum length", merge: Some(Least), queues: NO_STREAM },
    Key { name: MAX_LENGTH_BYTES, check: not_negative, expected: "maximum length in bytes", merge: Some(Least), queues: ALL },
    Key { name: MESSAGE_TTL, check: not_negative, expected: "message TTL", merge: Some(Least), queues: NO_STREAM },
    Key { name: OVERFLOW, check: |value| value.as_bytes().and_then(Overflow::by_name).is_some(), expected: "overflow value", merge: Some(Operators), queues: NO_STREAM },
    Key { name: "queue-leader-locator", check: |value| is_one_of(value, &["client-local", "balanced", "random", "least-leaders"]), expected: "queue leader locator value", merge: None, queues: ALL },
    Key { name: "queue-mode", check: |value| is_one_of(value, &["default", "lazy"]), expected: "queue-mode value", merge: None, queues: CLASSIC },
    Key { name: "queue-version", check: |value| is_between(value, 1, 2), expected: "queue-version value", merge: Some(Operators), queues: ALL },
    Key { name: REDECLARE, check: |value| value.as_bytes().and_then(Redeclare::by_name).is_some(), expected: "redeclare mode. Must be one of: strict, warn, adopt", merge: None, queues: ALL },
    Key { name: "retry-delays", check: |value| may_be_given("retry-delays", value), expected: "delays in milliseconds", merge: None, queues: CLASSIC },
    Key { name: "retry-jitter", check: |value| may_be_given("retry-jitter", value), expected: "jitter. Valid range is 0-1", merge: None, queues: CLASSIC },
    Key { name: "retry-limit", check: |value| may_be_given("retry-limit", value), expected: "retry limit", merge: None, queues: CLASSIC },
    Key { name: "retry-max", check: not_negative, expected: "longest retry delay", merge: None, queues: CLASSIC },
    Key { name: "retry-min", check: |value| may_be_given("retry-min", value), expected: "first retry delay", merge: None, queues: CLASSIC },
    Key { name: "retry-multiplier", check: |value| may_be_given("retry-multiplier", value), expected: "multiplier. Valid range is 1-1000", merge: None, queues: CLASSIC },
    Key { name: "retry-on", check: |value| may_be_given("retry-on", value), expected: "choice. Must be one of: requeue, reject, all", merge: None, queues: CLASSIC },
    Key { name: "stream-filter-size-bytes", check: |value| is_between(value, 16, 255), expected: "filter size. Valid range is 16-255", merge: None, queues: ALL },
    Key { name: "stream-max-segment-size-bytes", check: |value| is_between(value, 0, 3_000_000_000), expected: "segment size", merge: None, queues: STREAM },
    Key { name: "target-group-size", check: is_positive, expected: "qq target count value", merge: Some(Greatest), queues: QUORUM },
];

/// The key of that name.
pub(super) fn by_name(name: &ShortString) -> Option<&'static Key> {
    KEYS.iter().find(|key| *name == key.name)
}

/// Whether a policy with this key may be for such an object. Exchanges take every policy, whatever its keys (RabbitMQ).
pub(super) fn means_something(name: &ShortString, target: Target) -> bool {
    target == Target::Exchange || by_name(name).is_some_and(|key| key.queues.contains(&target))
}

fn is_text(value: &FieldValue) -> bool {
    value.as_bytes().is_some()
}

fn is_one_of(value: &FieldValue, allowed: &[&str]) -> bool {
    value.as_bytes().is_some_and(|text| allowed.iter().any(|known| known.as_bytes() == text))
}

fn is_between(value: &FieldValue, least: i64, most: i64) -> bool {
    value.as_integer().is_some_and(|number| (least..=most).contains(&number))
}

fn not_negative(value: &FieldValue) -> bool {
    is_between(value, 0, i64::MAX)
}

fn is_positive(value: &FieldValue) -> bool {
    is_between(value, 1, i64::MAX)
}

/// A number with a unit, such as `7D`.
fn is_age(value: &FieldValue) -> bool {
    let Some((unit, number)) = value.as_bytes().and_then(<[u8]>::split_last) else { return false };
    b"YMDhms".contains(unit)
        && !number.is_empty()
        && number.iter().all(u8::is_ascii_digit)
        && number.iter().any(|digit| *digit != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_none_comes_twice() {
        assert!(KEYS.is_sorted_by(|a, b| a.name < b.name));
    }
}
