//! `x-consumer-timeout`: how long a delivery may stay unacked, in milliseconds; 0: for ever. RabbitMQ has it on quorum
//! queues only.

use leveret_protocol::FieldTable;

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-consumer-timeout",
    support: Support::Honoured,
    quorum: Support::Honoured,
    check: |value, _| check::not_negative(value).map(drop),
};

/// The time that is asked for, in milliseconds.
pub(in crate::broker::queue) fn value(arguments: &FieldTable) -> Option<u64> {
    check::number_in(arguments, ARGUMENT.name)
}
