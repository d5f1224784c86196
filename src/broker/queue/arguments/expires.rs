//! `x-expires`: how long an unused queue lives, in milliseconds.

use leveret_protocol::FieldTable;

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-expires",
    support: Support::Honoured,
    check: |value, _| check::at_most_ten_years(check::positive(value)?),
};

/// The time that is asked for.
pub(in crate::broker::queue) fn value(arguments: &FieldTable) -> Option<u64> {
    check::number_in(arguments, ARGUMENT.name)
}
