//! A queue's machine behind its lock, run by whoever has an input, with the outboxes of its consumers and the records of
//! its messages in the log. What it decides is put into outboxes and into the log under the lock: their order is its order.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::clock::Clock;
use super::dead_letters;
use super::events::Events;
use super::line::Line;
use super::outbox::{Content, Outbox, TimedOut};
use super::storage::{self, Gone, Payload, Storage};
use super::timers::Timers;
use super::vhost::RunningVhost;
use crate::broker::dedup::{self, Deduplicator};
use crate::broker::ids::{ConsumerId, SequenceNumber};
use crate::broker::message::Message;
use crate::broker::queue::{
    Arrival, Bound, Contents, Dead, DeadLetter, Delivery, Effect, Input, Listed, Numbering, Overflow, Place, Queue,
    QueueEntry, QueueType, Refusal, Run, Scheduled, SequenceRange, Settings, Spot, Subscription,
};
use crate::broker::time::Timestamp;
use crate::store::{FileNumber, Position, QueueKey, RecoveredQueue, Waiter as _};

/// A running queue.
#[derive(Debug)]
pub(super) struct QueueCell {
    pub(super) entry: Arc<QueueEntry>,
    /// It is a quorum queue: all its messages are to survive.
    quorum: bool,
    surroundings: Surroundings,
    /// Held by whoever sends dead messages on.
    pub(super) sending: Mutex<()>,
    running: Mutex<Running>,
}

/// What a queue lives in.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) storage: Option<Arc<Storage>>,
    pub(super) timers: Arc<Timers>,
    pub(super) events: Arc<Events>,
    /// For queues that have none of their own.
    pub(super) bound: Bound,
    pub(super) home: Weak<RunningVhost>,
    /// How long deliveries may stay unacked where nobody else says.
    pub(super) consumer_timeout: Option<Duration>,
}

/// Makes a queue run that was stored.
pub(super) type MakeCell<'a> = dyn FnMut(Arc<QueueEntry>, Settings, Surroundings) -> QueueCell + 'a;

#[cfg(test)]
impl Surroundings {
    /// In no vhost, and in memory alone.
    pub(super) fn alone() -> Self {
        Self {
            storage: None,
            timers: Arc::new(Timers::new(Clock::start())),
            events: Arc::new(Events::new(None, "", Clock::start())),
            bound: Bound::default(),
            home: Weak::new(),
            consumer_timeout: None,
        }
    }
}

#[derive(Debug)]
struct Running {
    queue: Queue,
    outboxes: BTreeMap<ConsumerId, Arc<Outbox>>,
    effects: Vec<Effect>,
    /// Connections whose basic.get waits for a load.
    getters: Vec<Arc<Outbox>>,
    /// When the timers will look at it.
    due: Option<Timestamp>,
    /// Publishers that wait for room.
    line: Line,
    /// Connections that have been told to slow down, to be woken once there is room again.
    slowed: Vec<Arc<Outbox>>,
}

/// Whether publishers are to be slowed down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pressure {
    #[default]
    Low,
    High,
}

/// What an input led to, besides deliveries.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) got: Option<(Delivery, usize)>,
    /// basic.get has to be asked again once the outbox is woken.
    pub(super) got_later: bool,
    pub(super) removed: usize,
    /// How many messages an offer was used for.
    pub(super) taken: usize,
    /// An auto-delete queue lost its last consumer.
    pub(super) unused: bool,
    /// What a confirm has to wait for.
    pub(super) appended: Option<Position>,
    /// Stored messages that will not come back.
    pub(super) gone: Gone,
    /// Stored messages of which a delivery has failed, with how often by now.
    failed: Vec<(u64, u64)>,
    /// Stored messages that could not be read and are given up.
    lost: u64,
    /// Stored messages that have a new place.
    pub(super) relocated: usize,
    /// How full the queue is.
    pub(super) pressure: Pressure,
    /// Which of the messages the queue did not take, by their places in the list.
    pub(super) refused: Vec<usize>,
    lease_ended: bool,
    /// At most one for each lane.
    loads: Vec<Run>,
    fetch: Option<Vec<Run>>,
    /// Messages that are to be tried again, in their new form, and what is gone for them.
    retried: Vec<Arrival>,
    retried_gone: Gone,
    /// Outboxes that something was put into; to be woken without any lock held.
    wakes: Vec<Arc<Outbox>>,
}

