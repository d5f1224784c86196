//! `x-delayed-retry-max`: the longest such wait (quorum queues).

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument =
    Argument { name: "x-delayed-retry-max", support: Support::OtherType, check: |_, _| Ok(()) };
