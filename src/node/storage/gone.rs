//! Stored messages that will not come back: gathered while a queue acts, then told to the log as few ranges as they make.

use std::ops::RangeInclusive;

use crate::broker::ids::SequenceNumber;
use crate::broker::queue::{Place, Run};
use crate::store::{Batch, FileNumber, Log, QueueKey};

/// An upper bound on what one range takes in a record.
const RANGE_BOUND: usize = 24;

/// An upper bound on what a record takes besides its ranges.
const RECORD_BOUND: usize = 64;

/// What is gone of one queue.
#[derive(Debug, Default)]
pub(in crate::node) struct Gone {
    ranges: Vec<RangeInclusive<u64>>,
    /// Live records less in each file. Neighbours are mostly in one file, so that the list is short.
    files: Vec<(FileNumber, u32)>,
}

impl Gone {
    pub(in crate::node) fn add(&mut self, sequence: SequenceNumber, place: Place) {
        self.add_range(sequence.0, sequence.0);
        self.add_file(FileNumber(place.file.get()), 1);
    }

    pub(in crate::node) fn add_run(&mut self, run: &Run) {
        self.add_range(run.first.0, run.first.0.saturating_add(u64::from(run.count).saturating_sub(1)));
        self.add_file(FileNumber(run.place.file.get()), run.count);
    }

    /// Live records less in a file, of messages that need no word in the log.
    pub(in crate::node) fn add_file(&mut self, file: FileNumber, count: u32) {
        match self.files.last_mut() {
            Some((last, total)) if *last == file => *total = total.saturating_add(count),
            Some(_) | None => self.files.push((file, count)),
        }
    }

    /// What another list holds besides.
    pub(in crate::node) fn append(&mut self, other: Self) {
        other.ranges.into_iter().for_each(|range| self.add_range(*range.start(), *range.end()));
        other.files.into_iter().for_each(|(file, count)| self.add_file(file, count));
    }

    fn add_range(&mut self, first: u64, last: u64) {
        match self.ranges.last_mut() {
            Some(range) if range.end().checked_add(1) == Some(first) => *range = *range.start()..=last,
            Some(_) | None => self.ranges.push(first..=last),
        }
    }

    pub(in crate::node) const fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.files.is_empty()
    }

    /// Whether there is something that the log should hear of.
    pub(in crate::node) const fn has_ranges(&self) -> bool {
        !self.ranges.is_empty()
    }

    /// An upper bound on what `write` puts into the log.
    pub(in crate::node) const fn bound(&self) -> usize {
        RECORD_BOUND + self.ranges.len() * RANGE_BOUND
    }

    /// Puts it into a record.
    pub(in crate::node) fn write(&mut self, queue: QueueKey, batch: &mut Batch<'_>) {
        if self.ranges.is_empty() {
            return;
        }
        self.in_order();
        batch.settle(queue, &self.ranges);
        self.ranges.clear();
    }

    /// Nothing of it needs a word in the log: the queue's messages do not survive a restart, or it is gone itself.
    pub(in crate::node) fn forget_ranges(&mut self) {
        self.ranges.clear();
    }

    /// Tells the log what its files need not be kept for.
    pub(in crate::node) fn release(&mut self, log: &Log) {
        for (file, count) in self.files.drain(..) {
            log.release(file, count);
        }
    }

    /// Acknowledged out of order, ranges that touch are apart in the list.
    fn in_order(&mut self) {
        if self.ranges.is_sorted_by_key(|range| *range.start()) {
            return;
        }
        let mut ranges = std::mem::take(&mut self.ranges);
        ranges.sort_unstable_by_key(|range| *range.start());
        for range in ranges {
            self.add_range(*range.start(), *range.end());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn gone(sequences: &[u64]) -> Gone {
        let mut gone = Gone::default();
        for &sequence in sequences {
            gone.add(SequenceNumber(sequence), Place { file: NonZeroU32::MIN, offset: 0, length: 1 });
        }
        gone.in_order();
        gone
    }

    #[test]
    fn neighbours_are_one_range_in_whatever_order_they_go() {
        assert_eq!(gone(&[1, 2, 3, 7]).ranges, [1..=3, 7..=7]);
        assert_eq!(gone(&[3, 1, 7, 2]).ranges, [1..=3, 7..=7]);
        assert_eq!(gone(&[3, 1, 7, 2]).files, [(FileNumber(1), 4)]);
    }
}
