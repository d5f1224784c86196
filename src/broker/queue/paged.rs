//! Ready messages that are not in memory: runs of stored records in the order of their numbers. And messages without a
//! place that came behind them, which wait in memory for their turn.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;

use super::place::{Place, Run};
use super::relocate::relocate_runs;
use super::unacked::Held;
use crate::broker::ids::SequenceNumber;

#[derive(Debug, Default)]
pub(super) struct Paged {
    pub(super) runs: VecDeque<Run>,
    /// All of them are behind the first run.
    pub(super) stranded: BTreeMap<SequenceNumber, Held>,
    /// Messages in `runs`.
    pub(super) count: usize,
    /// What has been asked for. It may have been purged or relocated since.
    loading: Option<Run>,
}

impl Paged {
    /// Nothing.
    pub(super) const EMPTY: Self = Self { runs: VecDeque::new(), stranded: BTreeMap::new(), count: 0, loading: None };

    pub(super) fn new(runs: Vec<Run>) -> Self {
        let mut paged = Self::default();
        runs.into_iter().filter(|run| run.count > 0).for_each(|run| paged.insert(run));
        paged
    }

    /// Whether there are no runs, and so nothing stranded.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.count + self.stranded.len()
    }

    /// The first number of the first run: what is before it may be in memory.
    pub(super) fn first(&self) -> Option<SequenceNumber> {
        self.runs.front().map(|run| run.first)
    }

    /// Puts a run to its place by number.
    pub(super) fn insert(&mut self, run: Run) {
        self.count += run.len();
        if self.runs.back().is_none_or(|last| last.first < run.first) {
            return self.push(run);
        }
        let at = self.runs.partition_point(|other| other.first < run.first);
        self.runs.insert(at, run);
    }

    /// Joins a run to the last one, which must not be the one that is being loaded: the answer has to fit the request.
    fn push(&mut self, run: Run) {
        if let Some(last) = self.runs.back_mut()
            && self.loading != Some(*last)
            && let Some(joined) = last.joined(&run)
        {
            *last = joined;
            return;
        }
        self.runs.push_back(run);
    }

    pub(super) fn strand(&mut self, held: Held) {
        self.stranded.insert(held.sequence, held);
    }

    /// The first stranded message, if everything before it is in memory.
    pub(super) fn pop_stranded(&mut self) -> Option<Held> {
        let first = self.stranded.first_entry()?;
        if self.runs.front().is_some_and(|run| run.first < *first.key()) {
            return None;
        }
        Some(first.remove())
    }

    /// The run to load now; `None` while one is being loaded.
    pub(super) fn start_load(&mut self) -> Option<Run> {
        if self.loading.is_some() {
            return None;
        }
        self.loading = self.runs.front().copied();
        self.loading
    }

    /// Takes a run out that has been loaded. `false`: nobody asked for it, or it is not the first one any more.
    pub(super) fn finish_load(&mut self, run: Run) -> bool {
        if self.loading != Some(run) {
            return false;
        }
        self.loading = None;
        let current = self.runs.front() == Some(&run);
        if current {
            self.runs.pop_front();
            self.count -= run.len();
        }
        current
    }

    /// Takes out everything.
    pub(super) fn clear(&mut self) -> (VecDeque<Run>, BTreeMap<SequenceNumber, Held>) {
        self.count = 0;
        (std::mem::take(&mut self.runs), std::mem::take(&mut self.stranded))
    }

    /// Gives runs new places; tells how many messages that are.
    pub(super) fn relocate(&mut self, from: NonZeroU32, runs: &[Run], singles: &[(SequenceNumber, Place)]) -> usize {
        if self.runs.iter().all(|run| run.place.file != from) {
            return 0;
        }
        let (runs, moved) = relocate_runs(std::mem::take(&mut self.runs), from, runs, singles);
        self.runs = runs;
        moved
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter()
    }

    pub(super) fn stranded(&self) -> impl Iterator<Item = &Held> {
        self.stranded.values()
    }

    pub(super) fn stranded_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        self.stranded.values_mut()
    }
}
