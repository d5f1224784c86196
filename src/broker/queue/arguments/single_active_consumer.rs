//! `x-single-active-consumer`: one consumer gets all deliveries, the others wait.

use leveret_protocol::FieldTable;

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-single-active-consumer",
    support: Support::Honoured,
    quorum: Support::Honoured,
    check: |value, _| value.as_bool().map(drop).ok_or_else(|| check::unacceptable_type(value)),
};

/// Whether it is asked for.
pub(in crate::broker::queue) fn value(arguments: &FieldTable) -> bool {
    arguments.get(ARGUMENT.name).and_then(leveret_protocol::FieldValue::as_bool).unwrap_or_default()
}
