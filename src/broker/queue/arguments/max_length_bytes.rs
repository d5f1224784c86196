//! `x-max-length-bytes`: the most bytes of ready bodies that the queue keeps.

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-max-length-bytes",
    support: Support::NotYet,
    check: |value, _| check::not_negative(value).map(drop),
};
