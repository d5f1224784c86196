//! `x-dead-letter-strategy`: how surely dead messages reach the dead-letter exchange (quorum queues).

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument =
    Argument { name: "x-dead-letter-strategy", support: Support::OtherType, check: |_, _| Ok(()) };
