//! `x-message-ttl`: how long a message lives in the queue, in milliseconds.

use leveret_protocol::FieldTable;

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-message-ttl",
    support: Support::Honoured,
    check: |value, _| check::at_most_ten_years(check::not_negative(value)?),
};

/// The time to live that is asked for.
pub(in crate::broker::queue) fn value(arguments: &FieldTable) -> Option<u64> {
    check::number_in(arguments, ARGUMENT.name)
}