impl Outcome {
    fn try_again(&mut self, message: Message, stored: Option<(SequenceNumber, Place)>) {
        self.retried.push(message.into());
        if let Some((sequence, place)) = stored {
            self.retried_gone.add(sequence, place);
        }
    }

    fn wake(&mut self, outbox: &Arc<Outbox>) {
        if self.wakes.last().is_none_or(|last| !Arc::ptr_eq(last, outbox)) {
            self.wakes.push(Arc::clone(outbox));
        }
    }
}

/// An upper bound on what the record of a failed delivery takes.
const FAILURE_BOUND: usize = 64;

/// Effects that an idle queue keeps room for.
const KEPT_EFFECTS: usize = 4;

impl QueueCell {
    pub(super) fn new(entry: Arc<QueueEntry>, settings: Settings, surroundings: Surroundings) -> Self {
        let queue = Queue::new(entry.auto_delete);
        Self::running(entry, settings, surroundings, queue)
    }

    /// A queue with what was found of it in the store.
    pub(super) fn restored(
        entry: Arc<QueueEntry>,
        settings: Settings,
        surroundings: Surroundings,
        recovered: &mut BTreeMap<QueueKey, RecoveredQueue>,
    ) -> Self {
        let found = recovered.remove(&storage::key(entry.id)).unwrap_or_default();
        let runs = found.extents.into_iter().filter_map(storage::run).collect();
        let next = SequenceNumber(found.next_sequence.max(1));
        let redelivered =
            found.redelivered.iter().map(|range| SequenceNumber(*range.start())..=SequenceNumber(*range.end()));
        let queue = Queue::recovered(entry.auto_delete, runs, next, &redelivered.collect::<Vec<_>>());
        let queue = queue
            .having_failed(found.deliveries.into_iter().map(|(sequence, count)| (SequenceNumber(sequence), count)));
        Self::running(entry, settings, surroundings, queue)
    }

    fn running(entry: Arc<QueueEntry>, settings: Settings, surroundings: Surroundings, queue: Queue) -> Self {
        let settings = settings.bounded_by(surroundings.bound);
        let mut queue = queue.with(surroundings.timers.clock.now(), settings);
        queue.set_default_timeout(surroundings.consumer_timeout);
        if let Some(storage) = &surroundings.storage {
            queue.set_memory_limit(storage.queue_memory());
        }
        if let Ok(Some(settings)) = dedup::Settings::parse(&entry.arguments) {
            queue.deduplicate(settings);
        }
        let running = Mutex::new(Running {
            queue,
            outboxes: BTreeMap::new(),
            effects: Vec::new(),
            getters: Vec::new(),
            due: None,
            line: Line::default(),
            slowed: Vec::new(),
        });
        let quorum = entry.queue_type() == QueueType::Quorum;
        Self { entry, quorum, surroundings, sending: Mutex::new(()), running }
    }

    /// Makes a queue whose messages may have to survive known to the store, and looks at it for the first time: what is in
    /// it may have expired.
    pub(super) fn begin(self: &Arc<Self>) {
        if let Some(storage) = self.storage().filter(|_| self.entry.durable) {
            storage.cells.add(self);
        }
        let settings = self.settings();
        if settings.message_ttl.is_some() || settings.expires.is_some() || settings.hold.is_some() {
            self.tick(self.clock().now());
        }
    }

    pub(super) const fn storage(&self) -> Option<&Arc<Storage>> {
        self.surroundings.storage.as_ref()
    }

    fn clock(&self) -> Clock {
        self.surroundings.timers.clock
    }

    /// The vhost that it is in; `None`: that is gone.
    pub(super) fn home(&self) -> Option<Arc<RunningVhost>> {
        self.surroundings.home.upgrade()
    }

    /// What the queue keeps to.
    pub(super) fn settings(&self) -> Settings {
        self.running.lock().queue.settings().clone()
    }

    /// The queue keeps to these settings from now on.
    pub(super) fn configure(self: &Arc<Self>, now: Timestamp, settings: Settings) {
        let settings = Box::new(settings.bounded_by(self.surroundings.bound));
        // A queue that is gone keeps to nothing.
        let _gone = self.run(now, Input::Configure(settings));
    }

    /// The time has come that the queue asked for.
    pub(super) fn tick(self: &Arc<Self>, now: Timestamp) {
        let outcome = self.act(|running, outcome| {
            running.due = None;
            running.run(now, Input::Tick, outcome)
        });
        let (Ok(outcome), Some(vhost)) = (outcome, self.home()) else { return };
        if outcome.unused {
            vhost.delete_unused(now, self);
        }
        if outcome.lease_ended {
            vhost.end_lease(now, self);
        }
    }

