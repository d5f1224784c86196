//! `x-queue-master-locator`: where a cluster placed a mirrored queue; one node has one place.

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-queue-master-locator",
    support: Support::Honoured,
    quorum: Support::OtherType,
    check: |_, _| Ok(()),
};
