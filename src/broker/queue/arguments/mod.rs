//! Arguments of queue.declare: one file each, one line in the table. Every argument is checked as RabbitMQ checks it;
//! a valid one whose feature is not there yet is refused with 540, never ignored.

mod check;
mod consumer_disconnected_timeout;
mod consumer_timeout;
mod dead_letter_exchange;
mod dead_letter_routing_key;
mod dead_letter_strategy;
mod delayed_retry_max;
mod delayed_retry_min;
mod delayed_retry_type;
mod delivery_limit;
mod expires;
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
mod single_active_consumer;
mod stream_filter_size_bytes;
mod stream_max_segment_size_bytes;

#[cfg(test)]
mod tests;

use leveret_protocol::{FieldTable, FieldValue, ShortString};

pub use self::dead_letter_exchange::{check as check_dead_letter_exchange, value as dead_letter_exchange};
pub use self::name_prefix::value as name_prefix;
use crate::broker::error::{BrokerError, ChannelError, ConnectionError};
use crate::broker::resource::Resource;

/// What a check says: nothing, or RabbitMQ's term for what is wrong.
type Check = fn(&FieldValue, &FieldTable) -> Result<(), String>;

/// What becomes of a valid argument on a classic queue.
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
    support: Support,
    check: Check,
}

/// Every argument that RabbitMQ knows of.
static ARGUMENTS: [Argument; 29] = [
    queue_type::ARGUMENT,
    message_ttl::ARGUMENT,
    expires::ARGUMENT,
    max_length::ARGUMENT,
    max_length_bytes::ARGUMENT,
    overflow::ARGUMENT,
    dead_letter_exchange::ARGUMENT,
    dead_letter_routing_key::ARGUMENT,
    dead_letter_strategy::ARGUMENT,
    max_priority::ARGUMENT,
    single_active_consumer::ARGUMENT,
    queue_mode::ARGUMENT,
    queue_version::ARGUMENT,
    queue_leader_locator::ARGUMENT,
    queue_master_locator::ARGUMENT,
    delivery_limit::ARGUMENT,
    consumer_timeout::ARGUMENT,
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
];

const CLASSIC: &str = "rabbit_classic_queue";

/// Checks the arguments of a new queue.
///
/// # Errors
/// 406 for a bad value or an argument of another queue type, 540 for one whose feature is not there yet. Arguments
/// that RabbitMQ does not know are accepted and have no effect, as there.
pub fn validate(arguments: &FieldTable, resource: &Resource) -> Result<(), BrokerError> {
    let present = || ARGUMENTS.iter().filter_map(|known| Some((known, arguments.get(known.name)?)));
    for (known, value) in present() {
        if known.support == Support::OtherType && queue_type::is_classic(arguments) {
            return Err(BrokerError::Channel(ChannelError::ArgumentOfOtherType {
                argument: known.name.to_owned(),
                resource: resource.clone(),
                queue_type: CLASSIC,
            }));
        }
        (known.check)(value, arguments).map_err(|reason| ChannelError::InvalidArgument {
            argument: known.name.to_owned(),
            resource: resource.clone(),
            reason,
        })?;
    }
    for (known, _) in present() {
        if known.support == Support::NotYet {
            return Err(not_yet(&format!("argument '{}' for {resource}", known.name)));
        }
    }
    queue_type::refuse_other_types(arguments, resource)
}

fn not_yet(what: &str) -> BrokerError {
    BrokerError::Connection(ConnectionError::NotImplemented(format!("{what} is not implemented yet")))
}

/// The arguments that a redeclare must repeat: those that a classic queue knows, in RabbitMQ's order.
pub fn compared() -> impl Iterator<Item = &'static str> {
    ARGUMENTS.iter().filter(|known| known.support != Support::OtherType).map(|known| known.name)
}

/// Whether an argument that only one side gives means the same as leaving it out.
#[must_use]
pub fn same_by_default(argument: &str, received: &FieldTable, current: &FieldTable) -> bool {
    argument == queue_type::ARGUMENT.name && queue_type::of(received) == queue_type::of(current)
}

/// The name in a string argument, where it can be a name.
fn name_in(value: &FieldValue) -> Option<ShortString> {
    ShortString::new(value.as_bytes()?).ok()
}
