//! `x-max-priority`: the highest priority that the queue tells apart.

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-max-priority",
    support: Support::NotYet,
    quorum: Support::OtherType,
    check: |value, _| match check::not_negative(value)? {
        number if number > 255 => Err(format!("{{max_value_exceeded,{number}}}")),
        _ => Ok(()),
    },
};
