//! `x-dead-letter-routing-key`: the routing key with which messages are dead-lettered.

use leveret_protocol::{FieldTable, ShortString};

use super::{Argument, Support, check};

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-dead-letter-routing-key",
    support: Support::Honoured,
    check: |value, all| {
        check::text(value)?;
        if all.contains("x-dead-letter-exchange") { Ok(()) } else { Err("routing_key_but_no_dlx_defined".to_owned()) }
    },
};

/// The routing key that is asked for, where it can be one.
pub(in crate::broker::queue) fn value(arguments: &FieldTable) -> Option<ShortString> {
    super::name_in(arguments.get(ARGUMENT.name)?)
}
