//! `x-delivery-limit`: how often a delivery of a message may fail before it dies. RabbitMQ has it on quorum queues only,
//! and takes any value there.

use leveret_protocol::FieldTable;

use super::{Argument, Support, check, queue_type};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-delivery-limit",
    support: Support::Honoured,
    quorum: Support::Honoured,
    check: |value, all| match queue_type::of(all) {
        queue_type::QueueType::Classic => check::integer(value).map(drop),
        queue_type::QueueType::Quorum | queue_type::QueueType::Stream => Ok(()),
    },
};

/// The limit that is asked for; a negative number: none.
pub(in crate::broker::queue) fn value(arguments: &FieldTable) -> Option<i64> {
    arguments.get(ARGUMENT.name)?.as_integer()
}
