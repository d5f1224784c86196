//! Sets of sequence numbers as ranges: in order, apart from each other.

use std::ops::RangeInclusive;

use super::place::Run;
use crate::broker::ids::SequenceNumber;

/// Sequence numbers from one through another.
pub type SequenceRange = RangeInclusive<SequenceNumber>;

/// A set of sequence numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    pub(super) fn contains(&self, sequence: SequenceNumber) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < sequence.0);
        self.0.get(at).is_some_and(|(first, _)| *first <= sequence.0)
    }

    /// What of a run is in the set.
    pub(super) fn within(&self, run: Run) -> impl Iterator<Item = (u64, u64)> {
        let (first, last) = (run.first.0, run.end().0.saturating_sub(1));
        let at = self.0.partition_point(|(_, end)| *end < first);
        let behind = self.0.get(at..).unwrap_or_default();
        behind
            .iter()
            .take_while(move |(start, _)| *start <= last)
            .map(move |(start, end)| (*start.max(&first), *end.min(&last)))
    }

    pub(super) fn into_inner(self) -> Vec<SequenceRange> {
        self.0.into_iter().map(|(first, last)| SequenceNumber(first)..=SequenceNumber(last)).collect()
    }
}

/// From numbers and ranges in any order.
impl FromIterator<(u64, u64)> for Ranges {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(ranges: I) -> Self {
        let mut all: Vec<(u64, u64)> = ranges.into_iter().filter(|(first, last)| first <= last).collect();
        all.sort_unstable();
        all.dedup_by(|next, kept| {
            let joins = next.0 <= kept.1.saturating_add(1);
            if joins {
                kept.1 = kept.1.max(next.1);
            }
            joins
        });
        all.shrink_to_fit();
        Self(all)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::broker::queue::place::Place;

    #[test]
    fn ranges_that_touch_become_one() {
        let ranges: Ranges = [(7, 9), (1, 1), (2, 3), (8, 12), (20, 19), (14, 14)].into_iter().collect();
        assert_eq!(ranges.0, [(1, 3), (7, 12), (14, 14)]);
    }

    #[test]
    fn finds_what_is_in_a_range_and_only_that() {
        let ranges: Ranges = [(2, 3), (7, 9)].into_iter().collect();
        let found: Vec<u64> = (0..12).filter(|number| ranges.contains(SequenceNumber(*number))).collect();
        assert_eq!(found, [2, 3, 7, 8, 9]);
    }

    #[test]
    fn cuts_a_run_out_of_a_set() {
        let ranges: Ranges = [(2, 3), (7, 9), (11, 30)].into_iter().collect();
        let place = Place { file: NonZeroU32::MIN, offset: 0, length: 1 };
        let within =
            |first, count| ranges.within(Run { first: SequenceNumber(first), count, place }).collect::<Vec<_>>();
        assert_eq!(within(3, 10), [(3, 3), (7, 9), (11, 12)]);
        assert_eq!(within(4, 3), []);
    }
}
