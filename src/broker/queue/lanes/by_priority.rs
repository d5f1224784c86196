//! A lane for each priority, and how they share the memory.

use std::collections::BTreeMap;

use super::lane_set::LaneSet;
use crate::broker::ids::SequenceNumber;
use crate::broker::queue::input::Arrival;
use crate::broker::queue::place::Run;
use crate::broker::queue::ranges::Ranges;
use crate::broker::queue::ready::Ready;
use crate::broker::queue::unacked::Held;

/// One lane for each priority.
#[derive(Debug)]
pub(in crate::broker::queue) struct ByPriority {
    /// The highest first. A lane is made when its first message comes.
    pub(super) lanes: BTreeMap<u8, Ready>,
    /// Lanes that have messages.
    pub(super) occupied: LaneSet,
    /// Lanes that have messages on disk alone.
    pub(super) paged: LaneSet,
    /// All lanes together.
    pub(super) total: Weight,
    /// From how many bytes on stored messages are paged out, of all lanes together.
    pub(super) limit: usize,
    /// How many lanes there can be.
    count: usize,
}

impl ByPriority {
    pub(super) fn new(highest: u8) -> Self {
        Self {
            lanes: BTreeMap::new(),
            occupied: LaneSet::default(),
            paged: LaneSet::default(),
            total: Weight::default(),
            limit: usize::MAX,
            count: usize::from(highest) + 1,
        }
    }

    /// Fills a lane with what a restart left of it on disk.
    pub(super) fn recover(&mut self, runs: &[Run], redelivered: &Ranges) {
        let Some(first) = runs.first() else { return };
        let redelivered = runs.iter().flat_map(|run| redelivered.within(*run)).collect();
        self.change(first.first.lane(), |ready| *ready = Ready::recovered(runs.to_vec(), redelivered));
    }

    /// Lanes from one on, with those that are served first in front.
    pub(in crate::broker::queue) fn from(&self, first: u8) -> impl Iterator<Item = (u8, &Ready)> {
        self.lanes.range(first..).map(|(lane, ready)| (*lane, ready))
    }

    /// A lane, if it has been made.
    pub(in crate::broker::queue) fn of(&self, lane: u8) -> Option<&Ready> {
        self.lanes.get(&lane)
    }

    /// The lane whose turn it is.
    pub(super) fn head(&self) -> Option<&Ready> {
        self.lanes.get(&self.occupied.first()?)
    }

    // Out of line, for the sake of queues without priorities.
    #[inline(never)]
    pub(super) fn add(&mut self, sequence: SequenceNumber, arrival: Arrival) {
        self.change(sequence.lane(), |ready| ready.add(sequence, arrival));
    }

    #[inline(never)]
    pub(super) fn take_first(&mut self) -> Option<Held> {
        self.change(self.occupied.first()?, Ready::take_first)
    }

    /// Changes a lane, and what is known of all together.
    pub(super) fn change<T>(&mut self, lane: u8, change: impl FnOnce(&mut Ready) -> T) -> T {
        let ready = self.lanes.entry(lane).or_default();
        let others = self.total.without(Weight::of(ready));
        ready.set_limit(share(self.limit, self.count, others.bytes));
        let result = change(ready);
        self.total = others.with(Weight::of(ready));
        self.occupied.set(lane, ready.len() > 0);
        self.paged.set(lane, ready.has_paged());
        result
    }

    pub(super) fn change_all(&mut self, mut change: impl FnMut(&mut Ready) -> usize) -> usize {
        let lanes: Vec<u8> = self.lanes.keys().copied().collect();
        lanes.into_iter().map(|lane| self.change(lane, &mut change)).sum()
    }
}

/// What a lane may take of the memory: its share in any case, so that a backlog does not send what is more urgent to the
/// disk, and what the others leave.
fn share(limit: usize, lanes: usize, others: usize) -> usize {
    limit.saturating_sub(others).max(limit.checked_div(lanes).unwrap_or(limit))
}

/// What there is in a lane, or in all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weight {
    pub(super) messages: usize,
    pub(super) bytes: usize,
    pub(super) body_bytes: u64,
}

impl Weight {
    fn of(ready: &Ready) -> Self {
        Self { messages: ready.len(), bytes: ready.bytes(), body_bytes: ready.body_bytes() }
    }

    const fn without(self, part: Self) -> Self {
        Self {
            messages: self.messages - part.messages,
            bytes: self.bytes - part.bytes,
            body_bytes: self.body_bytes - part.body_bytes,
        }
    }

    const fn with(self, part: Self) -> Self {
        Self {
            messages: self.messages + part.messages,
            bytes: self.bytes + part.bytes,
            body_bytes: self.body_bytes + part.body_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_lane_has_its_share_of_the_memory_and_what_others_leave() {
        assert_eq!(share(1000, 10, 0), 1000);
        assert_eq!(share(1000, 10, 700), 300);
        assert_eq!(share(1000, 10, 5000), 100);
        assert_eq!(share(0, 256, 0), 0);
        assert_eq!(share(usize::MAX, 10, 700), usize::MAX - 700);
    }
}
