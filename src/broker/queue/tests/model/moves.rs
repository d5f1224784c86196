//! Loads, records that move from file to file, and restarts.

use std::num::NonZeroU32;

use proptest::sample::Index;

use super::disk::Copies;
use super::{Model, pick};
use crate::broker::ids::{ConsumerId, SequenceNumber};
use crate::broker::queue::{Contents, Input, Place, Queue, Run};

impl Model {
    pub(super) fn answer_load(&mut self, at: Index, every: u64) {
        if let Some(run) = pick(self.loads.iter(), at) {
            self.answer(run, every);
        }
    }

    pub(super) fn answer(&mut self, run: Run, every: u64) {
        self.loads.retain(|other| *other != run);
        self.old_loads.push(run);
        let mut messages = self.disk.read(run);
        if every > 0 {
            self.damaged.extend((run.first.0..run.first.0 + u64::from(run.count)).filter(|number| number % every == 0));
            messages.retain(|(sequence, _, _)| sequence.0 % every != 0);
        }
        self.run(Input::Loaded { run, messages: &mut messages });
        assert!(messages.is_empty());
        self.damaged.clear();
    }

    /// Copies what is in a file to a segment, as one stream that is cut into pieces.
    pub(super) fn copy(&mut self, from: NonZeroU32, most: u32) {
        let Contents { runs, singles } = self.queue.held_in(from);
        self.disk.segments += 1;
        let segment = self.disk.segments | Place::SEGMENT;
        let mut copies = Copies { from, runs: Vec::new(), singles: Vec::new() };
        let mut paged: Vec<u64> =
            runs.iter().flat_map(|run| self.disk.read(*run)).map(|(number, _, _)| number.0).collect();
        paged.sort_unstable();
        for sequence in paged {
            let place = self.disk.write(segment, sequence);
            let single = Run { first: SequenceNumber(sequence), count: 1, place };
            match copies.runs.last_mut() {
                Some(last) if last.count < most && last.first.0 + u64::from(last.count) == sequence => {
                    last.count += 1;
                    last.place.length += place.length;
                }
                Some(_) | None => copies.runs.push(single),
            }
        }
        for (sequence, _) in singles {
            copies.singles.push((sequence, self.disk.write(segment + (1 << 16), sequence.0)));
        }
        self.copies = Some(copies);
    }

    /// Tells the queue; returns how many messages are still where they were.
    pub(super) fn relocate(&mut self) -> usize {
        let Some(Copies { from, runs, singles }) = self.copies.take() else { return 0 };
        let count = |queue: &Queue| {
            let Contents { runs, singles } = queue.held_in(from);
            runs.iter().map(Run::len).sum::<usize>() + singles.len()
        };
        let before = count(&self.queue);
        self.run(Input::Relocate { from, runs: &runs, singles: &singles });
        let left = count(&self.queue);
        assert_eq!(self.relocated.take(), Some(before - left));
        left
    }

    /// Every consumer goes; then what is stored is found again, and nothing else.
    pub(super) fn restart(&mut self) {
        while let Some((consumer, _)) = self.consumers.pop_first() {
            self.run(Input::Unsubscribe(consumer));
        }
        for consumer in (0..=self.last_consumer).map(ConsumerId) {
            self.give_back(consumer);
            self.run(Input::Abandon(consumer));
        }
        let mut runs: Vec<Run> = Vec::new();
        for file in self.disk.ends.keys() {
            let Contents { runs: paged, singles } = self.queue.held_in(NonZeroU32::new(*file).unwrap());
            runs.extend(paged);
            runs.extend(singles.into_iter().map(|(first, place)| Run { first, count: 1, place }));
        }
        runs.sort_unstable();
        let (next, redelivered) = (self.queue.next_sequence(), self.queue.delivered_ranges());
        self.ready.append(&mut self.returned);
        self.ready.retain(|_, item| item.stored);
        self.old_loads.append(&mut self.loads);
        self.reserved.clear();
        self.copies = None;
        self.start(Queue::recovered(false, runs, next, &redelivered));
        self.check();
    }
}
