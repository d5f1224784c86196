//! Which of the messages that come to a queue, together with what comes to others, have come before.

use super::cell::QueueCell;
use super::key_records::KeyRecords;
use crate::broker::dedup::{Taken, Verdict};
use crate::broker::queue::Arrival;
use crate::broker::time::Timestamp;
use crate::store::Position;

/// What is known of the messages for one queue, in their order. Nothing where the queue tells no duplicates.
#[derive(Debug, Default)]
pub(super) struct Duplicates {
    verdicts: Vec<Verdict>,
    /// How many of them have been passed.
    passed: usize,
    /// Of those that have not come before: which they are among the others, what tells them, and whether they are to survive.
    new: Vec<(usize, Taken, bool)>,
    /// Keys of those that are.
    keys: KeyRecords,
    /// A duplicate of what is to survive is told of when that is safe.
    lasting: bool,
}

impl Duplicates {
    /// Asks the queue.
    pub(super) fn among<'a>(
        now: Timestamp,
        cell: &QueueCell,
        arrivals: impl Iterator<Item = &'a Arrival> + Clone,
    ) -> Self {
        let mut found = Self { verdicts: cell.judge(now, arrivals.clone()), ..Self::default() };
        let mut place = 0;
        for (verdict, arrival) in found.verdicts.iter().zip(arrivals) {
            match verdict {
                Verdict::Duplicate(_) => {
                    found.lasting |= cell.keeps(arrival);
                    continue;
                }
                Verdict::New(taken) => found.new.push((place, *taken, cell.keeps(arrival))),
                Verdict::Untold => {}
            }
            place += 1;
        }
        found
    }

    /// Takes out what belongs to duplicates.
    pub(super) fn take_out_of<T>(&self, all: &mut Vec<T>) {
        let mut verdicts = self.verdicts.iter();
        all.retain(|_| !matches!(verdicts.next(), Some(Verdict::Duplicate(_))));
    }

    /// Whether the next message is one.
    pub(super) fn is_next(&self) -> bool {
        matches!(self.verdicts.get(self.passed), Some(Verdict::Duplicate(_)))
    }

    /// Goes on to the message behind the next one; whether that was a duplicate.
    pub(super) fn pass(&mut self) -> bool {
        let duplicate = self.is_next();
        self.passed += 1;
        duplicate
    }

    /// The queue will take the first so many messages, duplicates not counted: their keys are to be kept, those of others
    /// are forgotten.
    pub(super) fn admit(&mut self, now: Timestamp, cell: &QueueCell, admitted: usize) {
        let new = std::mem::take(&mut self.new);
        let (taken, refused): (Vec<_>, Vec<_>) = new.into_iter().partition(|(place, ..)| *place < admitted);
        cell.forget_keys(refused.iter().map(|(_, taken, _)| taken.key()));
        let lasting: Vec<_> = taken.into_iter().filter(|(.., lasts)| *lasts).map(|(_, taken, _)| taken).collect();
        self.keys = cell.reserve_keys(now, &lasting);
    }

    /// The keys, to be written with their messages.
    pub(super) const fn keys(&mut self) -> &mut KeyRecords {
        &mut self.keys
    }

    /// The queue has its messages. What whoever was told of a duplicate waits for.
    pub(super) fn settle(&mut self, now: Timestamp, cell: &QueueCell) -> Option<Position> {
        std::mem::take(&mut self.keys).insert(now);
        cell.end_of_log().filter(|_| self.lasting)
    }
}
