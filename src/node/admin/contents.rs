//! Ready messages of a queue for operators: looked at without a trace, removed one by one or by what they have, moved. All of
//! it in threads that may wait for the disk.

use std::sync::Arc;
use std::time::Duration;

use leveret_protocol::ShortString;
use thiserror::Error;
use tokio::task::spawn_blocking;

use super::Access;
use crate::broker::auth::Permission;
use crate::broker::error::ChannelError;
use crate::broker::ids::SequenceNumber;
use crate::broker::queue::Spot;
use crate::broker::resource::Resource;
use crate::node::cell::QueueCell;
use crate::node::moves::{Course, Destination, Filter, JobReport, Peeked, Wanted, next_page, skip};

/// How long a removal may take that somebody waits for.
const PATIENCE: Duration = Duration::from_secs(45);

/// Why messages are not moved.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum MoveError {
    /// 403, 404 or 405 of the queue or of where its messages are to go.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// They would stay where they are.
    #[error("messages cannot be moved to the queue that they are in")]
    Circle,
    /// As many moves run as may.
    #[error("too many moves are running")]
    TooMany,
}

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeekLimits {
    /// Messages to pass over, where nobody says behind which one to begin.
    pub offset: usize,
    /// The most messages.
    pub count: usize,
    /// Bytes of messages after which no further one is read.
    pub bytes: usize,
}

/// Messages that were looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeekedPage {
    /// In the order of delivery.
    pub messages: Vec<Peeked>,
    /// Where the next page begins.
    pub next: Option<Spot>,
}

/// What became of a removal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Messages that are gone.
    pub count: u64,
    /// The queue was looked through as far as was asked for; otherwise time was up.
    pub complete: bool,
}

impl Access {
    /// Ready messages in the order of delivery; nothing of them changes.
    ///
    /// # Errors
    /// As basic.get.
    pub async fn peek(
        &self,
        queue: &ShortString,
        after: Option<Spot>,
        limits: PeekLimits,
    ) -> Result<PeekedPage, ChannelError> {
        let cell = self.readable(queue)?;
        // It ends as it is told to.
        Ok(spawn_blocking(move || peek(&cell, after, limits)).await.unwrap_or_default())
    }

    /// Removes one ready message by its number; false: there is none.
    ///
    /// # Errors
    /// As queue.purge.
    pub async fn remove_message(&self, queue: &ShortString, sequence: SequenceNumber) -> Result<bool, ChannelError> {
        let course = self.course(queue, Filter::default())?;
        let now = self.node.clock.now();
        Ok(spawn_blocking(move || course.remove(now, sequence)).await.unwrap_or_default())
    }

    /// Removes ready messages that have something, at most so many.
    ///
    /// # Errors
    /// As queue.purge.
    pub async fn remove_messages(
        &self,
        queue: &ShortString,
        filter: Filter,
        limit: Option<u64>,
    ) -> Result<Removed, ChannelError> {
        let mut course = self.course(queue, filter)?;
        let (vhost, clock) = (Arc::clone(&self.vhost), self.node.clock);
        let removed = spawn_blocking(move || {
            let deadline = clock.now().after(PATIENCE);
            let mut count = 0;
            while clock.now() < deadline {
                let left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(count));
                let step = course.step(clock.now(), &vhost, usize::try_from(left).unwrap_or(usize::MAX));
                count += step.moved;
                if step.ended || limit == Some(count) {
                    return Removed { count, complete: true };
                }
            }
            Removed { count, complete: false }
        });
        Ok(removed.await.unwrap_or_default())
    }

    /// Begins to move ready messages. The user has to be allowed to read from the queue, and to write to where they go.
    ///
    /// # Errors
    /// When it may not be, or too many moves run.
    pub fn move_messages(&self, queue: &ShortString, wanted: Wanted) -> Result<JobReport, MoveError> {
        let cell = self.readable(queue)?;
        self.check_destination(queue, &wanted.destination)?;
        let report = self.node.moves.start(self.node.clock, &self.vhost, (&cell, &self.actor), wanted);
        report.ok_or(MoveError::TooMany)
    }

    /// The moves in the vhost out of queues that the user may read from, oldest first.
    #[must_use]
    pub fn moves(&self) -> Vec<JobReport> {
        let mut moves = self.node.moves.all(&self.vhost.name);
        moves.retain(|report| {
            let queue = Resource::queue(&report.source, &self.vhost.name);
            self.actor.require(Permission::Read, &queue).is_ok()
        });
        moves
    }

    /// Ends one of these moves; what has moved stays where it is. False: there is none of that number.
    #[must_use]
    pub fn cancel_move(&self, id: u64) -> bool {
        self.moves().iter().any(|report| report.id == id) && self.node.moves.cancel(id)
    }

    fn course(&self, queue: &ShortString, filter: Filter) -> Result<Course, ChannelError> {
        Ok(Course::new(&self.readable(queue)?, &self.actor, filter, Destination::Nowhere))
    }

    fn check_destination(&self, source: &ShortString, destination: &Destination) -> Result<(), MoveError> {
        let topology = self.vhost.topology();
        match destination {
            Destination::Queue(queue) if queue == source => Err(MoveError::Circle),
            Destination::Queue(queue) => {
                topology.access_queue(&self.actor, queue, Permission::Write)?;
                Ok(())
            }
            Destination::Exchange(name, _) => {
                let resource = Resource::exchange(name, &self.vhost.name);
                self.actor.require(Permission::Write, &resource)?;
                match topology.exchange(name.as_bytes()) {
                    None => Err(ChannelError::NotFound(resource).into()),
                    Some(exchange) if exchange.internal => Err(ChannelError::InternalExchange(resource).into()),
                    Some(_) => Ok(()),
                }
            }
            // Looked at for each message.
            Destination::Home(_) | Destination::Nowhere => Ok(()),
        }
    }
}

fn peek(cell: &QueueCell, after: Option<Spot>, limits: PeekLimits) -> PeekedPage {
    let (mut page, mut bytes) = (PeekedPage::default(), 0);
    let Some(mut at) = after.map_or_else(|| skip(cell, limits.offset), |after| Some(Some(after))) else {
        return page;
    };
    while page.messages.len() < limits.count && bytes < limits.bytes {
        let Some((found, last)) = next_page(cell, at, limits.count - page.messages.len()) else { break };
        at = Some(last);
        for peeked in found {
            if page.messages.len() >= limits.count || bytes >= limits.bytes {
                break;
            }
            bytes += peeked.message.cost();
            page.messages.push(peeked);
        }
    }
    page.next = page.messages.last().map(|peeked| peeked.spot);
    page
}
