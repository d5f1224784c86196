//! `x-group-by`: the header whose value makes messages a group, which one consumer at a time has (extension).

use leveret_protocol::{FieldTable, ShortString};

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-group-by",
    support: Support::Honoured,
    quorum: Support::Honoured,
    check: |value, all| match check::text(value)? {
        [] => Err("invalid_header".to_owned()),
        name if name.len() > 255 => Err("invalid_header".to_owned()),
        // What is urgent would have to overtake its own group.
        _ if all.contains("x-max-priority") => Err("group_by_with_max_priority".to_owned()),
        _ => Ok(()),
    },
};

/// The name of the header.
pub(in crate::broker::queue) fn value(arguments: &FieldTable) -> Option<ShortString> {
    super::name_in(arguments.get(ARGUMENT.name)?)
}
