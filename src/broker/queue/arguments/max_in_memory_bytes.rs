//! `x-max-in-memory-bytes`: has no effect any more, in RabbitMQ neither (quorum queues).

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-max-in-memory-bytes",
    support: Support::OtherType,
    quorum: Support::Honoured,
    check: |value, _| check::not_negative(value).map(drop),
};
