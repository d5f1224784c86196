//! Sets of sequence numbers as ranges, few when the numbers come in order.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct RangeSet {
    /// The last number of each, by the first.
    ranges: BTreeMap<u64, u64>,
}

impl RangeSet {
    /// Adds all numbers of a range.
    pub(in crate::store) fn insert(&mut self, range: &RangeInclusive<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut first, mut last) = (*range.start(), *range.end());
        while let Some((&near, &near_last)) = self.ranges.range(..=last.saturating_add(1)).next_back() {
            if near_last.saturating_add(1) < first {
                break;
            }
            first = first.min(near);
            last = last.max(near_last);
            self.ranges.remove(&near);
        }
        self.ranges.insert(first, last);
    }

    /// Whether the number is in it.
    pub(in crate::store) fn contains(&self, number: u64) -> bool {
        self.ranges.range(..=number).next_back().is_some_and(|(_, last)| *last >= number)
    }

    /// Whether all numbers of the range are in it.
    pub(in crate::store) fn covers(&self, range: &RangeInclusive<u64>) -> bool {
        self.ranges.range(..=*range.start()).next_back().is_some_and(|(_, last)| last >= range.end())
    }

    /// How much of the range is in it.
    pub(super) fn share(&self, range: &RangeInclusive<u64>) -> Share {
        match self.ranges.range(..=*range.end()).next_back() {
            Some((first, last)) if first <= range.start() && last >= range.end() => Share::All,
            Some((_, last)) if last >= range.start() => Share::Some,
            _ => Share::None,
        }
    }

    /// The ranges in order.
    pub(in crate::store) fn iter(&self) -> impl Iterator<Item = RangeInclusive<u64>> {
        self.ranges.iter().map(|(first, last)| *first..=*last)
    }
}

/// How much of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// Nothing of it.
    None,
    /// A part of it.
    Some,
    /// All of it.
    All,
}

impl Share {
    /// How much is left without it.
    pub(super) fn of_the_rest(self) -> Self {
        match self {
            Self::None => Self::All,
            Self::Some => Self::Some,
            Self::All => Self::None,
        }
    }
}

impl FromIterator<RangeInclusive<u64>> for RangeSet {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<u64>>>(ranges: I) -> Self {
        let mut set = Self::default();
        ranges.into_iter().for_each(|range| set.insert(&range));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::{RangeSet, Share};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_holds_what_was_inserted_in_as_few_ranges_as_can_be(
            ranges in proptest::collection::vec((0_u64..60, 0_u64..8), 0..20), probe in 0_u64..70, length in 0_u64..9,
        ) {
            let mut model = BTreeSet::new();
            let mut set = RangeSet::default();
            for (first, more) in ranges {
                set.insert(&(first..=first + more));
                model.extend(first..=first + more);
            }
            prop_assert_eq!(set.iter().flatten().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            let gaps = set.iter().zip(set.iter().skip(1)).all(|(one, next)| one.end() + 1 < *next.start());
            prop_assert!(gaps);
            let range = probe..=probe + length;
            prop_assert_eq!(set.contains(probe), model.contains(&probe));
            prop_assert_eq!(set.covers(&range), range.clone().all(|number| model.contains(&number)));
            let share = match range.clone().filter(|number| model.contains(number)).count() as u64 {
                0 => Share::None,
                all if all == length + 1 => Share::All,
                _ => Share::Some,
            };
            prop_assert_eq!(set.share(&range), share);
        }
    }

    #[test]
    fn the_ends_of_the_numbers_are_numbers_too() {
        let set: RangeSet = [u64::MAX..=u64::MAX, 0..=0, u64::MAX - 1..=u64::MAX - 1].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0..=0, u64::MAX - 1..=u64::MAX]);
        assert!(set.covers(&(u64::MAX - 1..=u64::MAX)) && !set.covers(&(0..=u64::MAX)));
    }
}
