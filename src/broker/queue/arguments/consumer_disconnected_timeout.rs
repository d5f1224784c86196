//! `x-consumer-disconnected-timeout`: how long a lost consumer keeps its messages (quorum queues).

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument =
    Argument { name: "x-consumer-disconnected-timeout", support: Support::OtherType, check: |_, _| Ok(()) };
