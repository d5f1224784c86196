//! `x-delayed-retry-min`: the shortest such wait (quorum queues).

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument =
    Argument { name: "x-delayed-retry-min", support: Support::OtherType, check: |_, _| Ok(()) };
