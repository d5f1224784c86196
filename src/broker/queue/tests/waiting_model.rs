//! A delay queue against a plain list, over random histories: every message leaves when it is due and not before, in
//! order, whatever is paged out, fetched late or damaged, moved to other files, cancelled, or read anew after a restart;
//! and nothing is forgotten by those who count what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use leveret_protocol::FieldValue;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{at, with_header};
use crate::broker::ids::SequenceNumber;
use crate::broker::message::Message;
use crate::broker::queue::{Arrival, Contents, Effect, Hold, Input, Place, Queue, Run, Settings};

#[derive(Clone, Debug)]
enum Step {
    /// Delay in milliseconds, and whether it is stored.
    Publish(Vec<(u64, bool)>),
    Pass(u64),
    /// Every so many messages of it are damaged; 0 is none.
    AnswerFetch(u64),
    NextFile,
    Copy(Index),
    Relocate,
    Cancel(Index),
    Purge,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let delay = prop_oneof![1..100_u64, 1..30_000_u64, 1..100_000_u64];
    prop_oneof![
        8 => prop::collection::vec((delay, prop::bool::weighted(0.8)), 1..8).prop_map(Step::Publish),
        5 => prop_oneof![1..50_u64, 1..20_000_u64].prop_map(Step::Pass),
        6 => Just(Step::AnswerFetch(0)),
        1 => (2..5_u64).prop_map(Step::AnswerFetch),
        1 => Just(Step::NextFile),
        2 => any::<Index>().prop_map(Step::Copy),
        2 => Just(Step::Relocate),
        1 => any::<Index>().prop_map(Step::Cancel),
        1 => Just(Step::Restart),
        1 => prop::bool::weighted(0.3).prop_map(|purge| if purge { Step::Purge } else { Step::NextFile }),
    ]
}

/// Longer than the queue looks ahead.
const LIMIT: usize = 1500;

#[derive(Debug)]
struct Model {
    now: u64,
    queue: Queue,
    /// Due and stored or not, by number.
    list: BTreeMap<u64, (u64, bool)>,
    messages: BTreeMap<u64, Message>,
    places: BTreeMap<u64, Place>,
    ends: BTreeMap<u32, u32>,
    log: u32,
    segments: u32,
    fetch: Option<Vec<Run>>,
    copies: Option<(NonZeroU32, Vec<(SequenceNumber, Place)>)>,
    damaged: BTreeSet<u64>,
    /// Told to be gone in this step.
    gone: BTreeSet<u64>,
    relocated: usize,
    removed: Option<usize>,
}

fn settings() -> Settings {
    Settings { hold: Some(Hold::ForExchange), ..Settings::default() }
}

impl Model {
    fn new() -> Self {
        let mut queue = Queue::new(false).with(at(0), settings());
        queue.set_memory_limit(LIMIT);
        Self {
            now: 0,
            queue,
            list: BTreeMap::new(),
            messages: BTreeMap::new(),
            places: BTreeMap::new(),
            ends: BTreeMap::new(),
            log: 1,
            segments: 0,
            fetch: None,
            copies: None,
            damaged: BTreeSet::new(),
            gone: BTreeSet::new(),
            relocated: 0,
            removed: None,
        }
    }

    fn write(&mut self, file: u32, sequence: u64) -> Place {
        let offset = *self.ends.entry(file).or_insert(8);
        let length = 140 + u32::try_from(sequence % 7).unwrap();
        self.ends.insert(file, offset + length);
        Place { file: NonZeroU32::new(file).unwrap(), offset, length }
    }

    /// The stored messages of a run: those whose records lie in it, which have to be the ones it names.
    fn read(&self, run: &Run) -> Vec<u64> {
        let numbers: Vec<u64> = (run.first.0..).take(usize::try_from(run.count).unwrap()).collect();
        let length: u32 = numbers.iter().map(|number| 140 + u32::try_from(number % 7).unwrap()).sum();
        assert_eq!(length, run.place.length, "{run:?}");
        numbers
    }

