//! Times: of messages, which expire at the head of the queue, and of the queue, which ends when nobody uses it.

use std::time::Duration;

use super::Queue;
use super::dead::DeathReason;
use super::effect::{Effect, Refusal};
use super::unacked::Held;
use crate::broker::ids::SequenceNumber;
use crate::broker::message::Traits;
use crate::broker::time::Timestamp;

/// Changes of the time to live that are remembered.
const MOST_CHANGES: usize = 64;

/// How long messages live, by when they came: a change counts for what comes from then on.
#[derive(Debug, Default)]
pub(super) struct TimeToLive {
    /// From which number on, in whatever lane.
    changes: Vec<(SequenceNumber, Option<Duration>)>,
    /// A message may have come that has a time of its own.
    own: bool,
}

impl TimeToLive {
    pub(super) fn change(&mut self, from: SequenceNumber, ttl: Option<Duration>) {
        if self.of(from) == ttl {
            return;
        }
        self.changes.retain(|(known, _)| *known < from);
        if self.changes.len() >= MOST_CHANGES {
            self.changes.remove(0);
        }
        self.changes.push((from, ttl));
    }

    /// Notes a message that comes.
    #[inline]
    pub(super) fn note(&mut self, traits: Traits) {
        self.own |= traits.has(Traits::EXPIRES);
    }

    fn of(&self, sequence: SequenceNumber) -> Option<Duration> {
        self.changes.iter().rev().find(|(from, _)| from.number() <= sequence.number()).and_then(|(_, ttl)| *ttl)
    }

    /// Whether any message may have to expire.
    #[inline]
    pub(super) const fn is_used(&self) -> bool {
        self.own || !self.changes.is_empty()
    }

    /// Whether a message's time is over that has not only just come.
    #[inline]
    pub(super) fn is_over(&self, held: &Held, now: Timestamp, fresh: u64) -> bool {
        self.is_used() && held.sequence.number() < fresh && self.deadline(held).is_some_and(|deadline| deadline <= now)
    }

    /// When a message expires.
    fn deadline(&self, held: &Held) -> Option<Timestamp> {
        let own = held.message.expiration().map(Duration::from_millis);
        let span = own.into_iter().chain(self.of(held.sequence)).min()?;
        Some(held.message.arrived().after(span))
    }
}

impl Queue {
    /// When the queue has to be looked at again, although nothing comes.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if self.deleted {
            return None;
        }
        let head = self.ready.first().filter(|_| self.ttl.is_used()).and_then(|held| self.ttl.deadline(held));
        let waiting = self.waiting.as_ref().and_then(|waiting| waiting.next_deadline());
        head.into_iter().chain(self.lease_end()).chain(waiting).chain(self.hand_outs.timeouts.due()).min()
    }

    /// Expires what is at the head, up to the first message that lives. Of those that have only just come none: a consumer
    /// that waits may have one whose time to live is 0.
    #[inline]
    pub(super) fn expire(&mut self, now: Timestamp, fresh: u64, effects: &mut Vec<Effect>) {
        if self.ttl.is_used() {
            self.expire_head(now, fresh, effects);
        }
    }

    #[inline(never)]
    fn expire_head(&mut self, now: Timestamp, fresh: u64, effects: &mut Vec<Effect>) {
        while let Some(head) = self.ready.first()
            && self.ttl.is_over(head, now, fresh)
            && let Some(held) = self.ready.take_first()
        {
            self.die(held, DeathReason::Expired, effects);
        }
    }

    /// When the queue ends if nobody uses it.
    fn lease_end(&self) -> Option<Timestamp> {
        let span = self.settings.expires.filter(|_| self.consumers.len() == 0)?;
        Some(self.last_used.after(span))
    }

    pub(super) fn check_lease(&self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.lease_end().is_some_and(|end| end <= now) {
            effects.push(Effect::LeaseEnded);
        }
    }

    pub(super) fn end_lease(&mut self, now: Timestamp, effects: &mut Vec<Effect>) -> Result<(), Refusal> {
        if self.lease_end().is_none_or(|end| end > now) {
            return Err(Refusal::InUse);
        }
        self.delete(false, false, effects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_for_what_comes_after_it() {
        let mut ttl = TimeToLive::default();
        assert!(!ttl.is_used());
        ttl.change(SequenceNumber(5), Some(Duration::from_millis(10)));
        ttl.change(SequenceNumber(8), None);
        let of = |sequence| ttl.of(SequenceNumber(sequence)).map(|ttl| ttl.as_millis());
        assert_eq!([4, 5, 7, 8].map(of), [None, Some(10), Some(10), None]);
        assert!(ttl.is_used());
    }

    #[test]
    fn only_so_many_changes_are_remembered() {
        let mut ttl = TimeToLive::default();
        for number in 1..1000 {
            ttl.change(SequenceNumber(number), Some(Duration::from_millis(number)));
        }
        assert_eq!(ttl.changes.len(), MOST_CHANGES);
        assert_eq!(ttl.of(SequenceNumber(2000)), Some(Duration::from_millis(999)));
    }
}