    /// Takes out the dead messages; and where they are to go.
    pub(super) fn take_dead(&self, now: Timestamp) -> (Vec<Dead>, Option<DeadLetter>) {
        let mut dead = Vec::new();
        let mut running = self.running.lock();
        // Even a deleted queue gives them away.
        let _taken = running.run(now, Input::TakeDead(&mut dead), &mut Outcome::default());
        (dead, running.queue.settings().dead_letter.clone())
    }

    pub(super) fn has_dead(&self) -> bool {
        self.running.lock().queue.has_dead()
    }

    /// Takes messages in. Those that have to survive are in the log when it returns, and the outcome tells from which
    /// position on they do.
    pub(super) fn publish(self: &Arc<Self>, now: Timestamp, arrivals: &mut Vec<Arrival>) -> Result<Outcome, Refusal> {
        self.act(|running, outcome| {
            if running.queue.settings().refuses() {
                return self.take_what_fits(now, running, arrivals, outcome);
            }
            self.take(now, running, arrivals, outcome)
        })
    }

    /// As `publish`, for a connection that can wait. A queue that lets it wait leaves in the list what there is no room for,
    /// and wakes the connection when its turn has come.
    pub(super) fn publish_in_turn(
        self: &Arc<Self>,
        now: Timestamp,
        arrivals: &mut Vec<Arrival>,
        outbox: &Arc<Outbox>,
    ) -> Result<Outcome, Refusal> {
        self.act(|running, outcome| {
            if running.queue.settings().refuses() {
                return self.take_what_fits(now, running, arrivals, outcome);
            }
            if !running.queue.settings().blocks() {
                return self.take(now, running, arrivals, outcome);
            }
            self.take_in_turn(now, running, arrivals, outbox, outcome)
        })
    }

    fn take_in_turn(
        self: &Arc<Self>,
        now: Timestamp,
        running: &mut Running,
        arrivals: &mut Vec<Arrival>,
        outbox: &Arc<Outbox>,
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        loop {
            let room = running.queue.room_for(arrivals.iter().map(|arrival| arrival.message.body_length()));
            let admitted = running.line.admits(outbox, room);
            let mut later = arrivals.split_off(admitted);
            if !arrivals.is_empty() {
                self.take(now, running, arrivals, outcome)?;
            }
            std::mem::swap(arrivals, &mut later);
            // What was handed out at once has made room for more.
            if arrivals.is_empty() || admitted == 0 || admitted < room {
                break;
            }
        }
        running.line.served(outbox, !arrivals.is_empty());
        if running.queue.is_high() {
            outcome.pressure = Pressure::High;
        }
        Ok(())
    }

    /// Whether a connection may put in messages with bodies of these lengths now, all of them; otherwise it is woken when its
    /// turn has come.
    pub(super) fn has_room(&self, bodies: impl ExactSizeIterator<Item = u64>, outbox: &Arc<Outbox>) -> bool {
        let mut running = self.running.lock();
        if !running.queue.settings().blocks() {
            return true;
        }
        let wanted = bodies.len();
        let room = running.queue.room_for(bodies);
        let admitted = running.line.admits(outbox, room) >= wanted;
        running.line.served(outbox, !admitted);
        admitted
    }

    /// A connection waits for room no more.
    pub(super) fn leave_line(self: &Arc<Self>, outbox: &Arc<Outbox>) {
        // A queue that is gone has no line.
        let _gone = self.act(|running, _| {
            running.line.leave(outbox);
            Ok(())
        });
    }

    /// Whether a connection that has been told to slow down may go on; otherwise it is woken when it may.
    pub(super) fn is_low(&self, outbox: &Arc<Outbox>) -> bool {
        let mut running = self.running.lock();
        let low = running.queue.is_deleted() || running.queue.is_low();
        if !low && !running.slowed.iter().any(|slowed| Arc::ptr_eq(slowed, outbox)) {
            running.slowed.push(Arc::clone(outbox));
        }
        low
    }

    fn take(
        self: &Arc<Self>,
        now: Timestamp,
        running: &mut Running,
        arrivals: &mut Vec<Arrival>,
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        if let Some(storage) = self.storage() {
            let appended = self.record(storage, &mut running.queue, arrivals);
            outcome.appended = outcome.appended.max(appended);
        }
        let stored = Stored::of(arrivals.iter());
        let done = running.run(now, Input::Publish(arrivals), outcome);
        stored.release_unless(&done, outcome);
        done
    }

