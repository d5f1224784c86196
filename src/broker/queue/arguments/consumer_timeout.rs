//! `x-consumer-timeout`: how long a delivery may stay unacked (quorum queues).

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument =
    Argument { name: "x-consumer-timeout", support: Support::OtherType, check: |_, _| Ok(()) };
