//! `x-message-ttl`: how long a message lives in the queue, in milliseconds.

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-message-ttl",
    support: Support::NotYet,
    check: |value, _| check::at_most_ten_years(check::not_negative(value)?),
};
