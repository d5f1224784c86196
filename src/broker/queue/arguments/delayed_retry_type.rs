//! `x-delayed-retry-type`: which returns wait before they are ready again (quorum queues).

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument =
    Argument { name: "x-delayed-retry-type", support: Support::OtherType, check: |_, _| Ok(()) };
