//! A list in the order of destinations, in which one may be several times. Persistent: a clone shares its content, and a change
//! copies one run and the list of runs, so that binding does not become slower in proportion to what is bound. Runs are in one
//! piece, so that a look at all is quick.

use std::sync::Arc;

use super::Destination;

/// A full run is split. About where a run and the list of runs are equally long with a hundred thousand bindings.
const MAX_RUN: usize = 512;

/// What stands for a destination.
pub(super) trait Bound: Clone {
    fn destination(&self) -> &Destination;
}

impl Bound for Destination {
    fn destination(&self) -> &Destination {
        self
    }
}

#[derive(Clone, Debug)]
pub(super) struct Runs<T> {
    runs: Arc<Vec<Run<T>>>,
}

#[derive(Clone, Debug)]
struct Run<T> {
    /// How many there are up to its last one, in all runs.
    end: usize,
    /// At least one.
    sorted: Arc<Vec<T>>,
}

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Self { runs: Arc::default() }
    }
}

impl<T> Run<T> {
    fn of(sorted: Vec<T>) -> Self {
        Self { end: 0, sorted: Arc::new(sorted) }
    }
}

impl<T: Bound> Runs<T> {
    pub(super) fn len(&self) -> usize {
        self.runs.last().map_or(0, |run| run.end)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.runs.iter().flat_map(|run| run.sorted.iter())
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        let run = self.runs.get(self.runs.partition_point(|run| run.end <= at))?;
        run.sorted.get(at.checked_sub(run.end - run.sorted.len())?)
    }

    /// Adds one behind those of the same destination, or among them.
    pub(super) fn add(&mut self, item: T) {
        let at = self.run_of(item.destination());
        let runs = Arc::make_mut(&mut self.runs);
        if let Some(run) = runs.get_mut(at) {
            let sorted = Arc::make_mut(&mut run.sorted);
            sorted.insert(sorted.partition_point(|other| other.destination() <= item.destination()), item);
            if sorted.len() > MAX_RUN {
                let rest = sorted.split_off(MAX_RUN / 2);
                runs.insert(at + 1, Run::of(rest));
            }
        } else {
            runs.push(Run::of(vec![item]));
        }
        count(runs);
    }

    /// Removes one of that destination.
    pub(super) fn remove(&mut self, destination: &Destination) -> Option<T> {
        let at = self.run_of(destination);
        let place = self.runs.get(at)?.sorted.binary_search_by(|item| item.destination().cmp(destination)).ok()?;
        let runs = Arc::make_mut(&mut self.runs);
        let sorted = Arc::make_mut(&mut runs.get_mut(at)?.sorted);
        let removed = sorted.remove(place);
        if sorted.is_empty() {
            runs.remove(at);
        }
        count(runs);
        Some(removed)
    }

    /// The first run whose last destination does not come before this one, and has it if any has; else the last run.
    fn run_of(&self, destination: &Destination) -> usize {
        let comes_before = |run: &Run<T>| run.sorted.last().is_some_and(|last| last.destination() < destination);
        self.runs.partition_point(comes_before).min(self.runs.len().saturating_sub(1))
    }
}

fn count<T>(runs: &mut [Run<T>]) {
    let mut end = 0;
    for run in runs {
        end += run.sorted.len();
        run.end = end;
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::ShortString;
    use proptest::prelude::*;

    use super::*;

    fn destination(number: u32) -> Destination {
        Destination::Exchange(ShortString::new(format!("{number:06}")).unwrap())
    }

    #[test]
    fn one_change_among_fifty_thousand_copies_one_run() {
        let mut before = Runs::default();
        (0..50_000).rev().for_each(|number| before.add(destination(number * 2)));
        let mut after = before.clone();
        after.add(destination(50_001));
        assert_eq!(after.remove(&destination(75_000)), Some(destination(75_000)));
        let shared = |run: &&Run<_>| before.runs.iter().any(|other| Arc::ptr_eq(&other.sorted, &run.sorted));
        let (kept, runs) = (after.runs.iter().filter(shared).count(), before.runs.len());
        assert!(runs <= 2 * 50_000 / MAX_RUN + 1, "{runs} runs");
        assert_eq!(kept, runs - 2, "a run for each change is copied");
        assert_eq!((before.iter().count(), after.len()), (50_000, 50_000));
    }

    proptest! {
        #[test]
        fn runs_hold_what_a_sorted_list_would(
            changes in prop::collection::vec((prop::bool::weighted(0.8), 0..300_u32), 0..2000),
        ) {
            let (mut runs, mut sorted) = (Runs::default(), Vec::new());
            for (added, number) in changes {
                let wanted = destination(number);
                let place = sorted.partition_point(|other| *other < wanted);
                if added {
                    runs.add(wanted.clone());
                    sorted.insert(place, wanted);
                } else {
                    let there = sorted.get(place) == Some(&wanted);
                    prop_assert_eq!(runs.remove(&wanted).is_some(), there);
                    if there {
                        sorted.remove(place);
                    }
                }
            }
            prop_assert_eq!(runs.len(), sorted.len());
            prop_assert_eq!(runs.iter().collect::<Vec<_>>(), sorted.iter().collect::<Vec<_>>());
            for at in 0..=sorted.len() {
                prop_assert_eq!(runs.get(at), sorted.get(at));
            }
        }
    }
}
