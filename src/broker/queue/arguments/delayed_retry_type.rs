//! `x-delayed-retry-type`: which returned messages are held back for a while (quorum queues). RabbitMQ takes any value.

use leveret_protocol::{FieldTable, FieldValue};

use super::{Argument, Support, check, delayed_retry_max, delayed_retry_min, queue_type};
use crate::broker::queue::delayed_retry::DelayedRetry;

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-delayed-retry-type",
    support: Support::OtherType,
    quorum: Support::Honoured,
    check: |_, _| Ok(()),
};

/// What a quorum queue's arguments ask for.
pub(in crate::broker::queue) fn value(arguments: &FieldTable) -> Option<DelayedRetry> {
    let is_quorum = queue_type::of(arguments) == queue_type::QueueType::Quorum;
    let kind = arguments.get(ARGUMENT.name).and_then(FieldValue::as_bytes).filter(|_| is_quorum);
    let millis = |name| check::number_in(arguments, name);
    DelayedRetry::of(kind, millis(delayed_retry_min::ARGUMENT.name), millis(delayed_retry_max::ARGUMENT.name))
}
