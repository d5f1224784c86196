//! A queue with groups over random histories: no two consumers have a group at a time, each group keeps its order, nobody
//! who could take a message waits, and nothing is lost or handed out twice.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;

use super::groups::{grouped_message, settings};
use super::*;

#[derive(Clone, Debug)]
enum Step {
    Publish(Vec<(u8, bool)>),
    Settle { which: Index, outcome: Outcome },
    Abandon(Index),
    Unsubscribe(Index),
    Subscribe { prefetch: u16, no_ack: bool, limited: bool },
    Prefetch(Index, u16),
    Offer(Index, usize),
    Get(bool),
    AnswerLoad,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![3 => Just(Outcome::Ack), 2 => Just(Outcome::Requeue), 1 => Just(Outcome::Discard)];
    prop_oneof![
        8 => prop::collection::vec((0..5_u8, any::<bool>()), 1..6).prop_map(Step::Publish),
        12 => (any::<Index>(), outcome).prop_map(|(which, outcome)| Step::Settle { which, outcome }),
        1 => any::<Index>().prop_map(Step::Abandon),
        1 => any::<Index>().prop_map(Step::Unsubscribe),
        2 => (1..4_u16, prop::bool::weighted(0.15), prop::bool::weighted(0.25))
            .prop_map(|(prefetch, no_ack, limited)| Step::Subscribe { prefetch, no_ack, limited }),
        1 => (any::<Index>(), 1..4_u16).prop_map(|(which, prefetch)| Step::Prefetch(which, prefetch)),
        3 => (any::<Index>(), 0..3_usize).prop_map(|(which, room)| Step::Offer(which, room)),
        2 => any::<bool>().prop_map(Step::Get),
        6 => Just(Step::AnswerLoad),
    ]
}

#[derive(Debug)]
struct Model {
    queue: Queue,
    next_consumer: u64,
    /// Attached: prefetch, without acknowledgements, limited by its channel.
    consumers: BTreeMap<ConsumerId, (u16, bool, bool)>,
    /// All that ever attached and may hold something.
    known: BTreeSet<ConsumerId>,
    ready: BTreeMap<u64, String>,
    unacked: BTreeMap<(ConsumerId, u64), (u64, String)>,
    numbers: BTreeMap<String, u64>,
    load: Option<Run>,
    /// Everything is in memory and there is room to look at all of it.
    unbounded: bool,
}

fn group(body: &str) -> Option<&str> {
    body.get(..1).filter(|group| *group != "-")
}

impl Model {
    fn new(limit: usize) -> Self {
        let mut queue = Queue::new(false).with(Timestamp::ZERO, settings());
        queue.set_memory_limit(limit);
        Self {
            queue,
            next_consumer: 100,
            consumers: BTreeMap::new(),
            known: BTreeSet::from([GETTER]),
            ready: BTreeMap::new(),
            unacked: BTreeMap::new(),
            numbers: BTreeMap::new(),
            load: None,
            unbounded: limit == usize::MAX,
        }
    }

    fn holder(&self, of: &str) -> Option<ConsumerId> {
        let mut holders = self.unacked.iter().filter(|(_, (_, body))| group(body) == Some(of)).map(|((id, _), _)| *id);
        let holder = holders.next()?;
        assert!(holders.all(|other| other == holder), "two consumers have group {of}");
        Some(holder)
    }

    fn deliver(&mut self, delivery: &Delivery, no_ack: bool) {
        let body = String::from_utf8(delivery.message.body().to_vec()).unwrap();
        let number = self.numbers[&body];
        if let Some(of) = group(&body) {
            let holder = self.holder(of);
            assert!(holder.is_none_or(|holder| holder == delivery.consumer), "{body} is of a group of {holder:?}");
            let first = self.ready.iter().find(|(_, other)| group(other) == Some(of)).map(|(number, _)| *number);
            assert_eq!(first, Some(number), "{body} overtakes its group");
        }
        assert!(self.ready.remove(&number).is_some(), "{body} is not ready");
        if !no_ack {
            self.unacked.insert((delivery.consumer, delivery.checkout.0), (number, body));
        }
    }

    fn run(&mut self, input: Input<'_>, no_ack_get: bool) {
        let mut effects = Vec::new();
        self.queue.handle(Timestamp::ZERO, input, &mut effects).unwrap();
        for effect in &effects {
            match effect {
                Effect::Deliver(delivery) => self.deliver(delivery, self.consumers[&delivery.consumer].1),
                Effect::Got(Some((delivery, _))) => self.deliver(delivery, no_ack_get),
                Effect::Load(run) => assert_eq!(self.load.replace(*run), None, "one at a time"),
                Effect::Gone { .. } | Effect::Got(None) | Effect::GotLater | Effect::Wanting(_) | Effect::Taken(_) => {}
                Effect::TimedOut { .. }
                | Effect::ConsumerCancelled(_)
                | Effect::Unused
                | Effect::Removed(_)
                | Effect::Failed { .. }
                | Effect::Died
                | Effect::LeaseEnded
                | Effect::Fetch(_)
                | Effect::Retried { .. }
                | Effect::Job { .. }
                | Effect::GoneRun(_)
                | Effect::Lost(_)
                | Effect::Emptied(_)
                | Effect::Relocated(_) => panic!("{effect:?}"),
            }
        }
        self.check();
    }

    fn check(&self) {
        assert_eq!(self.queue.ready_count(), self.ready.len());
        assert_eq!(self.queue.unacked_count(), self.unacked.len());
        let bodies: u64 = self.ready.values().map(|body| u64::try_from(body.len()).unwrap()).sum();
        assert_eq!(self.queue.ready_bytes(), bodies);
        if self.unbounded {
            self.ready.values().for_each(|body| assert!(self.is_stuck(body), "{body} could be handed out"));
        }
    }

