//! `x-queue-mode`: `default` or `lazy`; has no effect in RabbitMQ since 3.12, and none here.

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument =
    Argument { name: "x-queue-mode", support: Support::Honoured, quorum: Support::OtherType, check: |_, _| Ok(()) };