    fn run(&mut self, input: Input<'_>) {
        let mut effects = Vec::new();
        self.queue.handle(at(self.now), input, &mut effects).unwrap();
        for effect in effects {
            match effect {
                Effect::Fetch(runs) => {
                    assert!(!runs.is_empty());
                    assert_eq!(self.fetch.replace(runs), None, "one at a time");
                }
                Effect::Died => self.take_leaving(),
                Effect::Gone { sequence, place } => {
                    assert_eq!(self.places[&sequence.0], place);
                    assert!(self.gone.insert(sequence.0));
                }
                Effect::GoneRun(run) => {
                    for number in self.read(&run) {
                        assert!(self.gone.insert(number));
                    }
                }
                Effect::Lost(run) => {
                    for number in run.first.0..run.first.0 + u64::from(run.count) {
                        assert!(self.damaged.remove(&number), "{number} was not damaged");
                        self.list.remove(&number).unwrap();
                    }
                }
                Effect::Relocated(count) => self.relocated = count,
                Effect::Removed(count) => self.removed = Some(count),
                Effect::Deliver(_)
                | Effect::Wanting(_)
                | Effect::Taken(_)
                | Effect::ConsumerCancelled(_)
                | Effect::Unused
                | Effect::Got(_)
                | Effect::GotLater
                | Effect::LeaseEnded
                | Effect::Load(_)
                | Effect::Failed { .. }
                | Effect::TimedOut { .. }
                | Effect::Job { .. }
                | Effect::Retried { .. }
                | Effect::Emptied(_) => unreachable!("{effect:?}"),
            }
        }
        self.check();
    }

    fn take_leaving(&mut self) {
        let mut dead = Vec::new();
        self.queue.handle(at(self.now), Input::TakeDead(&mut dead), &mut Vec::new()).unwrap();
        let mut last = None;
        for dead in dead {
            let number: u64 = std::str::from_utf8(dead.message.body()).unwrap().parse().unwrap();
            let (due, stored) = self.list.remove(&number).unwrap();
            assert!(due <= self.now, "{number} is not due before {due}");
            assert!(last.replace((due, number)) < Some((due, number)), "in order");
            let place = stored.then(|| (SequenceNumber(number), self.places[&number]));
            assert_eq!(dead.stored, place);
        }
    }

    fn check(&self) {
        assert_eq!(self.queue.waiting_count(), self.list.len());
        assert_eq!(self.queue.ready_count(), 0);
        let first = self.list.values().map(|(due, _)| *due).min();
        if self.fetch.is_none() {
            assert!(first.is_none_or(|due| due > self.now), "{first:?} has passed at {}", self.now);
            let deadline = self.queue.next_deadline();
            assert!(first.is_none() || deadline.is_some_and(|deadline| Some(deadline) <= first.map(at)));
            assert!(deadline.is_none_or(|deadline| deadline > at(self.now)), "no tick for nothing");
        }
        let unstored = self.list.iter().filter(|(_, (_, stored))| !stored);
        let unstored: usize = unstored.map(|(number, _)| self.messages[number].cost()).sum();
        assert!(self.queue.loaded_bytes() <= LIMIT + unstored);
        self.check_places();
    }

    fn check_places(&self) {
        let mut found = BTreeMap::new();
        let mut in_segments = Vec::new();
        for file in self.ends.keys().map(|file| NonZeroU32::new(*file).unwrap()) {
            let Contents { runs, singles } = self.queue.held_in(file);
            assert!(runs.is_sorted() && singles.is_sorted());
            let runs = runs.iter().flat_map(|run| self.read(run));
            let numbers: Vec<u64> = runs.chain(singles.iter().map(|(number, _)| number.0)).collect();
            for number in numbers {
                assert_eq!(self.places[&number].file, file);
                assert_eq!(found.insert(number, file), None);
                in_segments.extend(self.places[&number].is_in_segment().then_some(number));
            }
        }
        let stored = self.list.iter().filter(|(_, (_, stored))| *stored).map(|(number, _)| *number);
        assert_eq!(found.into_keys().collect::<Vec<_>>(), stored.collect::<Vec<_>>());
        in_segments.sort_unstable();
        let told = self.queue.held_in_segments();
        let told = told.into_iter().flat_map(|range| range.start().0..=range.end().0);
        assert_eq!(told.collect::<Vec<_>>(), in_segments);
    }

    fn publish(&mut self, delays: Vec<(u64, bool)>) {
        let first = self.queue.next_sequence().0;
        let mut arrivals = Vec::new();
        for (number, (delay, stored)) in (first..).zip(delays) {
            let value = FieldValue::I64(i64::try_from(delay).unwrap());
            let message = with_header(&number.to_string(), "x-delay", value, at(self.now));
            let place = stored.then(|| self.write(self.log, number));
            self.places.extend(place.map(|place| (number, place)));
            self.messages.insert(number, message.clone());
            self.list.insert(number, (self.now + delay, stored));
            arrivals.push(Arrival { message, place });
        }
        self.run(Input::Publish(&mut arrivals));
    }

