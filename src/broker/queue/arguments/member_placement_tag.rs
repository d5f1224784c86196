//! `x-member-placement-tag`: which nodes hold the queue (quorum queues).

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument =
    Argument { name: "x-member-placement-tag", support: Support::OtherType, check: |_, _| Ok(()) };
