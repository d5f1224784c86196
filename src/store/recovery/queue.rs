//! What the replay knows of one queue: runs of records, and what of them was settled.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::ranges::RangeSet;
use crate::store::checkpoint::QueueCheckpoint;
use crate::store::place::{Extent, Location, number_of};

/// Bytes of an extent, unless a single record is larger.
const EXTENT_MAX: u32 = 1 << 20;
/// So many extents of a queue are looked through for settled ones.
const PRUNE_FROM: usize = 4096;

/// What the records so far make of a queue.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) extents: Vec<Extent>,
    pub(super) segments: Vec<Extent>,
    pub(super) settled: RangeSet,
    /// What was live in segments at the checkpoint.
    pub(super) live: RangeSet,
    pub(super) redelivered: RangeSet,
    pub(super) deliveries: BTreeMap<u64, u64>,
    /// Above all numbers, whatever their lanes.
    pub(super) next_sequence: u64,
    prune_at: usize,
}

impl Queue {
    /// As the checkpoint has it.
    pub(super) fn new(checkpoint: QueueCheckpoint) -> Self {
        Self {
            extents: Vec::new(),
            segments: Vec::new(),
            settled: RangeSet::default(),
            live: checkpoint.live.into_iter().collect(),
            redelivered: checkpoint.deliveries.keys().map(|sequence| *sequence..=*sequence).collect(),
            deliveries: checkpoint.deliveries,
            next_sequence: checkpoint.next_sequence,
            prune_at: PRUNE_FROM,
        }
    }

    /// A message came.
    pub(super) fn put(&mut self, sequence: u64, place: Location) {
        self.next_sequence = self.next_sequence.max(number_of(sequence).saturating_add(1));
        append(&mut self.extents, sequence, place);
        if self.extents.len() >= self.prune_at {
            let settled = &self.settled;
            self.extents.retain(|extent| !settled.covers(&sequences(extent)));
            self.prune_at = PRUNE_FROM.max(self.extents.len() * 2);
        }
    }

    /// A message went back to its place. Counts only grow, and the checkpoint may know of a later one than this.
    pub(super) fn requeue(&mut self, sequence: u64, deliveries: u64) {
        self.redelivered.insert(&(sequence..=sequence));
        let known = self.deliveries.entry(sequence).or_default();
        *known = deliveries.max(*known);
    }

    /// Messages left.
    pub(super) fn settle(&mut self, range: &RangeInclusive<u64>) {
        self.next_sequence = self.next_sequence.max(number_of(*range.end()).saturating_add(1));
        self.settled.insert(range);
    }
}

/// Adds a record, to the last extent when it goes on there.
pub(super) fn append(extents: &mut Vec<Extent>, sequence: u64, place: Location) {
    if let Some(last) = extents.last_mut() {
        let end = last.location.offset.saturating_add(last.location.length);
        let length = last.location.length.saturating_add(place.length);
        let goes_on = last.location.file == place.file && end == place.offset;
        if goes_on && last.first.checked_add(u64::from(last.count)) == Some(sequence) && length <= EXTENT_MAX {
            last.count += 1;
            last.location.length = length;
            return;
        }
    }
    extents.push(Extent { first: sequence, count: 1, location: place });
}

/// The sequence numbers of an extent.
pub(super) fn sequences(extent: &Extent) -> RangeInclusive<u64> {
    extent.first..=extent.first.saturating_add(u64::from(extent.count.saturating_sub(1)))
}
