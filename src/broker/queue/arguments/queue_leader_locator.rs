//! `x-queue-leader-locator`: where a cluster places the queue; one node has one place.

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-queue-leader-locator",
    support: Support::Honoured,
    quorum: Support::Honoured,
    check: |value, _| {
        check::one_of(
            value,
            &["client-local", "balanced", "random", "least-leaders", "min-masters"],
            "invalid_queue_locator_arg",
        )
    },
};
