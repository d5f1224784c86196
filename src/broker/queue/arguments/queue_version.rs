//! `x-queue-version`: the version of RabbitMQ's storage; 2 is the only one left, and means nothing here.

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-queue-version",
    support: Support::Honoured,
    quorum: Support::OtherType,
    check: |value, _| match check::not_negative(value)? {
        2 => Ok(()),
        other => Err(format!("\"unsupported queue version '{other}'\"")),
    },
};
