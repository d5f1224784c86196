//! `x-single-active-consumer`: one consumer gets all deliveries, the others wait.

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-single-active-consumer",
    support: Support::NotYet,
    check: |value, _| value.as_bool().map(drop).ok_or_else(|| check::unacceptable_type(value)),
};
