//! `x-max-length`: the most ready messages that the queue keeps.

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument =
    Argument { name: "x-max-length", support: Support::NotYet, check: |value, _| check::not_negative(value).map(drop) };
