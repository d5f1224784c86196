//! Arguments of queue.declare: one file each, one line in the table. Every argument is checked as RabbitMQ checks it;
//! a valid one whose feature is not there yet is refused with 540, never ignored.

mod check;
mod consumer_disconnected_timeout;
mod consumer_timeout;
mod consumer_timeout_action;
mod dead_letter_exchange;
mod dead_letter_routing_key;
mod dead_letter_strategy;
mod delayed_retry_max;
mod delayed_retry_min;
mod delayed_retry_type;
mod delivery_limit;
mod expires;
mod group_by;
mod hold_until_header;
mod initial_cluster_size;
mod max_age;
mod max_in_memory_bytes;
mod max_in_memory_length;
mod max_length;
mod max_length_bytes;
mod max_priority;
mod member_placement_tag;
mod message_ttl;
mod name_prefix;
mod overflow;
mod queue_leader_locator;
mod queue_master_locator;
mod queue_mode;
mod queue_type;
mod queue_version;
mod quorum_initial_group_size;
mod retry;
mod single_active_consumer;
mod stream_filter_size_bytes;
mod stream_max_segment_size_bytes;
mod track_status;

#[cfg(test)]
mod tests;

use leveret_protocol::{FieldTable, FieldValue, ShortString};

pub use self::check::LONGEST_MS;
pub(super) use self::check::integer;
pub(in crate::broker) use self::check::not_negative_number as not_negative;
pub(super) use self::consumer_timeout::value as consumer_timeout;
pub(super) use self::consumer_timeout_action::value as consumer_timeout_action;
pub use self::dead_letter_exchange::{check as check_dead_letter_exchange, value as dead_letter_exchange};
pub(super) use self::dead_letter_routing_key::value as dead_letter_routing_key;
pub(super) use self::delayed_retry_type::value as delayed_retry;
pub(super) use self::delivery_limit::value as delivery_limit;
pub(super) use self::expires::value as expires;
pub(super) use self::group_by::value as group_by;
pub(super) use self::hold_until_header::value as hold_until_header;
pub(super) use self::max_length::value as max_length;
pub(super) use self::max_length_bytes::value as max_length_bytes;
pub(super) use self::max_priority::value as max_priority;
pub(super) use self::message_ttl::value as message_ttl;
pub use self::name_prefix::value as name_prefix;
pub(super) use self::overflow::value as overflow;
pub use self::queue_type::{
    QueueType, check_deletion, check_named, check_properties, name as type_name, of as queue_type,
};
pub(super) use self::retry::value as retry;
pub(super) use self::single_active_consumer::value as single_active_consumer;
pub(super) use self::track_status::value as track_status;
use crate::broker::error::{ChannelError, ConnectionError};
use crate::broker::resource::Resource;

/// What a check says: nothing, or RabbitMQ's term for what is wrong.
type Check = fn(&FieldValue, &FieldTable) -> Result<(), String>;

/// What becomes of a valid argument on a queue of some type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Support {
    /// It has its effect, or RabbitMQ gives it none either.
    Honoured,
    /// Its feature is not there yet: 540.
    NotYet,
    /// It belongs to another queue type: 406.
    OtherType,
}

struct Argument {
    name: &'static str,
    /// On classic queues.
    support: Support,
    /// On quorum queues.
    quorum: Support,
    check: Check,
}

impl Argument {
    const fn support(&self, queue_type: QueueType) -> Support {
        match queue_type {
            QueueType::Classic => self.support,
            QueueType::Quorum => self.quorum,
            // Refused as a whole, so that nothing belongs elsewhere.
            QueueType::Stream => Support::Honoured,
        }
    }
}

/// Every argument that RabbitMQ knows of, in the order in which it looks at them; behind them our own.
static ARGUMENTS: [Argument; 40] = [
    expires::ARGUMENT,
    message_ttl::ARGUMENT,
    dead_letter_exchange::ARGUMENT,
    dead_letter_routing_key::ARGUMENT,
    dead_letter_strategy::ARGUMENT,
    max_length::ARGUMENT,
    max_length_bytes::ARGUMENT,
    max_priority::ARGUMENT,
    overflow::ARGUMENT,
    queue_mode::ARGUMENT,
    queue_version::ARGUMENT,
    single_active_consumer::ARGUMENT,
    queue_type::ARGUMENT,
    queue_leader_locator::ARGUMENT,
    queue_master_locator::ARGUMENT,
    delivery_limit::ARGUMENT,
    consumer_timeout::ARGUMENT,
    consumer_timeout_action::ARGUMENT,
    consumer_disconnected_timeout::ARGUMENT,
    delayed_retry_type::ARGUMENT,
    delayed_retry_min::ARGUMENT,
    delayed_retry_max::ARGUMENT,
    member_placement_tag::ARGUMENT,
    quorum_initial_group_size::ARGUMENT,
    max_in_memory_length::ARGUMENT,
    max_in_memory_bytes::ARGUMENT,
    max_age::ARGUMENT,
    stream_max_segment_size_bytes::ARGUMENT,
    stream_filter_size_bytes::ARGUMENT,
    initial_cluster_size::ARGUMENT,
    hold_until_header::ARGUMENT,
    group_by::ARGUMENT,
    track_status::ARGUMENT,
    retry::DELAYS,
    retry::FIRST,
    retry::LONGEST,
    retry::MULTIPLIER,
    retry::JITTER,
    retry::LIMIT,
    retry::ON,
];

