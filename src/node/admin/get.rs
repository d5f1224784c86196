//! Getting messages without a channel: all of them are taken before any goes back, so that none comes twice.

use std::sync::Arc;

use leveret_protocol::ShortString;

use super::Access;
use crate::broker::error::ChannelError;
use crate::broker::ids::{CheckoutId, ConsumerId};
use crate::broker::message::Message;
use crate::broker::queue::{Input, Outcome};
use crate::broker::resource::Resource;
use crate::node::cell::QueueCell;
use crate::node::clock::Clock;
use crate::node::outbox::Outbox;

/// A message that was got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The message.
    pub message: Message,
    /// It was handed out before.
    pub redelivered: bool,
    /// Ready messages after it.
    pub ready: usize,
}

/// What becomes of the messages that were got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterGet {
    /// Back to their places.
    Requeue,
    /// Gone: done.
    Acknowledge,
    /// Gone: rejected.
    Reject,
}

/// How much to get at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetLimits {
    /// The most messages.
    pub count: usize,
    /// Bytes of messages after which no further one is taken.
    pub bytes: usize,
}

impl Access {
    /// basic.get several times, and the settling of all.
    ///
    /// # Errors
    /// As basic.get.
    pub async fn get(
        &self,
        queue: &ShortString,
        limits: GetLimits,
        after: AfterGet,
    ) -> Result<Vec<Fetched>, ChannelError> {
        let cell = self.readable(queue)?;
        let holder = Holder { cell: &cell, clock: self.node.clock, consumer: self.node.next_consumer() };
        let (mut fetched, mut checkouts) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        let outbox = Arc::new(Outbox::default());
        while fetched.len() < limits.count && bytes < limits.bytes {
            let outcome = cell
                .get(self.node.clock.now(), holder.consumer, false, &outbox)
                .map_err(|_| ChannelError::NotFound(Resource::queue(queue, &self.vhost.name)))?;
            match outcome.got {
                Some((delivery, ready)) => {
                    bytes += delivery.message.cost();
                    checkouts.push(delivery.checkout);
                    fetched.push(Fetched { message: delivery.message, redelivered: delivery.redelivered, ready });
                }
                // It is being read from disk.
                None if outcome.got_later => outbox.arrival().await,
                None => break,
            }
        }
        match after {
            AfterGet::Requeue => {}
            AfterGet::Acknowledge => holder.settle(&checkouts, Outcome::Ack),
            AfterGet::Reject => holder.settle(&checkouts, Outcome::Discard),
        }
        Ok(fetched)
    }
}

/// Stands for the channel. What it still holds when it is dropped, for whatever reason, goes back.
struct Holder<'a> {
    cell: &'a Arc<QueueCell>,
    clock: Clock,
    consumer: ConsumerId,
}

impl Holder<'_> {
    fn settle(&self, checkouts: &[CheckoutId], outcome: Outcome) {
        let input = Input::Settle { consumer: self.consumer, checkouts, outcome };
        // A queue that is deleted meanwhile takes its messages with it.
        let _gone = self.cell.run(self.clock.now(), input);
    }
}

impl Drop for Holder<'_> {
    fn drop(&mut self) {
        let _gone = self.cell.run(self.clock.now(), Input::Abandon(self.consumer));
    }
}
