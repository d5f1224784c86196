//! `x-hold-until-header`: the header with the time before which a message is not ready (extension).

use leveret_protocol::{FieldTable, ShortString};

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-hold-until-header",
    support: Support::Honoured,
    quorum: Support::Honoured,
    check: |value, _| match check::text(value)? {
        [] => Err("invalid_header".to_owned()),
        name if name.len() > 255 => Err("invalid_header".to_owned()),
        _ => Ok(()),
    },
};

/// The name of the header.
pub(in crate::broker::queue) fn value(arguments: &FieldTable) -> Option<ShortString> {
    super::name_in(arguments.get(ARGUMENT.name)?)
}
