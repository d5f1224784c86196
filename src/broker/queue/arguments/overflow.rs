//! `x-overflow`: what a full queue does with one message more.

use leveret_protocol::FieldTable;

use super::{Argument, Support, check};
use crate::broker::queue::Overflow;

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-overflow",
    support: Support::Honoured,
    check: |value, _| check::one_of(value, &["drop-head", "reject-publish", "reject-publish-dlx"], "invalid_overflow"),
};

/// The overflow that is asked for.
pub(in crate::broker::queue) fn value(arguments: &FieldTable) -> Option<Overflow> {
    Overflow::by_name(arguments.get(ARGUMENT.name)?.as_bytes()?)
}
