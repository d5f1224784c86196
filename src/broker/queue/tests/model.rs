//! A queue with stored messages against a plain list, over random histories, with priorities and without: the same order
//! and counts whatever is paged out, loads that come late or damaged, records that move under it, restarts; and one
//! farewell for every stored message.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use proptest::prelude::*;
use proptest::sample::Index;

use super::{message, urgent};
use crate::broker::ids::{CheckoutId, ConsumerId, SequenceNumber};
use crate::broker::message::Message;
use crate::broker::queue::{
    Arrival, Contents, Delivery, Effect, Input, Listed, Outcome, Pick, Place, Queue, Run, Settings, Spot, Subscription,
};
use crate::broker::time::Timestamp;

#[derive(Clone, Debug)]
enum Step {
    /// Whether each is stored; whether something else lies before its record; its priority.
    Publish(Vec<(bool, bool, u8)>),
    Reserve(u64),
    /// Which of the reserved numbers; whether it is stored; its priority.
    Insert(Index, bool, u8),
    Subscribe(u16, bool),
    Unsubscribe(Index),
    Abandon(Index),
    Get(bool),
    Settle(Index, Vec<Index>, Outcome),
    SetLimit(usize),
    /// Which; every so many messages of it are damaged; 0 is none.
    AnswerLoad(Index, u64),
    AnswerAnOldLoad(Index),
    NextFile,
    /// In pieces of so many messages at most.
    Copy(Index, u32),
    Relocate,
    /// In pages of so many.
    List(usize),
    /// Which of those that were listed; whether that is long ago.
    Pick(Vec<Index>, bool),
    Purge,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    use Outcome::{Ack, Discard, Fail, Requeue};
    let outcome = prop::sample::select(vec![Ack, Ack, Ack, Requeue, Fail, Discard]);
    let priority = || prop_oneof![3 => 0..4_u8, 1 => Just(255_u8)];
    let kind = (prop::bool::weighted(0.8), prop::bool::weighted(0.2), priority());
    prop_oneof![
        6 => prop::collection::vec(kind, 1..6).prop_map(Step::Publish),
        1 => (1..4_u64).prop_map(Step::Reserve),
        2 => (any::<Index>(), prop::bool::weighted(0.7), priority())
            .prop_map(|(at, stored, priority)| Step::Insert(at, stored, priority)),
        2 => (0..5_u16, prop::bool::weighted(0.3)).prop_map(|(prefetch, no_ack)| Step::Subscribe(prefetch, no_ack)),
        1 => any::<Index>().prop_map(Step::Unsubscribe),
        1 => any::<Index>().prop_map(Step::Abandon),
        3 => any::<bool>().prop_map(Step::Get),
        5 => (any::<Index>(), prop::collection::vec(any::<Index>(), 1..4), outcome)
            .prop_map(|(holder, which, outcome)| Step::Settle(holder, which, outcome)),
        1 => prop::sample::select(vec![0, 200, 700, 2000]).prop_map(Step::SetLimit),
        5 => any::<Index>().prop_map(|at| Step::AnswerLoad(at, 0)),
        1 => (any::<Index>(), 2..5_u64).prop_map(|(at, every)| Step::AnswerLoad(at, every)),
        1 => any::<Index>().prop_map(Step::AnswerAnOldLoad),
        1 => Just(Step::NextFile),
        1 => (any::<Index>(), 1..20_u32).prop_map(|(file, most)| Step::Copy(file, most)),
        2 => Just(Step::Relocate),
        2 => (1..9_usize).prop_map(Step::List),
        3 => (prop::collection::vec(any::<Index>(), 1..6), prop::bool::weighted(0.3))
            .prop_map(|(which, stale)| Step::Pick(which, stale)),
        1 => Just(Step::Purge),
        1 => Just(Step::Restart),
    ]
}

/// The message of that number, in a queue that tells so many priorities apart.
fn message_of(sequence: SequenceNumber, highest: u8) -> Message {
    let body = sequence.0.to_string();
    if highest == 0 { message(&body) } else { urgent(highest - sequence.lane(), &body) }
}