/// Checks the values of a new queue's arguments, then whether its type takes them. Arguments that RabbitMQ does not
/// know are accepted and have no effect, as there.
///
/// # Errors
/// 406 for a bad value or an argument of another queue type.
pub fn validate(arguments: &FieldTable, resource: &Resource) -> Result<(), ChannelError> {
    let queue_type = queue_type::of(arguments);
    let belongs_elsewhere = |known: &Argument| known.support(queue_type) == Support::OtherType;
    // The type decides what else counts, so it comes first.
    let typed = present(arguments).filter(|(known, _)| known.name == queue_type::ARGUMENT.name);
    let others = present(arguments).filter(|(known, _)| !belongs_elsewhere(known));
    for (known, value) in typed.chain(others) {
        (known.check)(value, arguments).map_err(|reason| ChannelError::InvalidArgument {
            argument: known.name.to_owned(),
            resource: resource.clone(),
            reason,
        })?;
    }
    let elsewhere = present(arguments).map(|(known, _)| known).filter(|known| belongs_elsewhere(known));
    let elsewhere = elsewhere.map(|known| known.name);
    let told = match queue_type {
        // RabbitMQ sorts the table before this check; for a quorum queue it goes by a list of its own.
        QueueType::Classic | QueueType::Stream => elsewhere.min(),
        QueueType::Quorum => elsewhere.min_by_key(|name| *name != queue_mode::ARGUMENT.name),
    };
    match told {
        Some(argument) => Err(ChannelError::ArgumentOfOtherType {
            argument: argument.to_owned(),
            resource: resource.clone(),
            queue_type: queue_type.module(),
        }),
        None => Ok(()),
    }
}

/// Whether everything that valid arguments ask for is there.
///
/// # Errors
/// 540 for an argument or a queue type whose feature is not there yet.
pub fn require_support(arguments: &FieldTable, resource: &Resource) -> Result<(), ConnectionError> {
    let queue_type = queue_type::of(arguments);
    if let Some((known, _)) = present(arguments).find(|(known, _)| known.support(queue_type) == Support::NotYet) {
        return Err(not_yet(&format!("argument '{}' for {resource}", known.name)));
    }
    queue_type::refuse_streams(arguments, resource)
}

/// Our own arguments that a policy may give to a queue, by its keys.
const OWN: [(&str, &[&str]); 2] = [
    ("hold-until-header", &[]),
    ("retry-on", &["retry-delays", "retry-min", "retry-max", "retry-multiplier", "retry-jitter", "retry-limit"]),
];

/// The arguments of a queue with those of our own that a policy's definition gives it besides. Those that belong together
/// are the policy's or the queue's as a whole, and what the queue was declared with counts.
#[must_use]
pub fn with_policy(declared: &FieldTable, definition: &FieldTable) -> FieldTable {
    let mut arguments = declared.clone();
    for (key, others) in OWN {
        let keys = || std::iter::once(key).chain(others.iter().copied());
        if keys().any(|key| declared.contains(&argument_of(key))) {
            continue;
        }
        for key in keys() {
            let argument = argument_of(key);
            let check = ARGUMENTS.iter().find(|known| known.name == argument).map(|known| known.check);
            let valid = |value: &&FieldValue| check.is_some_and(|check| check(value, &arguments).is_ok());
            if let Some(value) = definition.get(key).filter(valid).cloned() {
                arguments.insert(&argument, value);
            }
        }
    }
    arguments
}

/// Whether a policy may give one of our own arguments such a value, whatever else it gives.
#[must_use]
pub fn may_be_given(key: &str, value: &FieldValue) -> bool {
    let argument = argument_of(key);
    let known = ARGUMENTS.iter().find(|known| known.name == argument);
    known.is_some_and(|known| (known.check)(value, &FieldTable::new()).is_ok())
}

fn argument_of(key: &str) -> String {
    format!("x-{key}")
}

fn present(arguments: &FieldTable) -> impl Iterator<Item = (&'static Argument, &FieldValue)> {
    ARGUMENTS.iter().filter_map(|known| Some((known, arguments.get(known.name)?)))
}

fn not_yet(what: &str) -> ConnectionError {
    ConnectionError::NotImplemented(format!("{what} is not implemented yet"))
}

/// The arguments that a redeclare must repeat: those that a queue of this type knows, in RabbitMQ's order.
pub fn compared(queue_type: QueueType) -> impl Iterator<Item = &'static str> {
    ARGUMENTS.iter().filter(move |known| known.support(queue_type) != Support::OtherType).map(|known| known.name)
}

/// The argument as it counts in comparisons: RabbitMQ adds the queue type where it is left out.
#[must_use]
pub fn effective<'a>(argument: &str, arguments: &'a FieldTable) -> Option<&'a FieldValue> {
    if argument == queue_type::ARGUMENT.name {
        return Some(queue_type::value(arguments));
    }
    arguments.get(argument)
}

/// What makes a queue another one: a running queue keeps it.
const FIXED: [&str; 4] = [
    queue_type::ARGUMENT.name,
    max_priority::ARGUMENT.name,
    single_active_consumer::ARGUMENT.name,
    group_by::ARGUMENT.name,
];

/// The arguments that a running queue takes on when it is asked for others.
#[must_use]
pub fn adopted(current: &FieldTable, mut wanted: FieldTable) -> FieldTable {
    for fixed in FIXED {
        wanted.remove(fixed);
        if let Some(value) = current.get(fixed) {
            wanted.insert(fixed, value.clone());
        }
    }
    wanted
}

/// The name in a string argument, where it can be a name.
fn name_in(value: &FieldValue) -> Option<ShortString> {
    ShortString::new(value.as_bytes()?).ok()
}
