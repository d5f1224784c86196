//! `x-consumer-disconnected-timeout`: how long a consumer on an unreachable node is waited for (quorum queues);
//! one node reaches itself.

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-consumer-disconnected-timeout",
    support: Support::OtherType,
    quorum: Support::Honoured,
    check: |value, _| check::not_negative(value).map(drop),
};
