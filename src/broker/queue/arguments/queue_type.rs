//! `x-queue-type`: classic, quorum or stream. Leaving it out means classic.

use leveret_protocol::FieldTable;

use super::{Argument, Support, check, not_yet};
use crate::broker::error::BrokerError;
use crate::broker::resource::Resource;

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-queue-type",
    support: Support::Honoured,
    check: |value, _| {
        let name = check::text(value)?;
        if KNOWN.iter().any(|known| known.as_bytes() == name) {
            return Ok(());
        }
        Err(format!("\"unsupported queue type '{}'\"", String::from_utf8_lossy(name)))
    },
};

const CLASSIC: &str = "classic";
const KNOWN: [&str; 3] = [CLASSIC, "quorum", "stream"];

/// The type that is asked for.
pub(super) fn of(arguments: &FieldTable) -> &[u8] {
    arguments.get(ARGUMENT.name).and_then(|value| value.as_bytes()).unwrap_or(CLASSIC.as_bytes())
}

pub(super) fn refuse_other_types(arguments: &FieldTable, resource: &Resource) -> Result<(), BrokerError> {
    match of(arguments) {
        name if name == CLASSIC.as_bytes() => Ok(()),
        other => Err(not_yet(&format!("queue type '{}' for {resource}", String::from_utf8_lossy(other)))),
    }
}
