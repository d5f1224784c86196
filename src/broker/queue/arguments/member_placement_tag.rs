//! `x-member-placement-tag`: on which nodes it may be (quorum queues); one node has one place.

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-member-placement-tag",
    support: Support::OtherType,
    quorum: Support::Honoured,
    check: |value, _| check::text(value).map(drop),
};
