//! `x-consumer-timeout-action`: what becomes of a delivery that stays unacked for too long. Our own; RabbitMQ takes no
//! notice of it.

use leveret_protocol::FieldTable;

use super::{Argument, Support, check};
use crate::broker::queue::TimeoutAction;

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-consumer-timeout-action",
    support: Support::Honoured,
    quorum: Support::Honoured,
    check: |value, _| check::one_of(value, &["end-consumer", "requeue"], "invalid_consumer_timeout_action"),
};

/// The action that is asked for.
pub(in crate::broker::queue) fn value(arguments: &FieldTable) -> Option<TimeoutAction> {
    TimeoutAction::by_name(arguments.get(ARGUMENT.name)?.as_bytes()?)
}
