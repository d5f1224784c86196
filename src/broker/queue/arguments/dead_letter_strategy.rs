//! `x-dead-letter-strategy`: whether dead messages may be lost on their way (quorum queues). Leveret never loses any: it
//! writes the death and the new place down as one.

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-dead-letter-strategy",
    support: Support::OtherType,
    quorum: Support::Honoured,
    check: |value, _| check::one_of(value, &["at-most-once", "at-least-once"], "invalid_dlx_strategy"),
};
