//! `x-quorum-initial-group-size`: on how many nodes it starts (quorum queues).

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument =
    Argument { name: "x-quorum-initial-group-size", support: Support::OtherType, check: |_, _| Ok(()) };