    fn answer(&mut self, every: u64) {
        let Some(runs) = self.fetch.take() else { return };
        let mut messages = Vec::new();
        let numbers: Vec<u64> = runs.iter().flat_map(|run| self.read(run)).collect();
        for number in numbers {
            if every > 0 && number % every == 0 {
                self.damaged.insert(number);
            } else {
                // Where it was when it was asked for does not count.
                messages.push((SequenceNumber(number), self.places[&number], self.messages[&number].clone()));
            }
        }
        self.run(Input::Fetched { runs: &runs, messages: &mut messages });
        assert!(messages.is_empty());
        self.damaged.clear();
    }

    fn copy(&mut self, at: Index) {
        let files: Vec<u32> = self.ends.keys().copied().collect();
        if files.is_empty() {
            return;
        }
        let from = NonZeroU32::new(*at.get(&files)).unwrap();
        self.segments += 1;
        let segment = self.segments | Place::SEGMENT;
        let Contents { runs, singles } = self.queue.held_in(from);
        let numbers: BTreeSet<u64> =
            runs.iter().flat_map(|run| self.read(run)).chain(singles.iter().map(|(number, _)| number.0)).collect();
        let copies = numbers.into_iter().map(|number| (SequenceNumber(number), self.write(segment, number)));
        self.copies = Some((from, copies.collect()));
    }

    fn relocate(&mut self) {
        let Some((from, singles)) = self.copies.take() else { return };
        let live = singles.iter().filter(|(number, _)| self.list.contains_key(&number.0));
        let live: Vec<_> = live.filter(|(number, _)| self.places[&number.0].file == from).copied().collect();
        // Runs are cut into pieces of one.
        let runs: Vec<_> =
            singles.iter().map(|(first, place)| Run { first: *first, count: 1, place: *place }).collect();
        for (number, place) in &live {
            self.places.insert(number.0, *place);
        }
        self.run(Input::Relocate { from, runs: &runs, singles: &singles });
        assert_eq!(self.relocated, live.len());
    }

    fn cancel(&mut self, index: Index) {
        if self.list.is_empty() {
            return;
        }
        let (number, (due, stored)) = index.get(&self.list.clone().into_iter().collect::<Vec<_>>()).to_owned();
        let turn = (at(due), SequenceNumber(number));
        let known = self.queue.scheduled(None, usize::MAX).iter().any(|one| (one.due, one.sequence) == turn);
        if !known {
            return;
        }
        self.list.remove(&number);
        self.run(Input::Cancel(&[turn]));
        assert_eq!(std::mem::take(&mut self.gone), stored.then_some(number).into_iter().collect());
        assert_eq!(self.removed.take(), Some(1));
    }

    fn purge(&mut self) {
        let list = std::mem::take(&mut self.list);
        self.run(Input::Purge);
        assert_eq!(self.removed.take(), Some(list.len()));
        let stored = list.iter().filter(|(_, (_, stored))| *stored).map(|(number, _)| *number);
        assert_eq!(std::mem::take(&mut self.gone), stored.collect());
    }

    /// What is stored comes back in runs; nobody knows what is in them.
    fn restart(&mut self) {
        self.list.retain(|_, (_, stored)| *stored);
        let mut runs: Vec<Run> = Vec::new();
        for number in self.list.keys() {
            let single = Run { first: SequenceNumber(*number), count: 1, place: self.places[number] };
            match runs.last_mut().and_then(|last| Some((last.joined(&single)?, last))) {
                Some((joined, last)) => *last = joined,
                None => runs.push(single),
            }
        }
        (self.fetch, self.copies) = (None, None);
        self.queue = Queue::recovered(false, runs, self.queue.next_sequence(), &[]).with(at(self.now), settings());
        self.queue.set_memory_limit(LIMIT);
        self.run(Input::Tick);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish(delays) => self.publish(delays),
            Step::Pass(millis) => {
                self.now += millis;
                self.run(Input::Tick);
            }
            Step::AnswerFetch(every) => self.answer(every),
            Step::NextFile => self.log += 1,
            Step::Copy(at) => self.copy(at),
            Step::Relocate => self.relocate(),
            Step::Cancel(at) => self.cancel(at),
            Step::Purge => self.purge(),
            Step::Restart => self.restart(),
        }
    }

    /// In the end all have left.
    fn drain(&mut self) {
        while !self.list.is_empty() {
            if self.fetch.is_some() {
                self.answer(0);
                continue;
            }
            self.now = self.queue.next_deadline().unwrap().as_millis();
            self.run(Input::Tick);
        }
        while self.fetch.is_some() {
            self.answer(0);
        }
        assert_eq!((self.queue.loaded_bytes(), self.queue.next_deadline()), (0, None));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_delay_queue_agrees_with_a_plain_list(steps in prop::collection::vec(step(), 1..80)) {
        let mut model = Model::new();
        steps.into_iter().for_each(|step| model.step(step));
        model.drain();
    }
}
