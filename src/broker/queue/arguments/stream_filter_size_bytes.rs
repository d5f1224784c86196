//! `x-stream-filter-size-bytes`: the size of a stream's filters.

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-stream-filter-size-bytes",
    support: Support::OtherType,
    quorum: Support::OtherType,
    check: |_, _| Ok(()),
};
