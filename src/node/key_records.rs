//! Keys of messages on their way into the log, in one append with the messages: a crash leaves both or neither.

use std::sync::Arc;

use super::cell::QueueCell;
use super::storage::{self, Payload};
use crate::broker::dedup::Taken;
use crate::broker::ids::SequenceNumber;
use crate::broker::queue::Arrival;
use crate::broker::time::Timestamp;
use crate::store::Batch;

/// Keys with their numbers in the queue that keeps them.
#[derive(Debug, Default)]
pub(super) struct KeyRecords {
    keys: Option<Arc<QueueCell>>,
    numbered: Vec<(SequenceNumber, Arrival)>,
}

impl KeyRecords {
    /// Takes numbers for keys in the queue that keeps them, where there is one.
    pub(super) fn reserve(now: Timestamp, keys: Option<&Arc<QueueCell>>, taken: &[Taken]) -> Self {
        let Some(keys) = keys.filter(|keys| !taken.is_empty() && keys.storage().is_some()) else {
            return Self::default();
        };
        let arrivals: Vec<Arrival> = taken.iter().filter_map(Taken::to_message).map(Arrival::from).collect();
        let bodies: Vec<u64> = arrivals.iter().map(|arrival| arrival.message.body_length()).collect();
        // A queue that is gone remembers nothing.
        let Ok((mut numbering, _)) = keys.reserve(now, &bodies) else { return Self::default() };
        let numbered = arrivals.into_iter().map(|arrival| (numbering.take(&arrival.message), arrival)).collect();
        Self { keys: Some(Arc::clone(keys)), numbered }
    }

    /// An upper bound on what `write` puts into the log.
    pub(super) fn bound(&self) -> usize {
        storage::bound(self.numbered.iter().map(|(_, arrival)| arrival), 1)
    }

    /// Puts a record of each into the log.
    pub(super) fn write(&mut self, batch: &mut Batch<'_>) {
        let Some(keys) = &self.keys else { return };
        let key = storage::key(keys.entry.id);
        for (sequence, arrival) in &mut self.numbered {
            let location = batch.put(&[(key, sequence.0)], false, &Payload::of(&arrival.message).parts());
            arrival.place = storage::place(location);
        }
    }

    /// They are in the log: the queue takes them.
    pub(super) fn insert(mut self, now: Timestamp) {
        if let Some(keys) = &self.keys {
            let _gone = keys.insert(now, &mut self.numbered);
        }
    }
}
