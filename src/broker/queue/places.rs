//! The places of messages that wait and are not in memory, by turn, with how many there are in each file: whoever empties a
//! file asks all queues, and most have nothing in it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::place::Place;
use super::relocate::find_single;
use crate::broker::ids::SequenceNumber;
use crate::broker::time::Timestamp;

/// When it is whose turn.
pub(super) type Turn = (Timestamp, SequenceNumber);

#[derive(Debug, Default)]
pub(super) struct Places {
    turns: BTreeMap<Turn, Place>,
    files: BTreeMap<NonZeroU32, usize>,
}

impl Places {
    pub(super) fn len(&self) -> usize {
        self.turns.len()
    }

    pub(super) fn first(&self) -> Option<(Turn, Place)> {
        self.turns.first_key_value().map(|(turn, place)| (*turn, *place))
    }

    pub(super) fn get(&self, turn: Turn) -> Option<Place> {
        self.turns.get(&turn).copied()
    }

    pub(super) fn insert(&mut self, turn: Turn, place: Place) {
        *self.files.entry(place.file).or_default() += 1;
        self.turns.insert(turn, place);
    }

    pub(super) fn remove(&mut self, turn: Turn) -> Option<Place> {
        let place = self.turns.remove(&turn)?;
        self.count_off(place.file, 1);
        Some(place)
    }

    fn count_off(&mut self, file: NonZeroU32, count: usize) {
        if let Some(left) = self.files.get_mut(&file) {
            *left = left.saturating_sub(count);
            if *left == 0 {
                self.files.remove(&file);
            }
        }
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Turn, Place)> {
        self.turns.iter().map(|(turn, place)| (*turn, *place))
    }

    /// Those behind a turn, in order.
    pub(super) fn after(&self, turn: Option<Turn>) -> impl Iterator<Item = (Turn, Place)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let behind = (turn.map_or(Unbounded, Excluded), Unbounded);
        self.turns.range(behind).map(|(turn, place)| (*turn, *place))
    }

    /// Those in files of a kind.
    pub(super) fn within(&self, wanted: impl Fn(NonZeroU32) -> bool) -> impl Iterator<Item = (SequenceNumber, Place)> {
        let count = self.files.iter().filter(|(file, _)| wanted(**file)).map(|(_, count)| *count).sum();
        let found = self.turns.iter().filter(move |(_, place)| wanted(place.file));
        // Nothing is looked at behind the last of them, nor at all where there is none.
        found.map(|((_, sequence), place)| (*sequence, *place)).take(count)
    }

    /// How many there are in each file.
    pub(super) fn files(&self) -> impl Iterator<Item = (NonZeroU32, u64)> {
        self.files.iter().map(|(file, count)| (*file, u64::try_from(*count).unwrap_or(u64::MAX)))
    }

    /// Gives those in a file new places; tells how many.
    pub(super) fn relocate(&mut self, from: NonZeroU32, singles: &[(SequenceNumber, Place)]) -> usize {
        let Some(count) = self.files.get(&from).copied().filter(|_| !singles.is_empty()) else { return 0 };
        let mut moved = 0;
        let there = self.turns.iter_mut().filter(|(_, place)| place.file == from).take(count);
        for ((_, sequence), place) in there {
            if let Some(new) = find_single(singles, *sequence) {
                *place = new;
                *self.files.entry(new.file).or_default() += 1;
                moved += 1;
            }
        }
        self.count_off(from, moved);
        moved
    }
}
