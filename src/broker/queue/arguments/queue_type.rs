//! `x-queue-type`: classic, quorum or stream. Leaving it out means classic.

use leveret_protocol::{FieldTable, FieldValue};

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

/// The type that is asked for; `None` for a value that is no text.
pub(super) fn of(arguments: &FieldTable) -> Option<&[u8]> {
    arguments.get(ARGUMENT.name).map_or(Some(CLASSIC.as_bytes()), FieldValue::as_bytes)
}

pub(super) fn is_classic(arguments: &FieldTable) -> bool {
    of(arguments) == Some(CLASSIC.as_bytes())
}

pub(super) fn refuse_other_types(arguments: &FieldTable, resource: &Resource) -> Result<(), BrokerError> {
    if is_classic(arguments) {
        return Ok(());
    }
    let other = String::from_utf8_lossy(of(arguments).unwrap_or_default());
    Err(not_yet(&format!("queue type '{other}' for {resource}")))
}
