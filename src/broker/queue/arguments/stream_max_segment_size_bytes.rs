//! `x-stream-max-segment-size-bytes`: the size of a stream's files.

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-stream-max-segment-size-bytes",
    support: Support::OtherType,
    quorum: Support::OtherType,
    check: |_, _| Ok(()),
};
