//! `x-track-status`: it is told what becomes of each message, for who asks by its message-id (extension).

use leveret_protocol::{FieldTable, FieldValue};

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-track-status",
    support: Support::Honoured,
    quorum: Support::Honoured,
    check: |value, _| value.as_bool().map(drop).ok_or_else(|| check::unacceptable_type(value)),
};

/// Whether it is asked for.
pub(in crate::broker::queue) fn value(arguments: &FieldTable) -> bool {
    arguments.get(ARGUMENT.name).and_then(FieldValue::as_bool).unwrap_or_default()
}
