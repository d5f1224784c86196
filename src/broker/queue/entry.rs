//! A queue as the vhost knows it: name and settings, fixed at declare. Owns no messages.

use leveret_protocol::{FieldTable, ShortString};

use super::arguments::{self, QueueType};
use crate::broker::error::ChannelError;
use crate::broker::ids::{ConnectionId, QueueId};
use crate::broker::resource::Resource;

/// A declared queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueEntry {
    /// Its id.
    pub id: QueueId,
    /// Its name.
    pub name: ShortString,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// The connection it is exclusive to, if it is.
    pub owner: Option<ConnectionId>,
    /// As declared.
    pub arguments: FieldTable,
}

impl QueueEntry {
    /// The type it was declared with.
    #[must_use]
    pub fn queue_type(&self) -> QueueType {
        arguments::queue_type(&self.arguments)
    }

    /// Passes unless the queue is exclusive to another connection.
    ///
    /// # Errors
    /// 405.
    pub fn check_owner(&self, connection: ConnectionId, resource: Resource) -> Result<(), ChannelError> {
        match self.owner {
            Some(owner) if owner != connection => Err(ChannelError::Locked(resource)),
            Some(_) | None => Ok(()),
        }
    }
}
