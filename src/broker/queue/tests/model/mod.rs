//! A queue with stored messages against a plain list, over random histories, with priorities and without: the same order
//! and counts whatever is paged out, loads that come late or damaged, records that move under it, restarts; and one
//! farewell for every stored message.

mod disk;
mod effects;
mod listing;
mod moves;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use disk::{Copies, Disk, message_of};
use proptest::prelude::*;
use proptest::sample::Index;
use steps::{Step, step};

use crate::broker::ids::{CheckoutId, ConsumerId, SequenceNumber};
use crate::broker::queue::{Arrival, Contents, Effect, Input, Outcome, Pick, Queue, Run, Settings, Subscription};
use crate::broker::time::Timestamp;

#[derive(Clone, Copy, Debug)]
struct Item {
    stored: bool,
    delivered: bool,
}

#[derive(Debug, Default)]
struct Model {
    highest: u8,
    counting: bool,
    limit: usize,
    queue: Queue,
    disk: Disk,
    /// Messages that came back come before those that did not, lane by lane.
    returned: BTreeMap<u64, Item>,
    ready: BTreeMap<u64, Item>,
    /// Attached consumers: prefetch, whether no acks are wanted.
    consumers: BTreeMap<ConsumerId, (u16, bool)>,
    unacked: BTreeMap<ConsumerId, BTreeMap<CheckoutId, (u64, Item)>>,
    last_consumer: u64,
    reserved: Vec<u64>,
    loads: Vec<Run>,
    old_loads: Vec<Run>,
    damaged: BTreeSet<u64>,
    copies: Option<Copies>,
    /// Farewells that are due, and those that came, in this step.
    leaving: Vec<u64>,
    gone: Vec<u64>,
    got_later: bool,
    relocated: Option<usize>,
    /// What was listed last.
    listed: Vec<Pick>,
    /// So many messages are picked in this step.
    picked: Option<usize>,
}

const GETTER: ConsumerId = ConsumerId(0);

/// Its numbers are those of one lane.
fn lane_of(sequence: u64) -> RangeInclusive<u64> {
    let lane = SequenceNumber(sequence).lane();
    let last = SequenceNumber::in_lane(lane, (1 << SequenceNumber::NUMBER_BITS) - 1);
    SequenceNumber::in_lane(lane, 0).0..=last.0
}

impl Model {
    fn new(highest: u8, counting: bool, limit: usize) -> Self {
        let disk = Disk { highest, ..Disk::default() };
        let mut model = Self { highest, counting, limit, disk, ..Self::default() };
        model.start(Queue::new(false));
        model
    }

    fn start(&mut self, queue: Queue) {
        // It counts deliveries without a limit, or not at all.
        let delivery_limit = self.counting.then_some(-1);
        let settings = Settings { max_priority: self.highest, delivery_limit, ..Settings::default() };
        self.queue = queue.with(Timestamp::ZERO, settings);
        self.queue.set_memory_limit(self.limit);
    }

