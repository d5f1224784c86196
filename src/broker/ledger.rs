//! What is handed out and not yet settled, under numbers that only grow. Settling the oldest and settling ranges cost
//! the same however many are outstanding; gaps left by settling out of order are closed once they prevail.

use std::collections::VecDeque;

/// Outstanding entries by their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger<V> {
    slots: VecDeque<(u64, Option<V>)>,
    held: usize,
}

impl<V> Default for Ledger<V> {
    fn default() -> Self {
        Self { slots: VecDeque::new(), held: 0 }
    }
}

/// Gaps that may stay without a look at how many entries there are.
const FREE_GAPS: usize = 32;

impl<V> Ledger<V> {
    /// Outstanding entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.held
    }

    /// Whether nothing is outstanding.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Adds an entry; its number must exceed all before.
    pub fn add(&mut self, number: u64, value: V) {
        debug_assert!(self.slots.back().is_none_or(|(last, _)| *last < number), "numbers grow");
        self.slots.push_back((number, Some(value)));
        self.held += 1;
    }

    /// The numbers of outstanding entries, oldest first.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        self.slots.iter().filter(|(_, value)| value.is_some()).map(|(number, _)| *number)
    }

    /// Outstanding entries, oldest first.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.slots.iter().filter_map(|(_, value)| value.as_ref())
    }

    /// Takes an entry out; `None` when it is not outstanding.
    pub fn take(&mut self, number: u64) -> Option<V> {
        let at = self.position(number)?;
        let value = self.slots.get_mut(at)?.1.take()?;
        self.held -= 1;
        self.close_gaps();
        Some(value)
    }

    /// An entry that is outstanding.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&V> {
        self.slots.get(self.position(number)?)?.1.as_ref()
    }

    /// Whether an entry is outstanding.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.position(number).and_then(|at| self.slots.get(at)).is_some_and(|(_, value)| value.is_some())
    }

    /// Takes out every entry up to a number, oldest first.
    pub fn take_through(&mut self, number: u64) -> Vec<(u64, V)> {
        let end = self.slots.partition_point(|(known, _)| *known <= number);
        let taken: Vec<_> = self.slots.drain(..end).filter_map(|(number, value)| Some((number, value?))).collect();
        self.held -= taken.len();
        taken
    }

    /// Takes out everything, oldest first.
    pub fn take_all(&mut self) -> Vec<(u64, V)> {
        self.take_through(u64::MAX)
    }

    /// Puts back entries that were taken out.
    pub fn restore(&mut self, entries: Vec<(u64, V)>) {
        if entries.is_empty() {
            return;
        }
        self.held += entries.len();
        self.slots.retain(|(_, value)| value.is_some());
        self.slots.extend(entries.into_iter().map(|(number, value)| (number, Some(value))));
        self.slots.make_contiguous().sort_by_key(|(number, _)| *number);
    }

    /// As `values`, to be changed in place.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.slots.iter_mut().filter_map(|(_, value)| value.as_mut())
    }

    fn position(&self, number: u64) -> Option<usize> {
        match self.slots.front() {
            Some((first, _)) if *first == number => Some(0),
            Some(_) | None => self.slots.binary_search_by_key(&number, |(known, _)| *known).ok(),
        }
    }

    fn close_gaps(&mut self) {
        while self.slots.front().is_some_and(|(_, value)| value.is_none()) {
            self.slots.pop_front();
        }
        if self.slots.len() > 2 * self.held + FREE_GAPS {
            self.slots.retain(|(_, value)| value.is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(numbers: std::ops::RangeInclusive<u64>) -> Ledger<u64> {
        let mut ledger = Ledger::default();
        numbers.for_each(|number| ledger.add(number, number * 10));
        ledger
    }

    #[test]
    fn an_entry_is_taken_out_once() {
        let mut ledger = ledger(1..=3);
        assert_eq!(ledger.take(2), Some(20));
        assert_eq!(ledger.take(2), None);
        assert!(!ledger.contains(2));
        assert!(ledger.contains(3));
        assert_eq!(ledger.len(), 2);
    }

    #[test]
    fn a_range_is_taken_out_oldest_first_without_what_was_taken_before() {
        let mut ledger = ledger(1..=5);
        ledger.take(2);
        assert_eq!(ledger.take_through(4), vec![(1, 10), (3, 30), (4, 40)]);
        assert_eq!(ledger.take_all(), vec![(5, 50)]);
        assert!(ledger.is_empty());
    }

    #[test]
    fn one_old_entry_does_not_keep_room_for_all_that_came_after() {
        let mut ledger = ledger(1..=10_000);
        for number in 2..=10_000 {
            ledger.take(number);
        }
        assert!(ledger.slots.len() <= 2 + FREE_GAPS, "{} slots for one entry", ledger.slots.len());
        assert_eq!(ledger.take(1), Some(10));
    }

    #[test]
    fn values_are_what_is_outstanding() {
        let mut ledger = ledger(1..=4);
        ledger.take(2);
        ledger.values_mut().for_each(|value| *value += 1);
        assert_eq!(ledger.values().copied().collect::<Vec<_>>(), vec![11, 31, 41]);
    }

    #[test]
    fn entries_that_are_put_back_take_their_old_place() {
        let mut ledger = ledger(1..=4);
        let taken = ledger.take_through(2);
        ledger.restore(taken);
        assert_eq!(ledger.take_all(), vec![(1, 10), (2, 20), (3, 30), (4, 40)]);
    }
}
