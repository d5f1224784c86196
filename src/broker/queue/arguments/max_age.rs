//! `x-max-age`: how long a stream keeps messages.

use super::{Argument, Support};

pub(super) const ARGUMENT: Argument =
    Argument { name: "x-max-age", support: Support::OtherType, quorum: Support::OtherType, check: |_, _| Ok(()) };
