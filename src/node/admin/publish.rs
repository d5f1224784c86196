//! Publishing a message without a channel: one at a time, and done when it is safe.

use std::sync::Arc;

use leveret_protocol::{Properties, ShortString};
use thiserror::Error;

use super::Access;
use crate::broker::channel::compose::compose;
use crate::broker::error::ChannelError;
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
    /// A queue is full and refuses what comes, as its `x-overflow` says; others may have taken the message. A channel in
    /// confirm mode would get a nack.
    #[error("a queue is full and refused the message")]
    Full,
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
        if let Some(reason) = self.node.alarms.alarms().reason() {
            return Err(PublishError::Blocked(reason));
        }
        let limit = self.node.settings.max_message_size;
        let message = compose(exchange, routing_key, properties, body, limit, self.node.clock.now())?;
        let published = publish_alone(&self.node, &self.vhost, &self.actor, message)?;
        self.durable(published.position).await;
        if published.refused {
            return Err(PublishError::Full);
        }
        Ok(published.routed)
    }

    /// Waits until the log is on disk up to a position.
    async fn durable(&self, position: Position) {
        let Some(storage) = &self.node.storage else { return };
        let outbox = Arc::new(Outbox::default());
        let waiter: Arc<dyn Waiter> = Arc::clone(&outbox) as Arc<dyn Waiter>;
        while storage.log.durable() < position && storage.log.wake_when_durable(position, &waiter) {
            outbox.arrival().await;
        }
    }
}
