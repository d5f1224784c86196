//! What the channels of a connection have published in transactions that are still open: kept in memory, and so with a
//! bound. Knows neither routes nor queues' contents.

use std::collections::BTreeMap;

use super::routes::Targets;
use crate::broker::error::ChannelError;
use crate::broker::queue::Arrival;
use crate::node::memories::Admission;

/// Bytes that all open transactions of a connection may keep. A single message may be larger. A commit is one append to
/// the log, which has to stay far below 4 GiB.
pub(super) const UNCOMMITTED_MAX: usize = 128 * 1024 * 1024;

/// What a message of a transaction takes besides itself, and for each queue that it goes to.
const KEPT_COST: usize = 64;

/// A message of a transaction with the queues it was routed to.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) arrival: Arrival,
    pub(super) targets: Targets,
    pub(super) mandatory: bool,
    /// Exchanges that take others with its key for duplicates, which they are not if it is rolled back.
    pub(super) admitted: Vec<Admission>,
}

impl Kept {
    fn cost(&self) -> usize {
        self.arrival.message.cost() + KEPT_COST * (1 + self.targets.len())
    }
}

/// Messages of open transactions, by channel.
#[derive(Debug, Default)]
pub(super) struct Uncommitted {
    kept: BTreeMap<u16, Vec<Kept>>,
    bytes: usize,
}

impl Uncommitted {
    /// Keeps a message until its channel commits.
    ///
    /// # Errors
    /// 406 when the connection has no room for it.
    pub(super) fn add(&mut self, channel: u16, kept: Kept) -> Result<(), ChannelError> {
        let bytes = self.bytes + kept.cost();
        if bytes > UNCOMMITTED_MAX && self.bytes > 0 {
            return Err(ChannelError::TransactionTooLarge { limit: UNCOMMITTED_MAX });
        }
        self.bytes = bytes;
        self.kept.entry(channel).or_default().push(kept);
        Ok(())
    }

    /// Bytes of memory that they take.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages of a channel's transaction.
    pub(super) fn count(&self, channel: u16) -> usize {
        self.kept.get(&channel).map_or(0, Vec::len)
    }

    /// Ends a channel's transaction; what it published.
    pub(super) fn take(&mut self, channel: u16) -> Vec<Kept> {
        let kept = self.kept.remove(&channel).unwrap_or_default();
        self.bytes -= kept.iter().map(Kept::cost).sum::<usize>();
        kept
    }
}
