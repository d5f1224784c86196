//! `x-max-priority`: the highest priority that the queue tells apart.

use leveret_protocol::FieldTable;

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-max-priority",
    support: Support::Honoured,
    quorum: Support::OtherType,
    check: |value, _| match check::not_negative(value)? {
        number if number > 255 => Err(format!("{{max_value_exceeded,{number}}}")),
        _ => Ok(()),
    },
};

/// The priority that is asked for; 0: the queue has none. RabbitMQ takes 0 for 1.
pub(in crate::broker::queue) fn value(arguments: &FieldTable) -> u8 {
    let asked = check::number_in(arguments, ARGUMENT.name);
    asked.map_or(0, |number| u8::try_from(number).unwrap_or(u8::MAX).max(1))
}
