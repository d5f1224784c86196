//! `x-max-in-memory-length`: how many messages stay in memory (quorum queues; no effect).

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument =
    Argument { name: "x-max-in-memory-length", support: Support::OtherType, check: |_, _| Ok(()) };
