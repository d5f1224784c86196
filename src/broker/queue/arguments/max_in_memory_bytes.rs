//! `x-max-in-memory-bytes`: how many bytes stay in memory (quorum queues; no effect).

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument =
    Argument { name: "x-max-in-memory-bytes", support: Support::OtherType, check: |_, _| Ok(()) };
