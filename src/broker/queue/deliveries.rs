//! How often messages came back: what consumers are told of it, and when a message has failed too often. Counts only where
//! the queue's settings ask for it, and only messages that did come back.

use std::collections::{BTreeMap, BTreeSet};

use super::Queue;
use super::dead::DeathReason;
use super::effect::Effect;
use super::job::JobState;
use super::place::Run;
use super::unacked::Held;
use crate::broker::delivery_count::DeliveryCount;
use crate::broker::ids::SequenceNumber;
use crate::broker::time::Timestamp;

/// The counts of live messages.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    counts: BTreeMap<SequenceNumber, DeliveryCount>,
    /// The time of the input that is acted on: what comes back comes back then.
    now: Timestamp,
}

impl Deliveries {
    /// As a restart found them: how often a delivery of each failed.
    pub(super) fn recovered(failed: impl IntoIterator<Item = (SequenceNumber, u64)>) -> Self {
        let counts =
            failed.into_iter().map(|(sequence, failed)| (sequence, DeliveryCount { failed, acquired: failed }));
        Self { counts: counts.collect(), now: Timestamp::ZERO }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// What comes back until the next input comes back at that time.
    #[inline]
    pub(super) const fn come_back_at(&mut self, now: Timestamp) {
        self.now = now;
    }

    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The messages that came back, in order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = SequenceNumber> {
        self.counts.keys().copied()
    }

    pub(super) fn of(&self, sequence: SequenceNumber) -> Option<DeliveryCount> {
        self.counts.get(&sequence).copied()
    }

    pub(super) fn forget(&mut self, sequence: SequenceNumber) {
        if !self.counts.is_empty() {
            self.counts.remove(&sequence);
        }
    }

    fn came_back(&mut self, sequence: SequenceNumber, failed: bool) -> DeliveryCount {
        let count = self.counts.entry(sequence).or_default();
        count.acquired = count.acquired.saturating_add(1);
        count.failed = count.failed.saturating_add(u64::from(failed));
        *count
    }
}

impl Queue {
    /// How often deliveries of live messages have failed, by their numbers.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<u64, u64> {
        let failed = self.hand_outs.deliveries.counts.iter().filter(|(_, count)| count.failed > 0);
        failed.map(|(sequence, count)| (sequence.0, count.failed)).collect()
    }

    /// A message comes back from whom it was handed out to; dies, where a delivery of it has failed too often.
    #[inline]
    pub(super) fn come_back(&mut self, held: Held, failed: bool, effects: &mut Vec<Effect>) {
        self.tell(&held.message, JobState::Ready, effects);
        if self.settings.counts_deliveries() {
            return self.count(held, failed, effects);
        }
        self.ready.give_back(held);
    }

    fn count(&mut self, held: Held, failed: bool, effects: &mut Vec<Effect>) {
        let count = self.hand_outs.deliveries.came_back(held.sequence, failed);
        if self.settings.most_failures().is_some_and(|most| count.failed > most) {
            return self.die(held, DeathReason::DeliveryLimit, effects);
        }
        if failed && held.place.is_some() {
            effects.push(Effect::Failed { sequence: held.sequence, count: count.failed });
        }
        self.give_back_in_time(held, failed, count.failed);
    }

    /// Ready messages have been purged.
    pub(super) fn forget_purged(&mut self) {
        if self.hand_outs.deliveries.is_empty() {
            return;
        }
        let unacked: BTreeSet<_> =
            self.unacked().flat_map(|unacked| unacked.iter().map(|held| held.sequence)).collect();
        self.hand_outs.deliveries.counts.retain(|sequence, _| unacked.contains(sequence));
    }

    /// Messages could not be read, as effects tell.
    pub(super) fn forget_lost(&mut self, effects: &[Effect]) {
        if self.hand_outs.deliveries.is_empty() {
            return;
        }
        for effect in effects {
            if let Effect::Lost(run) = effect {
                let lost = |sequence: SequenceNumber| (run.first..Run::end(run)).contains(&sequence);
                self.hand_outs.deliveries.counts.retain(|sequence, _| !lost(*sequence));
            }
        }
    }
}