    /// Nobody who may have it has room, apart from those who wait for their channels.
    fn is_stuck(&self, body: &str) -> bool {
        let holder = group(body).and_then(|of| self.holder(of));
        let has_room = |(id, (prefetch, no_ack, limited)): (&ConsumerId, &(u16, bool, bool))| {
            let held = self.unacked.keys().filter(|(holder, _)| holder == id).count();
            !limited && (*no_ack || held < usize::from(*prefetch)) && holder.is_none_or(|holder| holder == *id)
        };
        !self.consumers.iter().any(has_room)
    }

    fn publish(&mut self, messages: &[(u8, bool)]) {
        let mut arrivals = Vec::new();
        for (kind, stored) in messages {
            let number = self.queue.next_sequence().0 + u64::try_from(arrivals.len()).unwrap();
            let body = format!("{}{number}", ["-", "a", "b", "c", "d"][usize::from(*kind)]);
            let place = (*stored || self.queue.is_paged()).then(|| lies_at(number));
            arrivals.push(Arrival { message: grouped_message(&body), place });
            self.numbers.insert(body.clone(), number);
            self.ready.insert(number, body);
        }
        self.run(Input::Publish(&mut arrivals), false);
    }

    fn settle(&mut self, id: ConsumerId, checkout: u64, outcome: Outcome) {
        let (number, body) = self.unacked.remove(&(id, checkout)).unwrap();
        if outcome == Outcome::Requeue {
            self.ready.insert(number, body);
        }
        self.run(Input::Settle { consumer: id, checkouts: &[CheckoutId(checkout)], outcome }, false);
    }

    fn abandon(&mut self, id: ConsumerId) {
        self.consumers.remove(&id);
        let back: Vec<_> = self.unacked.keys().filter(|(holder, _)| *holder == id).copied().collect();
        for key in back {
            let (number, body) = self.unacked.remove(&key).unwrap();
            self.ready.insert(number, body);
        }
        self.run(Input::Abandon(id), false);
    }

    fn answer_load(&mut self) {
        let Some(run) = self.load.take() else { return };
        let bodies: BTreeMap<u64, &String> = self.numbers.iter().map(|(body, number)| (*number, body)).collect();
        let numbers = run.first.0..run.first.0 + u64::from(run.count);
        let message = |number| (SequenceNumber(number), lies_at(number), grouped_message(bodies[&number]));
        let mut messages = numbers.map(message).collect();
        self.run(Input::Loaded { run, messages: &mut messages }, false);
    }

    fn attached(&self, which: Index) -> Option<ConsumerId> {
        let ids: Vec<_> = self.consumers.keys().copied().collect();
        (!ids.is_empty()).then(|| ids[which.index(ids.len())])
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish(messages) => self.publish(&messages),
            Step::Settle { which, outcome } => {
                let keys: Vec<_> = self.unacked.keys().copied().collect();
                if !keys.is_empty() {
                    let (id, checkout) = keys[which.index(keys.len())];
                    self.settle(id, checkout, outcome);
                }
            }
            Step::Abandon(which) => {
                let known: Vec<_> = self.known.iter().copied().collect();
                self.abandon(known[which.index(known.len())]);
            }
            Step::Unsubscribe(which) => {
                if let Some(id) = self.attached(which) {
                    self.consumers.remove(&id);
                    self.run(Input::Unsubscribe(id), false);
                }
            }
            Step::Subscribe { prefetch, no_ack, limited } => self.subscribe(prefetch, no_ack, limited),
            Step::Prefetch(which, prefetch) => {
                if let Some(id) = self.attached(which) {
                    self.consumers.get_mut(&id).unwrap().0 = prefetch;
                    self.run(Input::SetPrefetch(id, prefetch), false);
                }
            }
            Step::Offer(which, room) => {
                if let Some(id) = self.attached(which) {
                    self.run(Input::Offer { consumer: id, room }, false);
                }
            }
            Step::Get(no_ack) => self.run(Input::Get { consumer: GETTER, no_ack }, no_ack),
            Step::AnswerLoad => self.answer_load(),
        }
    }

    fn subscribe(&mut self, prefetch: u16, no_ack: bool, limited: bool) {
        let id = ConsumerId(self.next_consumer);
        self.next_consumer += 1;
        self.consumers.insert(id, (prefetch, no_ack, limited));
        self.known.insert(id);
        let subscription = Subscription { prefetch, no_ack, channel_limited: limited, ..consumer(id) };
        self.run(Input::Subscribe(subscription), false);
    }

    /// One consumer that is left gets all that there is.
    fn drain(&mut self) {
        self.known.clone().into_iter().for_each(|id| self.abandon(id));
        self.subscribe(2, false, false);
        let id = *self.consumers.keys().next().unwrap();
        while !self.unacked.is_empty() || self.load.is_some() {
            self.answer_load();
            if let Some((_, checkout)) = self.unacked.keys().next().copied() {
                self.settle(id, checkout, Outcome::Ack);
            }
        }
        assert_eq!(self.ready, BTreeMap::new(), "what is left nobody gets");
        assert_eq!((self.queue.loaded_bytes(), self.queue.unacked_bytes()), (0, 0));
    }
}

proptest! {
    #[test]
    fn groups_are_kept_apart_and_in_order_and_nothing_is_lost(
        limit in prop_oneof![2 => Just(usize::MAX), 1 => 0..2000_usize, 1 => 2000..10_000_usize],
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut model = Model::new(limit);
        for step in steps {
            model.step(step);
        }
        model.drain();
    }
}
