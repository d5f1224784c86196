//! What the keeper of stored messages asks a queue: what lies in a file, what lies in segments, what was handed out.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::Queue;
use super::place::{Place, Run};
use super::ranges::{Ranges, SequenceRange};
use super::ready::relocate_held;
use super::unacked::{Held, Unacked};
use crate::broker::ids::SequenceNumber;

/// A queue's live messages in one file, both lists in the order of sequence numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Those that are not in memory.
    pub runs: Vec<Run>,
    /// Those that are in memory, too: ready or unacked.
    pub singles: Vec<(SequenceNumber, Place)>,
}

impl Queue {
    /// Everything live that lies in a file.
    #[must_use]
    pub fn held_in(&self, file: NonZeroU32) -> Contents {
        let runs = self.runs().filter(|run| run.place.file == file).copied().collect();
        let mut singles: Vec<_> = self.singles(|known| known == file).collect();
        singles.sort_unstable();
        Contents { runs, singles }
    }

    /// The numbers of everything live that lies in segments, in order.
    #[must_use]
    pub fn held_in_segments(&self) -> Vec<SequenceRange> {
        let runs = self.runs().filter(|run| run.place.is_in_segment());
        let runs = runs.map(|run| (run.first.0, run.end().0.saturating_sub(1)));
        let singles = self.singles(|file| file.get() & Place::SEGMENT != 0);
        let singles = singles.map(|(sequence, _)| (sequence.0, sequence.0));
        runs.chain(singles).collect::<Ranges>().into_inner()
    }

    /// The numbers of messages that were handed out before and are ready, or wait for their delayed retry, in order.
    #[must_use]
    pub fn delivered_ranges(&self) -> Vec<SequenceRange> {
        let ready = self.ready.delivered();
        if self.settings.delayed_retry.is_none() {
            return ready;
        }
        let ready = ready.iter().map(|range| (range.start().0, range.end().0));
        let came_back = self.hand_outs.deliveries.numbers().map(|sequence| (sequence.0, sequence.0));
        ready.chain(came_back).collect::<Ranges>().into_inner()
    }

    /// How many live messages each file holds.
    pub(super) fn count_by_file(&self) -> Vec<(NonZeroU32, u64)> {
        let runs = self.runs().map(|run| (run.place.file, u64::from(run.count)));
        let in_memory = self.in_memory().filter_map(|held| Some((held.place?.file, 1)));
        let singles = in_memory.chain(self.waiting.iter().flat_map(|waiting| waiting.places().files()));
        let mut counts = BTreeMap::new();
        for (file, count) in runs.chain(singles) {
            *counts.entry(file).or_insert(0) += count;
        }
        counts.into_iter().collect()
    }

    pub(super) fn relocate(&mut self, from: NonZeroU32, runs: &[Run], singles: &[(SequenceNumber, Place)]) -> usize {
        debug_assert!(runs.is_sorted() && singles.is_sorted(), "both are in the order of numbers");
        let detached = [&mut self.departed, &mut self.getters].into_iter().filter_map(|held| held.made());
        let detached = detached.flat_map(BTreeMap::values_mut);
        let unacked = self.consumers.unacked_mut().chain(detached).flat_map(Unacked::iter_mut);
        let unacked = unacked.chain(self.dying.made().into_iter().flatten().map(|dying| &mut dying.held));
        let unacked = relocate_held(unacked, from, singles);
        let waiting = self.waiting.as_mut().map_or(0, |waiting| waiting.relocate(from, runs, singles));
        unacked + self.ready.relocate(from, runs, singles) + waiting
    }

    /// What is stored and not in memory, and of which nobody has to know each place.
    fn runs(&self) -> impl Iterator<Item = &Run> {
        self.ready.runs().chain(self.waiting.iter().flat_map(|waiting| waiting.runs()))
    }

    /// What else is stored in files of a kind.
    fn singles(&self, wanted: impl Fn(NonZeroU32) -> bool + Copy) -> impl Iterator<Item = (SequenceNumber, Place)> {
        let in_memory = self.in_memory().filter_map(|held| Some((held.sequence, held.place?)));
        let waiting = self.waiting.iter().flat_map(move |waiting| waiting.places().within(wanted));
        in_memory.filter(move |(_, place)| wanted(place.file)).chain(waiting)
    }

    /// What was handed out and is not settled.
    pub(super) fn unacked(&self) -> impl Iterator<Item = &Unacked> {
        self.consumers.unacked().chain(self.departed.values()).chain(self.getters.values())
    }

    fn in_memory(&self) -> impl Iterator<Item = &Held> {
        let unacked = self.unacked().flat_map(Unacked::iter);
        let waiting = self.waiting.iter().flat_map(|waiting| waiting.in_memory());
        self.ready.in_memory().chain(waiting).chain(unacked).chain(self.dying.iter().map(|dying| &dying.held))
    }
}