/// Records by place.
#[derive(Debug, Default)]
struct Disk {
    highest: u8,
    records: BTreeMap<(u32, u32), (u64, u32)>,
    ends: BTreeMap<u32, u32>,
    log: u32,
    segments: u32,
}

impl Disk {
    fn write(&mut self, file: u32, sequence: u64) -> Place {
        let offset = *self.ends.entry(file).or_insert(8);
        let length = 10 + u32::try_from(sequence % 7).unwrap();
        self.records.insert((file, offset), (sequence, length));
        self.ends.insert(file, offset + length);
        Place { file: NonZeroU32::new(file).unwrap(), offset, length }
    }

    fn log(&mut self, sequence: u64, gap: bool) -> Place {
        let file = self.log + 1;
        *self.ends.entry(file).or_insert(8) += if gap { 8 } else { 0 };
        self.write(file, sequence)
    }

    /// The records of a run, which have to be just these.
    fn read(&self, run: Run) -> Vec<(SequenceNumber, Place, Message)> {
        let mut offset = run.place.offset;
        let mut found = Vec::new();
        for expected in run.first.0..run.first.0 + u64::from(run.count) {
            let (sequence, length) = self.records[&(run.place.file.get(), offset)];
            assert_eq!(sequence, expected, "{run:?}");
            let place = Place { offset, length, ..run.place };
            let sequence = SequenceNumber(sequence);
            found.push((sequence, place, message_of(sequence, self.highest)));
            offset += length;
        }
        assert_eq!(offset - run.place.offset, run.place.length, "{run:?}");
        found
    }
}

#[derive(Clone, Copy, Debug)]
struct Item {
    stored: bool,
    delivered: bool,
}

/// New places for what was in a file.
#[derive(Debug)]
struct Copies {
    from: NonZeroU32,
    runs: Vec<Run>,
    singles: Vec<(SequenceNumber, Place)>,
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

