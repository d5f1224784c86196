//! `x-queue-type`: classic, quorum or stream. Leaving it out means classic, and so does RabbitMQ's empty name; but the
//! two are not the same to a redeclare.

use bytes::Bytes;
use leveret_protocol::{FieldTable, FieldValue};

use super::{Argument, Support, check, not_yet};
use crate::broker::error::{ChannelError, ConnectionError};
use crate::broker::resource::Resource;

pub(super) const ARGUMENT: Argument = Argument {
    name: "x-queue-type",
    support: Support::Honoured,
    check: |value, _| {
        let name = check::text(value)?;
        if KNOWN.iter().any(|(known, _)| known.as_bytes() == name) {
            return Ok(());
        }
        Err(format!("\"unsupported queue type '{}'\"", String::from_utf8_lossy(name)))
    },
};

/// What RabbitMQ calls classic queues in its texts.
pub(in crate::broker::queue) const CLASSIC_MODULE: &str = "rabbit_classic_queue";

/// Each type with what RabbitMQ calls it in its texts.
const KNOWN: [(&str, &str); 4] = [
    ("classic", CLASSIC_MODULE),
    ("", CLASSIC_MODULE),
    ("quorum", "rabbit_quorum_queue"),
    ("stream", "rabbit_stream_queue"),
];

static DEFAULT: FieldValue = FieldValue::LongString(Bytes::from_static(b"classic"));

/// The type as it is asked for, or the default.
pub(super) fn value(arguments: &FieldTable) -> &FieldValue {
    arguments.get(ARGUMENT.name).unwrap_or(&DEFAULT)
}

/// The name of the type.
#[must_use]
pub fn name(arguments: &FieldTable) -> &[u8] {
    value(arguments).as_bytes().unwrap_or_default()
}

/// What RabbitMQ calls the type in its texts, if it is known and another one than classic.
#[must_use]
pub fn other_module(arguments: &FieldTable) -> Option<&'static str> {
    let known = KNOWN.iter().find(|(known, _)| known.as_bytes() == name(arguments));
    known.map(|(_, module)| *module).filter(|module| *module != CLASSIC_MODULE)
}

pub(super) fn is_classic(arguments: &FieldTable) -> bool {
    other_module(arguments).is_none()
}

/// Only a classic queue may be named by the broker.
///
/// # Errors
/// 406 for the other types.
pub fn check_named(arguments: &FieldTable) -> Result<(), ChannelError> {
    other_module(arguments).map_or(Ok(()), |queue_type| Err(ChannelError::ServerNamed { queue_type }))
}

/// Only a classic queue may be transient, exclusive or auto-delete.
///
/// # Errors
/// 406 with the first of these properties, in RabbitMQ's order, that the type does not have.
pub fn check_properties(
    arguments: &FieldTable,
    durable: bool,
    exclusive: bool,
    auto_delete: bool,
    resource: &Resource,
) -> Result<(), ChannelError> {
    if is_classic(arguments) {
        return Ok(());
    }
    let properties = [(auto_delete, "auto-delete"), (exclusive, "exclusive-owner"), (!durable, "non-durable")];
    match properties.into_iter().find(|(refused, _)| *refused) {
        Some((_, property)) => Err(ChannelError::InvalidProperty { property, resource: resource.clone() }),
        None => Ok(()),
    }
}

pub(super) fn refuse_other_types(arguments: &FieldTable, resource: &Resource) -> Result<(), ConnectionError> {
    if is_classic(arguments) {
        return Ok(());
    }
    Err(not_yet(&format!("queue type '{}' for {resource}", String::from_utf8_lossy(name(arguments)))))
}
