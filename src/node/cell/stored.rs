//! A queue's stored messages: read back, found for whoever moves them, told of in the log.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::QueueCell;
use crate::broker::ids::SequenceNumber;
use crate::broker::message::Message;
use crate::broker::queue::{Contents, Input, Listed, Place, Run, Scheduled, SequenceRange, Spot};
use crate::broker::time::Timestamp;
use crate::node::storage::{self, Gone, Storage};

/// An upper bound on what the record of a failed delivery takes.
const FAILURE_BOUND: usize = 64;

impl QueueCell {
    /// What was asked for has been read.
    pub(in crate::node) fn loaded(
        self: &Arc<Self>,
        now: Timestamp,
        run: Run,
        messages: &mut Vec<(SequenceNumber, Place, Message)>,
    ) {
        // A queue that is gone wants nothing.
        let _gone = self.act(|running, outcome| {
            if let Some(storage) = self.storage() {
                running.queue.set_memory_limit(storage.queue_memory());
                running.queue.set_holding_limit(storage.holding_limit());
            }
            running.run(now, Input::Loaded { run, messages }, outcome)?;
            for outbox in
                running.waiters.as_mut().map(|waiters| std::mem::take(&mut waiters.getters)).unwrap_or_default()
            {
                outcome.wake(&outbox);
            }
            Ok(())
        });
    }

    /// What was asked for of messages that wait has been read.
    pub(in crate::node) fn fetched(
        self: &Arc<Self>,
        now: Timestamp,
        runs: &[Run],
        messages: &mut Vec<(SequenceNumber, Place, Message)>,
    ) {
        // A queue that is gone wants nothing.
        let _gone = self.act(|running, outcome| {
            if let Some(storage) = self.storage() {
                running.queue.set_memory_limit(storage.queue_memory());
                running.queue.set_holding_limit(storage.holding_limit());
            }
            running.run(now, Input::Fetched { runs, messages }, outcome)
        });
    }

    /// Ready messages, see [`Queue::list`].
    pub(in crate::node) fn list(&self, after: Option<Spot>, most: usize) -> Vec<Listed> {
        self.running.lock().queue.list(after, most)
    }

    /// What to list behind for one message to come first.
    pub(in crate::node) fn before(&self, sequence: SequenceNumber) -> Spot {
        self.running.lock().queue.before(sequence)
    }

    /// Messages that wait, see [`Queue::scheduled`].
    pub(in crate::node) fn scheduled(&self, after: Option<(Timestamp, SequenceNumber)>, most: usize) -> Vec<Scheduled> {
        self.running.lock().queue.scheduled(after, most)
    }

    /// Where a message is that waits and is not in memory.
    pub(in crate::node) fn scheduled_place(&self, due: Timestamp, sequence: SequenceNumber) -> Option<Place> {
        self.running.lock().queue.scheduled_place(due, sequence)
    }

    /// How many messages wait, and of how many of them it is not known until when.
    pub(in crate::node) fn waiting_counts(&self) -> (usize, usize) {
        let running = self.running.lock();
        (running.queue.waiting_count(), running.queue.unread_count())
    }

    /// What the queue has in a file.
    pub(in crate::node) fn held_in(&self, file: NonZeroU32) -> Contents {
        self.running.lock().queue.held_in(file)
    }

    /// The next number, those of all messages in segments, and how often messages were delivered as far as the log says;
    /// `None` when the queue is deleted.
    pub(in crate::node) fn snapshot(&self) -> Option<(SequenceNumber, Vec<SequenceRange>, BTreeMap<u64, u64>)> {
        let running = self.running.lock();
        let queue = &running.queue;
        let of = || (queue.next_sequence(), queue.held_in_segments(), queue.failures());
        (!queue.is_deleted()).then(of)
    }

    /// Messages have a new place; how many really do.
    pub(in crate::node) fn relocate(
        self: &Arc<Self>,
        from: NonZeroU32,
        runs: &[Run],
        singles: &[(SequenceNumber, Place)],
    ) -> u64 {
        let input = Input::Relocate { from, runs, singles };
        // Time plays no part in it.
        let outcome = self.run(Timestamp::ZERO, input);
        outcome.map_or(0, |outcome| u64::try_from(outcome.relocated).unwrap_or(u64::MAX))
    }

    /// The numbers of ready messages that were delivered before and came back.
    pub(in crate::node) fn delivered(&self) -> Vec<RangeInclusive<u64>> {
        let ranges = self.running.lock().queue.delivered_ranges();
        ranges.into_iter().map(|range| range.start().0..=range.end().0).collect()
    }

    /// Puts into the log how often deliveries have failed, for after a restart. Nobody waits for it to be on the disk.
    pub(super) fn record_failures(&self, storage: &Storage, failed: Vec<(u64, u64)>) {
        if failed.is_empty() || !self.entry.durable {
            return;
        }
        let key = storage::key(self.entry.id);
        storage.log.append(failed.len() * FAILURE_BOUND, false, |batch| {
            for (sequence, count) in failed {
                batch.requeue(key, sequence, count);
            }
        });
    }

    /// Tells the log what will not come back.
    pub(super) fn settle(&self, storage: &Storage, gone: &mut Gone) {
        if gone.is_empty() {
            return;
        }
        if self.entry.durable && gone.has_ranges() {
            let key = storage::key(self.entry.id);
            storage.log.append(gone.bound(), false, |batch| gone.write(key, batch));
        }
        gone.forget_ranges();
        gone.release(&storage.log);
    }
}
