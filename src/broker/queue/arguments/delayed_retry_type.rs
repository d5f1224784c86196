//! `x-delayed-retry-type`: which returned messages are held back for a while (quorum queues).

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-delayed-retry-type",
    support: Support::OtherType,
    quorum: Support::NotYet,
    check: |_, _| Ok(()),
};
