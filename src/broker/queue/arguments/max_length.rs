//! `x-max-length`: the most ready messages that the queue keeps.

use leveret_protocol::FieldTable;

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-max-length",
    support: Support::Honoured,
    check: |value, _| check::not_negative(value).map(drop),
};

/// The limit that is asked for.
pub(in crate::broker::queue) fn value(arguments: &FieldTable) -> Option<u64> {
    check::number_in(arguments, ARGUMENT.name)
}
