//! `x-quorum-initial-group-size`: on how many nodes it starts (quorum queues); there is one.

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-quorum-initial-group-size",
    support: Support::OtherType,
    quorum: Support::Honoured,
    check: |value, _| check::positive(value).map(drop),
};
