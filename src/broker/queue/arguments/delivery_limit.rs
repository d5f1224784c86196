//! `x-delivery-limit`: how often a message may be returned (quorum queues).

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument =
    Argument { name: "x-delivery-limit", support: Support::OtherType, check: |_, _| Ok(()) };
