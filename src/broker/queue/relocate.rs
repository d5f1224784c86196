//! New places for runs, as copying has cut them: one run may have become several and several one.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use super::place::{Place, Run};
use crate::broker::ids::SequenceNumber;

/// Where records lie now, by number.
struct Copies<'a> {
    runs: &'a [Run],
    singles: &'a [(SequenceNumber, Place)],
}

impl Copies<'_> {
    /// The piece that begins with a number.
    fn starting(&self, sequence: SequenceNumber) -> Option<Run> {
        if let Ok(at) = self.runs.binary_search_by_key(&sequence, |run| run.first) {
            return self.runs.get(at).copied().filter(|run| run.count > 0);
        }
        find_single(self.singles, sequence).map(|place| Run::single(sequence, place))
    }
}

/// The new place of one message, in a list that is in the order of numbers.
pub(super) fn find_single(singles: &[(SequenceNumber, Place)], sequence: SequenceNumber) -> Option<Place> {
    let at = singles.binary_search_by_key(&sequence, |(known, _)| *known).ok()?;
    singles.get(at).map(|(_, place)| *place)
}

/// Replaces the runs that lie in `from` as far as whole runs are covered by whole new pieces; nobody knows where
/// inside a run a record begins. Tells how many messages moved.
pub(super) fn relocate_runs(
    mut old: VecDeque<Run>,
    from: NonZeroU32,
    runs: &[Run],
    singles: &[(SequenceNumber, Place)],
) -> (VecDeque<Run>, usize) {
    let copies = Copies { runs, singles };
    let mut relocated = VecDeque::with_capacity(old.len());
    let mut pieces = Vec::new();
    let mut moved = 0;
    while let Some(first) = old.front().copied() {
        let covered = cover(&old, from, &copies, &mut pieces);
        if covered == 0 {
            old.pop_front();
            relocated.push_back(first);
            continue;
        }
        moved += old.drain(..covered).map(|run| run.len()).sum::<usize>();
        pieces.drain(..).for_each(|piece| push_joined(&mut relocated, piece));
    }
    relocated.shrink_to_fit();
    (relocated, moved)
}

/// How many of the first runs the `pieces` take the place of, both ending with the same number; 0 when they never do.
fn cover(old: &VecDeque<Run>, from: NonZeroU32, copies: &Copies<'_>, pieces: &mut Vec<Run>) -> usize {
    pieces.clear();
    let Some(first) = old.front().filter(|run| run.place.file == from) else { return 0 };
    let (mut old_end, mut new_end, mut covered) = (first.end(), first.first, 1);
    while new_end != old_end {
        if new_end < old_end {
            let Some(piece) = copies.starting(new_end) else { return 0 };
            new_end = piece.end();
            pieces.push(piece);
            continue;
        }
        let next = old.get(covered).filter(|run| run.place.file == from && run.first == old_end);
        let Some(next) = next else { return 0 };
        old_end = next.end();
        covered += 1;
    }
    covered
}

fn push_joined(runs: &mut VecDeque<Run>, run: Run) {
    if let Some(last) = runs.back_mut()
        && let Some(joined) = last.joined(&run)
    {
        *last = joined;
        return;
    }
    runs.push_back(run);
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: u32 = 3;
    const NEW: u32 = 1 << 31 | 5;

    fn place(file: u32, offset: u32, length: u32) -> Place {
        Place { file: NonZeroU32::new(file).unwrap(), offset, length }
    }

    fn run(first: u64, count: u32, place: Place) -> Run {
        Run { first: SequenceNumber(first), count, place }
    }

    fn relocate(old: &[Run], runs: &[Run], singles: &[(SequenceNumber, Place)]) -> (Vec<Run>, usize) {
        let old = old.iter().copied().collect();
        let (new, moved) = relocate_runs(old, NonZeroU32::new(OLD).unwrap(), runs, singles);
        (new.into(), moved)
    }

    #[test]
    fn one_run_becomes_several() {
        let pieces = [run(10, 4, place(NEW, 0, 40)), run(14, 6, place(NEW, 900, 60))];
        assert_eq!(relocate(&[run(10, 10, place(OLD, 7, 100))], &pieces, &[]), (pieces.to_vec(), 10));
    }

    #[test]
    fn several_runs_become_one() {
        let old = [run(10, 4, place(OLD, 7, 40)), run(14, 1, place(OLD, 99, 10)), run(30, 1, place(OLD, 70, 10))];
        let whole = run(10, 5, place(NEW, 0, 50));
        assert_eq!(relocate(&old, &[whole], &[]), (vec![whole, old[2]], 5));
    }

    #[test]
    fn pieces_that_lie_side_by_side_are_joined() {
        let old = [run(10, 1, place(OLD, 7, 10)), run(11, 1, place(OLD, 99, 10)), run(12, 1, place(OLD, 70, 10))];
        let singles = [(SequenceNumber(10), place(NEW, 0, 10)), (SequenceNumber(11), place(NEW, 10, 10))];
        let runs = [run(12, 1, place(NEW, 20, 10))];
        assert_eq!(relocate(&old, &runs, &singles), (vec![run(10, 3, place(NEW, 0, 30))], 3));
    }

    #[test]
    fn a_run_that_is_covered_only_in_part_stays() {
        let old = [run(10, 4, place(OLD, 7, 40)), run(14, 4, place(OLD, 99, 40))];
        for pieces in [
            vec![run(10, 3, place(NEW, 0, 30))],
            vec![run(11, 3, place(NEW, 0, 30))],
            vec![run(8, 6, place(NEW, 0, 60))],
            vec![run(10, 9, place(NEW, 0, 90))],
            vec![run(10, 0, place(NEW, 0, 0))],
        ] {
            assert_eq!(relocate(&old, &pieces, &[]), (old.to_vec(), 0), "{pieces:?}");
        }
        let second = run(14, 4, place(NEW, 40, 40));
        assert_eq!(relocate(&old, &[run(12, 2, place(NEW, 0, 40)), second], &[]), (vec![old[0], second], 4));
    }

    #[test]
    fn runs_in_other_files_stay() {
        let old = [run(10, 4, place(OLD + 1, 7, 40))];
        assert_eq!(relocate(&old, &[run(10, 4, place(NEW, 0, 40))], &[]), (old.to_vec(), 0));
    }
}
