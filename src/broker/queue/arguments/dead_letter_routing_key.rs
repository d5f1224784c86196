//! `x-dead-letter-routing-key`: the routing key with which messages are dead-lettered.

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-dead-letter-routing-key",
    support: Support::NotYet,
    check: |value, all| {
        check::text(value)?;
        if all.contains("x-dead-letter-exchange") { Ok(()) } else { Err("routing_key_but_no_dlx_defined".to_owned()) }
    },
};