    /// As many as there is room for at a time: what is handed out in between makes room for more.
    fn take_what_fits(
        self: &Arc<Self>,
        now: Timestamp,
        running: &mut Running,
        arrivals: &mut Vec<Arrival>,
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        let all = arrivals.len();
        let mut rest = std::mem::take(arrivals);
        while !rest.is_empty() {
            let fitting = running.queue.room_for(rest.iter().map(|arrival| arrival.message.body_length()));
            let mut later = rest.split_off(fitting.max(1));
            if fitting == 0 {
                outcome.refused.push(all - later.len() - 1);
                self.refuse(now, running, rest, outcome)?;
            } else {
                self.take(now, running, &mut rest, outcome)?;
            }
            rest = std::mem::take(&mut later);
        }
        Ok(())
    }

    fn refuse(
        &self,
        now: Timestamp,
        running: &mut Running,
        refused: Vec<Arrival>,
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        if running.queue.settings().overflow != Overflow::RejectPublishDlx {
            return Ok(());
        }
        refused.into_iter().try_for_each(|arrival| running.run(now, Input::Refused(arrival), outcome))
    }

    /// Writes records of those messages that need one, and notes where they are.
    fn record(self: &Arc<Self>, storage: &Storage, queue: &mut Queue, arrivals: &mut [Arrival]) -> Option<Position> {
        self.record_with(storage, queue, arrivals, &mut Gone::default())
    }

    /// As `record`, and with them what is gone for them.
    fn record_with(
        self: &Arc<Self>,
        storage: &Storage,
        queue: &mut Queue,
        arrivals: &mut [Arrival],
        gone: &mut Gone,
    ) -> Option<Position> {
        let all = Self::keeps_all(storage, queue);
        let keeps = |arrival: &Arrival| all || self.keeps(arrival);
        let settles = self.entry.durable && gone.has_ranges();
        if !settles && !arrivals.iter().any(keeps) {
            return None;
        }
        if all {
            storage.cells.add(self);
        }
        // Nobody waits for messages that only take another form.
        let sync = !settles && arrivals.iter().any(|arrival| self.keeps(arrival));
        let bound = storage::bound(arrivals.iter().filter(|arrival| keeps(arrival)), 1) + gone.bound();
        let mut numbering = queue.numbering();
        let key = storage::key(self.entry.id);
        let ((), position) = storage.log.append(bound, sync, |batch| {
            for arrival in arrivals {
                let sequence = numbering.take(&arrival.message);
                if keeps(arrival) {
                    let payload = Payload::of(&arrival.message);
                    let location = batch.put(&[(key, sequence.0)], !self.keeps(arrival), &payload.parts());
                    arrival.place = storage::place(location);
                }
            }
            if settles {
                gone.write(key, batch);
            }
        });
        sync.then_some(position)
    }

    /// Whether a message has to survive a restart in this queue.
    pub(super) fn keeps(&self, arrival: &Arrival) -> bool {
        self.storage().is_some() && self.entry.durable && (self.quorum || arrival.message.is_persistent())
    }

    /// Whether a message must have a record whatever it is: there is no more memory.
    fn keeps_all(storage: &Storage, queue: &mut Queue) -> bool {
        queue.set_memory_limit(storage.queue_memory());
        storage.is_scarce()
    }

    /// As `keeps_all`, for whoever writes one record for several queues.
    pub(super) fn needs_places(&self) -> bool {
        self.storage().is_some_and(|storage| Self::keeps_all(storage, &mut self.running.lock().queue))
    }

    /// Whether the queue refuses messages when it is full.
    pub(super) fn may_refuse(&self) -> bool {
        self.running.lock().queue.settings().refuses()
    }

    /// Whether publishers would have to wait, or be refused.
    pub(super) fn is_full(&self) -> bool {
        self.running.lock().queue.room_for(std::iter::once(0)) == 0
    }

    /// Takes numbers for messages that come with `insert`, as many as there is room for; what gives them, and how many.
    /// The messages are told of by the bytes of their bodies.
    pub(super) fn reserve(&self, now: Timestamp, bodies: &[u64]) -> Result<(Numbering, usize), Refusal> {
        let mut running = self.running.lock();
        let numbering = running.queue.numbering();
        let fitting = running.queue.room_for(bodies.iter().copied());
        let bytes = bodies.iter().take(fitting).sum();
        let count = u64::try_from(fitting).unwrap_or(u64::MAX);
        running.run(now, Input::Reserve { count, bytes }, &mut Outcome::default())?;
        Ok((numbering, fitting))
    }

