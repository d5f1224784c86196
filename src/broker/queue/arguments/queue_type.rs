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
    quorum: Support::Honoured,
    check: |value, _| {
        let name = check::text(value)?;
        if KNOWN.iter().any(|(known, _)| known.as_bytes() == name) {
            return Ok(());
        }
        Err(format!("\"unsupported queue type '{}'\"", String::from_utf8_lossy(name)))
    },
};

/// The type of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueType {
    /// The one with everything but counts of deliveries.
    #[default]
    Classic,
    /// RabbitMQ's replicated type: always durable, counts deliveries, serves what came back first.
    Quorum,
    /// RabbitMQ's log. Not implemented.
    Stream,
}

impl QueueType {
    /// What RabbitMQ calls it in its texts.
    #[must_use]
    pub const fn module(self) -> &'static str {
        match self {
            Self::Classic => "rabbit_classic_queue",
            Self::Quorum => "rabbit_quorum_queue",
            Self::Stream => "rabbit_stream_queue",
        }
    }
}

const KNOWN: [(&str, QueueType); 4] = [
    ("classic", QueueType::Classic),
    ("", QueueType::Classic),
    ("quorum", QueueType::Quorum),
    ("stream", QueueType::Stream),
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

/// The type that is asked for; one that is not known is refused before it counts.
#[must_use]
pub fn of(arguments: &FieldTable) -> QueueType {
    let known = KNOWN.iter().find(|(known, _)| known.as_bytes() == name(arguments));
    known.map(|(_, queue_type)| *queue_type).unwrap_or_default()
}

/// Only a classic queue may be named by the broker.
///
/// # Errors
/// 406 for the other types.
pub fn check_named(arguments: &FieldTable) -> Result<(), ChannelError> {
    match of(arguments) {
        QueueType::Classic => Ok(()),
        other @ (QueueType::Quorum | QueueType::Stream) => {
            Err(ChannelError::ServerNamed { queue_type: other.module() })
        }
    }
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
    if of(arguments) == QueueType::Classic {
        return Ok(());
    }
    let properties = [(auto_delete, "auto-delete"), (exclusive, "exclusive-owner"), (!durable, "non-durable")];
    match properties.into_iter().find(|(refused, _)| *refused) {
        Some((_, property)) => Err(ChannelError::InvalidProperty { property, resource: resource.clone() }),
        None => Ok(()),
    }
}

/// Only a classic queue can be deleted on a condition (RabbitMQ: text must match).
///
/// # Errors
/// 540 for the other types.
pub fn check_deletion(
    arguments: &FieldTable,
    if_unused: bool,
    if_empty: bool,
    resource: &Resource,
) -> Result<(), ConnectionError> {
    let conditions = [(if_unused, "if-unused"), (if_empty, "if-empty")];
    let Some((_, condition)) = conditions.into_iter().find(|(wanted, _)| *wanted) else { return Ok(()) };
    if of(arguments) == QueueType::Classic {
        return Ok(());
    }
    Err(ConnectionError::NotImplemented(format!(
        "cannot delete {resource}. queue.delete operations with {condition} flag set are not supported by quorum queues"
    )))
}

pub(super) fn refuse_streams(arguments: &FieldTable, resource: &Resource) -> Result<(), ConnectionError> {
    if of(arguments) != QueueType::Stream {
        return Ok(());
    }
    Err(not_yet(&format!("queue type '{}' for {resource}", String::from_utf8_lossy(name(arguments)))))
}
