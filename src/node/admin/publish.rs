//! Publishing a message without a channel: one at a time, and done when it is safe.

use std::sync::Arc;
use std::time::Duration;

use leveret_protocol::{Properties, ShortString};
use thiserror::Error;

use super::Access;
use crate::broker::auth::Permission;
use crate::broker::channel::compose::compose;
use crate::broker::error::ChannelError;
use crate::broker::queue::Hold;
use crate::broker::resource::Resource;
use crate::node::Node;
use crate::node::cell::QueueCell;
use crate::node::outbox::Outbox;
use crate::node::session::publish_alone;
use crate::store::{Position, Waiter};

/// Why a message was not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PublishError {
    /// As basic.publish.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// An alarm is on; a channel would be blocked.
    #[error("publishers are blocked: {0}")]
    Blocked(&'static str),
    /// A queue is full and refuses what comes or lets publishers wait, as its `x-overflow` says; others may have taken the
    /// message. A channel in confirm mode would get a nack, or wait for its confirm.
    #[error("a queue is full and refused the message")]
    Full {
        /// How long it takes until there is room, about: from a second to a minute.
        retry_after: Duration,
    },
}

/// A queue that messages are to be put into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whether it survives a restart.
    pub durable: bool,
    /// The header with the time until which it holds a message; `None`: it holds none.
    pub held_until_header: Option<ShortString>,
    /// Unix time now, in milliseconds.
    pub now_ms: u64,
}

impl Target {
    /// A message-id that no other message has.
    #[must_use]
    pub fn new_message_id(&self) -> ShortString {
        ShortString::new(Node::random_name()).unwrap_or_default()
    }
}

impl Access {
    /// basic.publish and its confirm: whether the message went to a queue. A persistent message is on the disk by then.
    ///
    /// # Errors
    /// As basic.publish, and when publishers are blocked.
    pub async fn publish(
        &self,
        exchange: &ShortString,
        routing_key: &ShortString,
        properties: Properties,
        body: &[u8],
    ) -> Result<bool, PublishError> {
        let (routed, position) = self.send(exchange, routing_key, properties, body)?;
        self.durable(position).await;
        Ok(routed)
    }

    /// The queue that messages are to be put into by its name, by way of the default exchange.
    ///
    /// # Errors
    /// 403 without the permission to write to the default exchange, 404 where there is no such queue.
    pub fn target(&self, queue: &ShortString) -> Result<Target, ChannelError> {
        let cell = self.writable(queue)?;
        let held_until_header = match cell.settings().hold {
            Some(Hold::Until(header)) => Some(header),
            Some(Hold::ForExchange) | None => None,
        };
        Ok(Target { durable: cell.entry.durable, held_until_header, now_ms: self.node.clock.now().as_millis() })
    }

    /// basic.publish to a queue by its name; what its confirm waits for, see `durable`.
    ///
    /// # Errors
    /// As `publish`, and 404 where there is no such queue.
    pub fn enqueue(&self, queue: &ShortString, properties: Properties, body: &[u8]) -> Result<Position, PublishError> {
        match self.send(&ShortString::default(), queue, properties, body)? {
            (true, position) => Ok(position),
            (false, _) => Err(self.no_queue(queue).into()),
        }
    }

    pub(super) fn writable(&self, queue: &ShortString) -> Result<Arc<QueueCell>, ChannelError> {
        let default_exchange = Resource::exchange(&ShortString::default(), &self.vhost.name);
        self.actor.require(Permission::Write, &default_exchange)?;
        let topology = self.vhost.topology();
        let cell = topology.queue(queue.as_bytes()).and_then(|entry| self.vhost.cell(entry.id));
        cell.ok_or_else(|| self.no_queue(queue))
    }

    fn no_queue(&self, queue: &ShortString) -> ChannelError {
        ChannelError::NotFound(Resource::queue(queue, &self.vhost.name))
    }

    /// Whether the message went to a queue, and from which position on it is safe.
    fn send(
        &self,
        exchange: &ShortString,
        routing_key: &ShortString,
        properties: Properties,
        body: &[u8],
    ) -> Result<(bool, Position), PublishError> {
        if let Some(reason) = self.node.alarms.alarms().reason() {
            return Err(PublishError::Blocked(reason));
        }
        let limit = self.node.settings.max_message_size;
        let message = compose(exchange, routing_key, properties, body, limit, self.node.clock.now())?;
        let published = publish_alone(&self.node, &self.vhost, &self.actor, message)?;
        if let Some(retry_after) = published.refused {
            return Err(PublishError::Full { retry_after });
        }
        Ok((published.routed, published.position))
    }

    /// Waits until the log is on disk up to a position.
    pub async fn durable(&self, position: Position) {
        let Some(storage) = &self.node.storage else { return };
        let outbox = Arc::new(Outbox::default());
        let waiter: Arc<dyn Waiter> = Arc::clone(&outbox) as Arc<dyn Waiter>;
        while storage.log.durable() < position && storage.log.wake_when_durable(position, &waiter) {
            outbox.arrival().await;
        }
    }
}