    /// The number of the message whose turn it is.
    fn next(&self) -> Option<u64> {
        let first = |items: &BTreeMap<u64, Item>| items.keys().next().copied();
        let lane = lane_of(first(&self.ready).into_iter().chain(first(&self.returned)).min()?);
        let mut in_order = self.returned.range(lane.clone()).chain(self.ready.range(lane));
        in_order.next().map(|(sequence, _)| *sequence)
    }

    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.returned.is_empty()
    }

    fn run(&mut self, input: Input<'_>) {
        let mut effects = Vec::new();
        self.queue.handle(Timestamp::ZERO, input, &mut effects).unwrap();
        self.look_at(effects);
    }

    fn arrival(&mut self, sequence: u64, stored: bool, gap: bool) -> Arrival {
        self.ready.insert(sequence, Item { stored, delivered: false });
        let place = stored.then(|| self.disk.log(sequence, gap));
        Arrival { message: message_of(SequenceNumber(sequence), self.highest), place }
    }

    fn get(&mut self, no_ack: bool) {
        // Stands for the kind of get while it runs.
        self.got_later = no_ack;
        self.run(Input::Get { consumer: GETTER, no_ack });
    }

    fn give_back(&mut self, consumer: ConsumerId) {
        let held = self.unacked.remove(&consumer).unwrap_or_default();
        self.returned.extend(held.into_values());
    }

    fn sequence(&self, number: u64, priority: u8) -> u64 {
        SequenceNumber::in_lane(self.highest.saturating_sub(priority), number).0
    }

    fn publish(&mut self, kinds: Vec<(bool, bool, u8)>) {
        let first = self.queue.next_sequence().0;
        let kinds = kinds.into_iter().zip(first..);
        let arrival = |((stored, gap, priority), number)| {
            let sequence = self.sequence(number, priority);
            self.arrival(sequence, stored, gap)
        };
        let mut arrivals = kinds.map(arrival).collect();
        self.run(Input::Publish(&mut arrivals));
        assert!(arrivals.is_empty());
    }

    fn insert(&mut self, at: Index, stored: bool, priority: u8) {
        if self.reserved.is_empty() {
            return;
        }
        let number = self.reserved.remove(at.index(self.reserved.len()));
        let sequence = self.sequence(number, priority);
        let arrival = self.arrival(sequence, stored, false);
        self.run(Input::Insert(&mut vec![(SequenceNumber(sequence), arrival)]));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish(kinds) => self.publish(kinds),
            Step::Reserve(count) => {
                let first = self.queue.next_sequence().0;
                self.reserved.extend(first..first + count);
                self.run(Input::Reserve { count, bytes: 0 });
            }
            Step::Insert(at, stored, priority) => self.insert(at, stored, priority),
            Step::Subscribe(prefetch, no_ack) => {
                self.last_consumer += 1;
                let consumer = ConsumerId(self.last_consumer);
                self.consumers.insert(consumer, (prefetch, no_ack));
                self.run(Input::Subscribe(Subscription { prefetch, no_ack, ..super::consumer(consumer) }));
            }
            Step::Unsubscribe(at) => {
                if let Some(consumer) = pick(self.consumers.keys(), at) {
                    self.consumers.remove(&consumer);
                    self.run(Input::Unsubscribe(consumer));
                }
            }
            Step::Abandon(at) => {
                if let Some(consumer) = pick(self.unacked.keys(), at) {
                    self.consumers.remove(&consumer);
                    self.give_back(consumer);
                    self.run(Input::Abandon(consumer));
                }
            }
            Step::Get(no_ack) => self.get(no_ack),
            Step::Settle(at, which, outcome) => self.settle(at, &which, outcome),
            Step::SetLimit(limit) => {
                self.limit = limit;
                self.queue.set_memory_limit(limit);
            }
            Step::AnswerLoad(at, every) => self.answer_load(at, every),
            Step::AnswerAnOldLoad(at) => {
                let old = pick(self.old_loads.iter().filter(|run| !self.loads.contains(run)), at);
                if let Some(run) = old {
                    self.run(Input::Loaded { run, messages: &mut self.disk.read(run) });
                }
            }
            Step::NextFile => self.disk.log += 1,
            Step::Copy(at, most) => {
                if let Some(file) = pick(self.disk.ends.keys(), at) {
                    self.copy(NonZeroU32::new(file).unwrap(), most);
                }
            }
            Step::Relocate => {
                self.relocate();
            }
            Step::List(most) => self.list(most),
            Step::Pick(which, stale) => self.pick(&which, stale),
            Step::Purge => self.run(Input::Purge),
            Step::Restart => self.restart(),
        }
    }

    fn settle(&mut self, at: Index, which: &[Index], outcome: Outcome) {
        let Some(consumer) = pick(self.unacked.keys(), at) else { return };
        let held = self.unacked.get_mut(&consumer).unwrap();
        // Some twice, which is as good as once.
        let checkouts: Vec<CheckoutId> = which.iter().filter_map(|at| pick(held.keys(), *at)).collect();
        for checkout in &checkouts {
            let Some((sequence, item)) = held.remove(checkout) else { continue };
            if matches!(outcome, Outcome::Requeue | Outcome::Fail) {
                self.returned.insert(sequence, item);
            } else if item.stored {
                self.leaving.push(sequence);
            }
        }
        self.run(Input::Settle { consumer, checkouts: &checkouts, outcome });
    }

    /// What is left comes out by basic.get, in order, and the queue is empty then.
    fn drain(&mut self) {
        while !self.is_empty() {
            let before = self.ready.len() + self.returned.len();
            self.get(true);
            if self.ready.len() + self.returned.len() == before {
                let run = *self.loads.last().expect("the load is under way");
                self.answer(run, 0);
            }
        }
        self.get(true);
        for consumer in self.unacked.keys().copied().collect::<Vec<_>>() {
            let held = std::mem::take(self.unacked.get_mut(&consumer).unwrap());
            let checkouts: Vec<CheckoutId> = held.keys().copied().collect();
            self.leaving.extend(held.values().filter(|(_, item)| item.stored).map(|(sequence, _)| *sequence));
            self.run(Input::Settle { consumer, checkouts: &checkouts, outcome: Outcome::Ack });
        }
        assert_eq!((self.queue.loaded_bytes(), self.queue.unacked_bytes()), (0, 0));
        assert!(self.queue.hand_outs.deliveries.is_empty(), "counts go with their messages");
    }

    /// The queue is deleted, which counts what is stored, file by file.
    fn delete(&mut self) {
        let files: Vec<NonZeroU32> = self.disk.ends.keys().map(|file| NonZeroU32::new(*file).unwrap()).collect();
        let counts = files.into_iter().map(|file| {
            let Contents { runs, singles } = self.queue.held_in(file);
            (file, runs.iter().map(|run| u64::from(run.count)).sum::<u64>() + singles.len() as u64)
        });
        let counts: Vec<_> = counts.filter(|(_, count)| *count > 0).collect();
        let mut expected: Vec<Effect> = self.consumers.keys().copied().map(Effect::ConsumerCancelled).collect();
        expected.extend((!counts.is_empty()).then_some(Effect::Emptied(counts)));
        expected.push(Effect::Removed(self.ready.len() + self.returned.len()));
        let mut effects = Vec::new();
        let input = Input::Delete { if_unused: false, if_empty: false };
        self.queue.handle(Timestamp::ZERO, input, &mut effects).unwrap();
        assert_eq!(effects, expected);
        assert!(self.queue.is_deleted());
    }
}

