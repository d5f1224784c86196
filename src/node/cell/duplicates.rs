//! Duplicates, told before anything of them is written down; and the keys of what is taken, kept so that they are known after
//! a crash. A key comes into the log with its message or behind it: where it is known, the message was there.

use std::sync::Arc;

use super::{Outcome, QueueCell, Running};
use crate::broker::dedup::{Deduplicator, Key, Taken, Verdict};
use crate::broker::queue::Arrival;
use crate::broker::time::Timestamp;
use crate::node::key_records::KeyRecords;
use crate::node::storage::Storage;
use crate::store::Position;

impl QueueCell {
    /// The queue that keeps the keys of this one's messages.
    pub(in crate::node) fn keep_keys_in(&self, keys: Arc<Self>) {
        // A queue gets it with its beginning, once.
        let _known = self.keys.set(keys);
    }

    /// Acts on what the queue remembers to tell duplicates, if it does.
    pub(in crate::node) fn with_deduplicator<T>(&self, act: impl FnOnce(&mut Deduplicator) -> T) -> Option<T> {
        self.running.lock().deduplicator.as_deref_mut().map(act)
    }

    /// Whether it may have to tell duplicates.
    pub(in crate::node) const fn tells_duplicates(&self) -> bool {
        self.deduplicates
    }

    /// Takes those out that have come before; what tells the others of those that are to survive.
    pub(super) fn take_out_duplicates(
        &self,
        now: Timestamp,
        running: &mut Running,
        arrivals: &mut Vec<Arrival>,
        outcome: &mut Outcome,
    ) -> Vec<Taken> {
        let Some(deduplicator) = running.deduplicator.as_deref_mut() else { return Vec::new() };
        let (mut taken, mut lasting_duplicate) = (Vec::new(), false);
        arrivals.retain(|arrival| match deduplicator.judge_message(now, &arrival.message) {
            Verdict::Untold => true,
            Verdict::New(new) => {
                taken.extend(self.keeps(arrival).then_some(new));
                true
            }
            Verdict::Duplicate(_) => {
                lasting_duplicate |= self.keeps(arrival);
                false
            }
        });
        if lasting_duplicate {
            outcome.appended = outcome.appended.max(self.end_of_log());
        }
        taken
    }

    /// Whether messages have come before, in their order. Those that have not are remembered.
    pub(in crate::node) fn judge<'a>(
        &self,
        now: Timestamp,
        arrivals: impl Iterator<Item = &'a Arrival>,
    ) -> Vec<Verdict> {
        self.with_deduplicator(|deduplicator| {
            arrivals.map(|arrival| deduplicator.judge_message(now, &arrival.message)).collect()
        })
        .unwrap_or_default()
    }

    /// Messages that were judged are not taken after all.
    pub(in crate::node) fn forget_keys(&self, keys: impl Iterator<Item = Key>) {
        self.with_deduplicator(|deduplicator| keys.for_each(|key| deduplicator.forget(&key)));
    }

    /// Takes numbers for the keys of messages that are about to come.
    pub(in crate::node) fn reserve_keys(&self, now: Timestamp, taken: &[Taken]) -> KeyRecords {
        KeyRecords::reserve(now, self.keys.get(), taken)
    }

    /// As a queue of keys: takes some in.
    pub(in crate::node) fn keep(self: &Arc<Self>, now: Timestamp, taken: &[Taken]) -> Option<Position> {
        if taken.is_empty() || self.storage().is_none() {
            return None;
        }
        let mut arrivals: Vec<Arrival> = taken.iter().filter_map(Taken::to_message).map(Arrival::from).collect();
        // A queue that is gone remembers nothing.
        self.publish(now, &mut arrivals).ok()?.appended
    }

    /// What the confirm of a duplicate waits for: that the first one is safe.
    pub(in crate::node) fn end_of_log(&self) -> Option<Position> {
        self.storage().map(Storage::end)
    }
}
