//! `x-delayed-retry-max`: how long at most a returned message is held back, in milliseconds (quorum queues).

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-delayed-retry-max",
    support: Support::OtherType,
    quorum: Support::Honoured,
    check: |_, _| Ok(()),
};