    /// Messages that `reserve` had no room for.
    pub(super) fn refuse_all(self: &Arc<Self>, now: Timestamp, refused: Vec<Arrival>) {
        // A queue that is gone wants nothing.
        let _gone = self.act(|running, outcome| self.refuse(now, running, refused, outcome));
    }

    /// Takes in messages with reserved numbers, whose records are written.
    pub(super) fn insert(
        self: &Arc<Self>,
        now: Timestamp,
        arrivals: &mut Vec<(SequenceNumber, Arrival)>,
    ) -> Result<Outcome, Refusal> {
        self.act(|running, outcome| {
            let stored = Stored::of(arrivals.iter().map(|(_, arrival)| arrival));
            let done = running.run(now, Input::Insert(arrivals), outcome);
            stored.release_unless(&done, outcome);
            done
        })
    }

    /// Runs the queue with an input. Deliveries are in their consumers' outboxes when it returns.
    pub(super) fn run(self: &Arc<Self>, now: Timestamp, input: Input<'_>) -> Result<Outcome, Refusal> {
        self.act(|running, outcome| running.run(now, input, outcome))
    }

    /// As `run`, but what is gone of the stored messages is for the caller to tell the log.
    pub(super) fn run_apart(self: &Arc<Self>, now: Timestamp, input: Input<'_>) -> Result<Outcome, Refusal> {
        let mut gone = Gone::default();
        let mut outcome = self.act(|running, outcome| {
            let done = running.run(now, input, outcome);
            gone = std::mem::take(&mut outcome.gone);
            done
        })?;
        outcome.gone = gone;
        Ok(outcome)
    }

    /// basic.get. Where the message has to be read first, the outbox is woken to ask again.
    pub(super) fn get(
        self: &Arc<Self>,
        now: Timestamp,
        consumer: ConsumerId,
        no_ack: bool,
        outbox: &Arc<Outbox>,
    ) -> Result<Outcome, Refusal> {
        self.act(|running, outcome| {
            if running.queue.times_out() && !no_ack {
                running.outboxes.entry(consumer).or_insert_with(|| Arc::clone(outbox));
            }
            running.run(now, Input::Get { consumer, no_ack }, outcome)?;
            if outcome.got_later {
                running.getters.push(Arc::clone(outbox));
            }
            Ok(())
        })
    }

    /// What was asked for has been read.
    pub(super) fn loaded(
        self: &Arc<Self>,
        now: Timestamp,
        run: Run,
        messages: &mut Vec<(SequenceNumber, Place, Message)>,
    ) {
        // A queue that is gone wants nothing.
        let _gone = self.act(|running, outcome| {
            if let Some(storage) = self.storage() {
                running.queue.set_memory_limit(storage.queue_memory());
            }
            running.run(now, Input::Loaded { run, messages }, outcome)?;
            for outbox in std::mem::take(&mut running.getters) {
                outcome.wake(&outbox);
            }
            Ok(())
        });
    }

    /// What was asked for of messages that wait has been read.
    pub(super) fn fetched(
        self: &Arc<Self>,
        now: Timestamp,
        runs: &[Run],
        messages: &mut Vec<(SequenceNumber, Place, Message)>,
    ) {
        // A queue that is gone wants nothing.
        let _gone = self.act(|running, outcome| {
            if let Some(storage) = self.storage() {
                running.queue.set_memory_limit(storage.queue_memory());
            }
            running.run(now, Input::Fetched { runs, messages }, outcome)
        });
    }

    /// Ready messages, see [`Queue::list`].
    pub(super) fn list(&self, after: Option<Spot>, most: usize) -> Vec<Listed> {
        self.running.lock().queue.list(after, most)
    }

    /// What to list behind for one message to come first.
    pub(super) fn before(&self, sequence: SequenceNumber) -> Spot {
        self.running.lock().queue.before(sequence)
    }

    /// The number that the next message gets, but for its lane; `None`: the queue is deleted.
    pub(super) fn next_number(&self) -> Option<u64> {
        let queue = &self.running.lock().queue;
        (!queue.is_deleted()).then(|| queue.next_sequence().0)
    }