    fn look_at(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Deliver(delivery) => {
                    let (prefetch, no_ack) = self.consumers[&delivery.consumer];
                    self.deliver(&delivery, no_ack);
                    let held = self.unacked.get(&delivery.consumer).map_or(0, BTreeMap::len);
                    assert!(prefetch == 0 || held <= usize::from(prefetch));
                }
                Effect::Got(Some((delivery, left))) => {
                    self.deliver(&delivery, self.got_later);
                    assert_eq!(left, self.ready.len() + self.returned.len());
                }
                Effect::Got(None) => assert!(self.is_empty()),
                Effect::GotLater => {
                    let next = self.next().expect("there is something to wait for");
                    assert!(!self.returned.contains_key(&next), "what came back is in memory");
                    self.got_later = true;
                }
                Effect::Load(run) => {
                    let same_lane = self.loads.iter().any(|other| other.first.lane() == run.first.lane());
                    assert!(!same_lane, "one load at a time for each lane");
                    self.loads.push(run);
                }
                Effect::Gone { sequence, place } => {
                    let (stored, length) = self.disk.records[&(place.file.get(), place.offset)];
                    assert_eq!((stored, length), (sequence.0, place.length));
                    self.gone.push(sequence.0);
                }
                Effect::GoneRun(run) => {
                    self.gone.extend(self.disk.read(run).iter().map(|(sequence, _, _)| sequence.0));
                }
                Effect::Lost(run) => {
                    for sequence in run.first.0..run.first.0 + u64::from(run.count) {
                        assert!(self.damaged.remove(&sequence), "{sequence} was not damaged");
                        self.ready.remove(&sequence).unwrap();
                    }
                }
                Effect::Removed(count) if self.picked.is_some() => assert_eq!(self.picked.take(), Some(count)),
                Effect::Removed(count) => {
                    assert_eq!(count, self.ready.len() + self.returned.len());
                    let all = std::mem::take(&mut self.ready).into_iter().chain(std::mem::take(&mut self.returned));
                    self.leaving.extend(all.filter(|(_, item)| item.stored).map(|(sequence, _)| sequence));
                }
                Effect::Failed { .. } => assert!(self.queue.settings().counts_deliveries()),
                Effect::Relocated(count) => self.relocated = Some(count),
                Effect::Unused
                | Effect::Died
                | Effect::TimedOut { .. }
                | Effect::LeaseEnded
                | Effect::Wanting(_)
                | Effect::Taken(_)
                | Effect::Fetch(_)
                | Effect::Job { .. }
                | Effect::Retried { .. }
                | Effect::ConsumerCancelled(_)
                | Effect::Emptied(_) => unreachable!("{effect:?}"),
            }
        }
        self.check();
    }

    fn deliver(&mut self, delivery: &Delivery, no_ack: bool) {
        let sequence = self.next().expect("there is a message");
        let item = self.returned.remove(&sequence).or_else(|| self.ready.remove(&sequence)).unwrap();
        let expected = message_of(SequenceNumber(sequence), self.highest);
        // Where deliveries are counted, headers tell of it.
        if !(self.counting && item.delivered) {
            assert_eq!(delivery.message, expected, "the oldest of the highest priority comes first");
        }
        assert_eq!(delivery.message.body(), expected.body());
        assert_eq!(delivery.redelivered, item.delivered);
        if !no_ack {
            let held = self.unacked.entry(delivery.consumer).or_default();
            held.insert(delivery.checkout, (sequence, Item { delivered: true, ..item }));
        } else if item.stored {
            self.leaving.push(sequence);
        }
    }

    fn check(&mut self) {
        self.leaving.sort_unstable();
        self.gone.sort_unstable();
        assert_eq!(std::mem::take(&mut self.gone), std::mem::take(&mut self.leaving), "one farewell for each");
        assert_eq!(self.queue.ready_count(), self.ready.len() + self.returned.len());
        assert_eq!(self.queue.consumer_count(), self.consumers.len());
        let unacked: Vec<u64> =
            self.unacked.values().flat_map(BTreeMap::values).map(|(sequence, _)| *sequence).collect();
        let cost = |sequence: &u64| message_of(SequenceNumber(*sequence), self.highest).cost();
        let cost: usize = unacked.iter().map(cost).sum();
        assert_eq!(self.queue.unacked_bytes(), cost);
        let room = self.consumers.iter().any(|(consumer, (prefetch, no_ack))| {
            let held = self.unacked.get(consumer).map_or(0, BTreeMap::len);
            *no_ack || *prefetch == 0 || held < usize::from(*prefetch)
        });
        if let Some(next) = self.next().filter(|_| room) {
            let lane = lane_of(next);
            let coming = self.loads.iter().any(|run| lane.contains(&run.first.0));
            assert!(coming, "a consumer waits and what it waits for is not loaded");
        }
        self.check_places();
    }

    /// The files hold what is stored and live, each message once.
    fn check_places(&self) {
        let files = self.disk.ends.keys().map(|file| NonZeroU32::new(*file).unwrap());
        let mut all = Vec::new();
        for file in files {
            let Contents { runs, singles } = self.queue.held_in(file);
            assert!(runs.is_sorted() && singles.is_sorted());
            all.extend(
                runs.iter().flat_map(|run| self.disk.read(*run)).map(|(sequence, place, _)| (sequence.0, place)),
            );
            all.extend(singles.into_iter().map(|(sequence, place)| (sequence.0, place)));
        }
        all.sort_unstable();
        let ready = self.ready.iter().chain(&self.returned).map(|(sequence, item)| (*sequence, *item));
        let live = ready.chain(self.unacked.values().flat_map(BTreeMap::values).copied());
        let stored: BTreeSet<u64> = live.filter(|(_, item)| item.stored).map(|(sequence, _)| sequence).collect();
        assert_eq!(all.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), Vec::from_iter(stored));
        let in_segments = all.iter().filter(|(_, place)| place.is_in_segment()).map(|(sequence, _)| *sequence);
        let told = self.queue.held_in_segments();
        assert!(told.is_sorted_by(|a, b| a.end().0 + 1 < b.start().0), "{told:?}");
        let told = told.into_iter().flat_map(|range| range.start().0..=range.end().0);
        assert_eq!(told.collect::<Vec<_>>(), in_segments.collect::<Vec<_>>());
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

    fn answer_load(&mut self, at: Index, every: u64) {
        if let Some(run) = pick(self.loads.iter(), at) {
            self.answer(run, every);
        }
    }

    fn answer(&mut self, run: Run, every: u64) {
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
    fn copy(&mut self, from: NonZeroU32, most: u32) {
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
    fn relocate(&mut self) -> usize {
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

    /// Lists everything, which has to be there in the order in which it will be delivered.
    fn list(&mut self, most: usize) {
        let (mut found, mut after) = (Vec::new(), None);
        self.listed.clear();
        while let listed = self.queue.list(after, most)
            && let Some(last) = listed.last()
        {
            after = Some(last.last());
            for listed in listed {
                self.expand(listed, &mut found);
            }
        }
        let mut expected: Vec<(u64, bool)> = Vec::new();
        let lanes: BTreeSet<u64> =
            self.ready.keys().chain(self.returned.keys()).map(|number| *lane_of(*number).start()).collect();
        for lane in lanes.into_iter().map(lane_of) {
            let in_order = self.returned.range(lane.clone()).chain(self.ready.range(lane));
            expected.extend(in_order.map(|(sequence, item)| (*sequence, item.delivered)));
        }
        assert_eq!(found, expected);
    }

    fn expand(&mut self, listed: Listed, found: &mut Vec<(u64, bool)>) {
        let mut see = |spot, sequence: SequenceNumber, place, message: &Message, redelivered| {
            assert_eq!(*message, message_of(sequence, self.highest));
            let begins_with = self.queue.list(Some(self.queue.before(sequence)), 1).into_iter().next();
            assert!(begins_with.is_some_and(|listed| listed.first() == sequence));
            self.listed.push(Pick { spot, sequence, place, body: message.body_length() });
            found.push((sequence.0, redelivered));
        };
        match listed {
            Listed::Here { spot, sequence, redelivered, message } => see(spot, sequence, None, &message, redelivered),
            Listed::Stored { run, from, redelivered } => {
                let lane = run.first.lane();
                for (sequence, place, message) in self.disk.read(run) {
                    if sequence >= from {
                        let spot =
                            Spot { lane: if self.highest == 0 { 0 } else { lane }, in_turn: true, number: sequence.0 };
                        let again = redelivered.iter().any(|(first, last)| (*first..=*last).contains(&sequence.0));
                        see(spot, sequence, Some(place), &message, again);
                    }
                }
            }
        }
    }

    /// Picks messages, which are all there if they have just been listed.
    fn pick(&mut self, which: &[Index], stale: bool) {
        if !stale {
            self.list(3);
        }
        if self.listed.is_empty() {
            return;
        }
        let mut picks: Vec<Pick> = which.iter().map(|at| *at.get(&self.listed)).collect();
        picks.sort_unstable();
        picks.dedup();
        let wanted = picks.clone();
        let mut effects = Vec::new();
        self.queue.handle(Timestamp::ZERO, Input::Pick(&mut picks), &mut effects).unwrap();
        assert!(stale || picks == wanted, "all of them are there");
        for pick in &picks {
            let item = self.ready.remove(&pick.sequence.0).or_else(|| self.returned.remove(&pick.sequence.0));
            let item = item.expect("it was there");
            self.leaving.extend(item.stored.then_some(pick.sequence.0));
        }
        self.picked = Some(picks.len());
        self.look_at(effects);
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

    /// Every consumer goes; then what is stored is found again, and nothing else.
    fn restart(&mut self) {
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
