//! `x-initial-cluster-size`: on how many nodes a stream starts.

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-initial-cluster-size",
    support: Support::OtherType,
    quorum: Support::OtherType,
    check: |_, _| Ok(()),
};