    /// Whether there is room for messages with bodies of these lengths, all of them.
    pub(super) fn has_room_for(&self, bodies: &[u64]) -> bool {
        self.running.lock().queue.room_for(bodies.iter().copied()) == bodies.len()
    }

    /// Messages that wait, see [`Queue::scheduled`].
    pub(super) fn scheduled(&self, after: Option<(Timestamp, SequenceNumber)>, most: usize) -> Vec<Scheduled> {
        self.running.lock().queue.scheduled(after, most)
    }

    /// Where a message is that waits and is not in memory.
    pub(super) fn scheduled_place(&self, due: Timestamp, sequence: SequenceNumber) -> Option<Place> {
        self.running.lock().queue.scheduled_place(due, sequence)
    }

    /// How many messages wait, and of how many of them it is not known until when.
    pub(super) fn waiting_counts(&self) -> (usize, usize) {
        let running = self.running.lock();
        (running.queue.waiting_count(), running.queue.unread_count())
    }

    /// Lets a consumer's deliveries go to its outbox, then attaches it.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        now: Timestamp,
        subscription: Subscription,
        outbox: &Arc<Outbox>,
    ) -> Result<(), Refusal> {
        let consumer = subscription.consumer;
        let done = self.act(|running, outcome| {
            running.outboxes.insert(consumer, Arc::clone(outbox));
            running.run(now, Input::Subscribe(subscription), outcome).inspect_err(|_| {
                running.outboxes.remove(&consumer);
            })
        });
        done.map(drop)
    }

    /// Acts on what the queue remembers to tell duplicates, if it does.
    pub(super) fn with_deduplicator<T>(&self, act: impl FnOnce(&mut Deduplicator) -> T) -> Option<T> {
        self.running.lock().queue.deduplicator().map(act)
    }

    /// What the queue has in a file.
    pub(super) fn held_in(&self, file: NonZeroU32) -> Contents {
        self.running.lock().queue.held_in(file)
    }

    /// The next number, those of all messages in segments, and how often messages were delivered as far as the log says;
    /// `None` when the queue is deleted.
    pub(super) fn snapshot(&self) -> Option<(SequenceNumber, Vec<SequenceRange>, BTreeMap<u64, u64>)> {
        let running = self.running.lock();
        let queue = &running.queue;
        let of = || (queue.next_sequence(), queue.held_in_segments(), queue.failures());
        (!queue.is_deleted()).then(of)
    }

    /// Messages have a new place; how many really do.
    pub(super) fn relocate(
        self: &Arc<Self>,
        from: NonZeroU32,
        runs: &[Run],
        singles: &[(SequenceNumber, Place)],
    ) -> u64 {
        let input = Input::Relocate { from, runs, singles };
        // Time plays no part in it.
        let outcome = self.run(Timestamp::ZERO, input);
        outcome.map_or(0, |outcome| u64::try_from(outcome.relocated).unwrap_or(u64::MAX))
    }

    /// The numbers of ready messages that were delivered before and came back.
    pub(super) fn delivered(&self) -> Vec<RangeInclusive<u64>> {
        let ranges = self.running.lock().queue.delivered_ranges();
        ranges.into_iter().map(|range| range.start().0..=range.end().0).collect()
    }

    /// Ready messages and consumers.
    pub(super) fn counts(&self) -> (usize, usize) {
        let running = self.running.lock();
        (running.queue.ready_count(), running.queue.consumer_count())
    }

    /// What the queue holds now.
    pub(super) fn content(&self) -> super::admin::QueueContent {
        let queue = &self.running.lock().queue;
        super::admin::QueueContent {
            ready: queue.ready_count(),
            unacked: queue.unacked_count(),
            ready_bytes_in_memory: queue.loaded_bytes(),
            unacked_bytes: queue.unacked_bytes(),
            consumers: queue.subscriptions().copied().collect(),
        }
    }

    /// Acts under the lock; then tells the log what is gone, asks for what is wanted, and wakes whom something came for.
    fn act(
        self: &Arc<Self>,
        action: impl FnOnce(&mut Running, &mut Outcome) -> Result<(), Refusal>,
    ) -> Result<Outcome, Refusal> {
        let mut outcome = Outcome::default();
        let mut running = self.running.lock();
        let before = running.queue.loaded_bytes();
        let done = action(&mut running, &mut outcome);
        if !outcome.retried.is_empty() {
            self.try_again(&mut running, &mut outcome);
        }
        if let Some(storage) = self.storage() {
            storage.account(before, running.queue.loaded_bytes());
            self.record_failures(storage, std::mem::take(&mut outcome.failed));
            self.settle(storage, &mut outcome.gone);
        }
        self.arm(&mut running);
        running.call_publishers(&mut outcome);
        let died = running.queue.has_dead();
        drop(running);
        if died {
            dead_letters::see_to(self.clock().now(), self);
        }
        if let Some(storage) = self.storage() {
            outcome.loads.drain(..).for_each(|run| storage.loader.load(self, run));
        }
        if let (Some(runs), Some(storage)) = (outcome.fetch.take(), self.storage()) {
            storage.loader.fetch(self, runs);
        }
        for outbox in outcome.wakes.drain(..) {
            outbox.wake();
        }
        if outcome.lost > 0 {
            tracing::error!("queue '{}': {} messages are damaged on disk and lost", self.entry.name, outcome.lost);
        }
        done.map(|()| outcome)
    }

    /// Messages that came back are gone in their old form and there in their new one, as one: a crash leaves one of them.
    fn try_again(self: &Arc<Self>, running: &mut Running, outcome: &mut Outcome) {
        let (mut arrivals, mut gone) =
            (std::mem::take(&mut outcome.retried), std::mem::take(&mut outcome.retried_gone));
        if let Some(storage) = self.storage() {
            self.record_with(storage, &mut running.queue, &mut arrivals, &mut gone);
        }
        let stored = Stored::of(arrivals.iter());
        let done = running.run(self.clock().now(), Input::Again(&mut arrivals), outcome);
        stored.release_unless(&done, outcome);
        // What is left of it needs no word in the log: the queue is not durable.
        gone.forget_ranges();
        outcome.gone.append(gone);
    }

    /// Asks the timers for a look at the time that the queue names, unless they come earlier anyway.
    fn arm(self: &Arc<Self>, running: &mut Running) {
        let Some(deadline) = running.queue.next_deadline() else { return };
        if running.due.is_none_or(|due| deadline < due) {
            running.due = Some(deadline);
            self.surroundings.timers.at(deadline, self);
        }
    }

    /// Puts into the log how often deliveries have failed, for after a restart. Nobody waits for it to be on the disk.
    fn record_failures(&self, storage: &Storage, failed: Vec<(u64, u64)>) {
        if failed.is_empty() || !self.entry.durable {
            return;
        }
        let key = storage::key(self.entry.id);
        storage.log.append(failed.len() * FAILURE_BOUND, false, |batch| {
            for (sequence, count) in failed {
                batch.requeue(key, sequence, count);
            }
        });
    }

    /// Tells the log what will not come back.
    fn settle(&self, storage: &Storage, gone: &mut Gone) {
        if gone.is_empty() {
            return;
        }
        if self.entry.durable && gone.has_ranges() {
            let key = storage::key(self.entry.id);
            storage.log.append(gone.bound(), false, |batch| gone.write(key, batch));
        }
        gone.forget_ranges();
        gone.release(&storage.log);
    }
}

