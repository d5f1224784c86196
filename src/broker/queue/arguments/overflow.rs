//! `x-overflow`: what a full queue does with one message more.

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-overflow",
    support: Support::NotYet,
    check: |value, _| check::one_of(value, &["drop-head", "reject-publish", "reject-publish-dlx"], "invalid_overflow"),
};
