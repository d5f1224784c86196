//! `x-expires`: how long an unused queue lives, in milliseconds.

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-expires",
    support: Support::NotYet,
    check: |value, _| check::at_most_ten_years(check::positive(value)?),
};