/// Records that arrivals have, in case the queue does not take them.
struct Stored(Gone);

impl Stored {
    fn of<'a>(arrivals: impl IntoIterator<Item = &'a Arrival>) -> Self {
        let mut gone = Gone::default();
        for place in arrivals.into_iter().filter_map(|arrival| arrival.place) {
            gone.add_file(FileNumber(place.file.get()), 1);
        }
        Self(gone)
    }

    /// The queue is gone: its records need not be kept.
    fn release_unless(self, done: &Result<(), Refusal>, outcome: &mut Outcome) {
        if done.is_err() {
            outcome.gone = self.0;
        }
    }
}

impl Running {
    /// Wakes whose turn it is, and those that may go on.
    fn call_publishers(&mut self, outcome: &mut Outcome) {
        let gone = self.queue.is_deleted();
        while self.line.is_waited_in() && (gone || self.queue.room_for(std::iter::once(0)) > 0) {
            let Some(next) = self.line.call_next() else { break };
            if gone {
                self.line.leave(&next);
            }
            outcome.wake(&next);
        }
        if !self.slowed.is_empty() && (gone || self.queue.is_low()) {
            outcome.wakes.append(&mut self.slowed);
        }
    }

    fn run(&mut self, now: Timestamp, input: Input<'_>, outcome: &mut Outcome) -> Result<(), Refusal> {
        let gone = match &input {
            Input::Unsubscribe(consumer) | Input::Leave(consumer) | Input::Abandon(consumer) => Some(*consumer),
            Input::Publish(_)
            | Input::Again(_)
            | Input::Reserve { .. }
            | Input::Insert(_)
            | Input::Subscribe(_)
            | Input::SetPrefetch(..)
            | Input::SetChannelLimited(..)
            | Input::Offer { .. }
            | Input::SetWindow(..)
            | Input::Written(..)
            | Input::Get { .. }
            | Input::Settle { .. }
            | Input::Extend { .. }
            | Input::Return { .. }
            | Input::Loaded { .. }
            | Input::Fetched { .. }
            | Input::Cancel(_)
            | Input::Pick(_)
            | Input::Relocate { .. }
            | Input::Purge
            | Input::Configure(_)
            | Input::Tick
            | Input::Touch
            | Input::Refused(_)
            | Input::TakeDead(_)
            | Input::EndLease
            | Input::Delete { .. } => None,
        };
        self.queue.handle(now, input, &mut self.effects)?;
        if let Some(consumer) = gone {
            self.outboxes.remove(&consumer);
        }
        self.distribute(outcome);
        Ok(())
    }

