//! What reclamation asks of those who hold messages, and tells them.

use crate::store::checkpoint::QueueCheckpoint;
use crate::store::place::{Extent, FileNumber, Location, QueueKey};

/// A queue's live messages in one file. Both lists are in the order of sequence numbers, and no number is in both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Those of which only the place of a whole run is known.
    pub extents: Vec<Extent>,
    /// Those of which each place is known.
    pub singles: Vec<(u64, Location)>,
}

/// The queues. Each answer is true of one moment: it is given under the queue's lock.
///
/// A message belongs to a queue from when it was appended: what is on its way from the log to the queue counts in
/// `Log::usage` and is waited for.
pub trait Holders {
    /// Every queue that exists and ever had a message in the log, also one that holds none now: that its numbers are
    /// not used again has to be remembered.
    fn holders(&self) -> Vec<QueueKey>;

    /// What a queue holds in a file, ready or unacked; nothing when there is no such queue any more.
    fn held(&self, queue: QueueKey, file: FileNumber) -> Held;

    /// The next sequence number, above every one that was given out, and all numbers that are live in segments, in
    /// order; none when there is no such queue any more.
    fn snapshot(&self, queue: QueueKey) -> Option<QueueCheckpoint>;

    /// Returns once everything that a snapshot so far may have missed, since it was on its way out of a queue, has its
    /// record in the log.
    fn settled(&self);

    /// The records of a file that have a copy elsewhere from now on: `extents` cut each run that the queue held in one
    /// or more pieces, `singles` are for messages one by one or for each record of a run. What is settled by now, or
    /// is not covered, is passed over. How many messages have the new place: from now on these are to be released from
    /// the file that they are in then.
    fn relocate(&self, queue: QueueKey, from: FileNumber, extents: &[Extent], singles: &[(u64, Location)]) -> u64;
}

impl Held {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.extents.is_empty() && self.singles.is_empty()
    }

    /// How many messages.
    #[must_use]
    pub fn len(&self) -> u64 {
        let in_extents: u64 = self.extents.iter().map(|extent| u64::from(extent.count)).sum();
        in_extents + self.singles.len() as u64
    }
}