fn pick<'a, T: Copy + 'a>(from: impl Iterator<Item = &'a T>, at: Index) -> Option<T> {
    let all: Vec<T> = from.copied().collect();
    (!all.is_empty()).then(|| *at.get(&all))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_queue_with_stored_messages_agrees_with_a_plain_list(
        highest in prop::sample::select(vec![0, 0, 1, 3, 255]),
        limit in prop::sample::select(vec![0, 300, 1000, usize::MAX]),
        steps in prop::collection::vec(step(), 1..120),
        counting in any::<bool>(),
        delete in any::<bool>(),
    ) {
        let mut model = Model::new(highest, counting, limit);
        steps.into_iter().for_each(|step| model.step(step));
        if delete {
            model.delete();
        } else {
            model.drain();
        }
    }

    #[test]
    fn a_file_is_emptied_whatever_is_loaded_meanwhile(
        highest in prop::sample::select(vec![0, 0, 1, 3, 255]),
        limit in prop::sample::select(vec![0, 300, 1000]),
        before in prop::collection::vec(step(), 1..80),
        meanwhile in prop::collection::vec(step(), 0..10),
        most in 1..20_u32,
    ) {
        let mut model = Model::new(highest, false, limit);
        before.into_iter().for_each(|step| model.step(step));
        model.disk.log += 1;
        let file = NonZeroU32::MIN;
        model.copy(file, most);
        let meanwhile = meanwhile.into_iter().filter(|step| !matches!(step, Step::Copy(..)));
        meanwhile.for_each(|step| model.step(step));
        model.relocate();
        model.copy(file, most);
        prop_assert_eq!(model.relocate(), 0, "nothing is left after a second round");
        prop_assert_eq!(model.queue.held_in(file), Contents::default());
        model.drain();
    }
}