    /// Puts effects where they belong, under the queue's lock: the order of deliveries is the order in the outbox.
    fn distribute(&mut self, outcome: &mut Outcome) {
        let mut effects = self.effects.drain(..).peekable();
        while let Some(effect) = effects.next() {
            match effect {
                Effect::Deliver(delivery) => {
                    let consumer = delivery.consumer;
                    let Some(outbox) = self.outboxes.get(&consumer) else { continue };
                    outbox.put(|content| {
                        content.deliveries.push(delivery);
                        while let Some(Effect::Deliver(next)) = effects
                            .next_if(|effect| matches!(effect, Effect::Deliver(next) if next.consumer == consumer))
                        {
                            content.deliveries.push(next);
                        }
                    });
                    outcome.wake(outbox);
                }
                Effect::ConsumerCancelled(consumer) => {
                    part_from(&mut self.outboxes, consumer, outcome, |content| content.cancelled.push(consumer));
                }
                Effect::TimedOut { consumer, timeout, cancels } => {
                    let timed_out = TimedOut { consumer, timeout, cancels };
                    part_from(&mut self.outboxes, consumer, outcome, |content| content.timed_out.push(timed_out));
                }
                Effect::Wanting(consumer) => {
                    if let Some(outbox) = self.outboxes.get(&consumer) {
                        outbox.put(|content| content.wanting.push(consumer));
                        outcome.wake(outbox);
                    }
                }
                Effect::Taken(taken) => outcome.taken = taken,
                Effect::Unused => outcome.unused = true,
                // Seen to after the lock is released, like whatever died before.
                Effect::Died => {}
                Effect::Failed { sequence, count } => outcome.failed.push((sequence.0, count)),
                Effect::LeaseEnded => outcome.lease_ended = true,
                Effect::Got(got) => outcome.got = got,
                Effect::GotLater => outcome.got_later = true,
                Effect::Removed(count) => outcome.removed = count,
                Effect::Load(run) => outcome.loads.push(run),
                Effect::Fetch(runs) => outcome.fetch = Some(runs),
                Effect::Retried { message, stored } => outcome.try_again(message, stored),
                Effect::Gone { sequence, place } => outcome.gone.add(sequence, place),
                Effect::GoneRun(run) => outcome.gone.add_run(&run),
                Effect::Lost(run) => {
                    outcome.lost += u64::from(run.count);
                    outcome.gone.add_run(&run);
                }
                Effect::Emptied(files) => {
                    for (file, count) in files {
                        outcome.gone.add_file(FileNumber(file.get()), u32::try_from(count).unwrap_or(u32::MAX));
                    }
                }
                Effect::Relocated(count) => outcome.relocated = count,
            }
        }
        drop(effects);
        if self.effects.capacity() > KEPT_EFFECTS && self.outboxes.is_empty() {
            self.effects = Vec::new();
        }
    }
}

/// Leaves a last word for a consumer.
fn part_from(
    outboxes: &mut BTreeMap<ConsumerId, Arc<Outbox>>,
    consumer: ConsumerId,
    outcome: &mut Outcome,
    last_word: impl FnOnce(&mut Content),
) {
    if let Some(outbox) = outboxes.remove(&consumer) {
        outbox.put(last_word);
        outcome.wake(&outbox);
    }
}
