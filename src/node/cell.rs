//! A queue's machine behind its lock, run by whoever has an input, with the outboxes of its consumers and the records of
//! its messages in the log. What it decides is put into outboxes and into the log under the lock: their order is its order.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::sync::Arc;

use parking_lot::Mutex;

use super::outbox::Outbox;
use super::storage::{self, Gone, Payload, Storage};
use crate::broker::ids::{ConsumerId, SequenceNumber};
use crate::broker::message::Message;
use crate::broker::queue::{
    Arrival, Contents, Delivery, Effect, Input, Place, Queue, QueueEntry, Refusal, Run, SequenceRange, Subscription,
};
use crate::broker::time::Timestamp;
use crate::store::{FileNumber, Position, QueueKey, RecoveredQueue, Waiter as _};

/// A running queue.
#[derive(Debug)]
pub(super) struct QueueCell {
    pub(super) entry: Arc<QueueEntry>,
    storage: Option<Arc<Storage>>,
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    queue: Queue,
    outboxes: BTreeMap<ConsumerId, Arc<Outbox>>,
    effects: Vec<Effect>,
    /// Connections whose basic.get waits for a load.
    getters: Vec<Arc<Outbox>>,
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
    /// Stored messages that could not be read and are given up.
    lost: u64,
    /// Stored messages that have a new place.
    pub(super) relocated: usize,
    load: Option<Run>,
    /// Outboxes that something was put into; to be woken without any lock held.
    wakes: Vec<Arc<Outbox>>,
}

impl Outcome {
    fn wake(&mut self, outbox: &Arc<Outbox>) {
        if self.wakes.last().is_none_or(|last| !Arc::ptr_eq(last, outbox)) {
            self.wakes.push(Arc::clone(outbox));
        }
    }
}

/// Effects that an idle queue keeps room for.
const KEPT_EFFECTS: usize = 4;

impl QueueCell {
    pub(super) fn new(entry: Arc<QueueEntry>, storage: Option<Arc<Storage>>) -> Self {
        let queue = Queue::new(entry.auto_delete);
        Self::running(entry, storage, queue)
    }

    /// A queue with what was found of it in the store.
    pub(super) fn restored(
        entry: Arc<QueueEntry>,
        storage: &Arc<Storage>,
        recovered: &mut BTreeMap<QueueKey, RecoveredQueue>,
    ) -> Self {
        let found = recovered.remove(&storage::key(entry.id)).unwrap_or_default();
        let runs = found.extents.into_iter().filter_map(storage::run).collect();
        let next = SequenceNumber(found.next_sequence.max(1));
        let redelivered =
            found.redelivered.iter().map(|range| SequenceNumber(*range.start())..=SequenceNumber(*range.end()));
        let queue = Queue::recovered(entry.auto_delete, runs, next, &redelivered.collect::<Vec<_>>());
        Self::running(entry, Some(Arc::clone(storage)), queue)
    }

    fn running(entry: Arc<QueueEntry>, storage: Option<Arc<Storage>>, mut queue: Queue) -> Self {
        if let Some(storage) = &storage {
            queue.set_memory_limit(storage.queue_memory());
        }
        let running = Running { queue, outboxes: BTreeMap::new(), effects: Vec::new(), getters: Vec::new() };
        Self { entry, storage, running: Mutex::new(running) }
    }

    /// Makes a queue whose messages may have to survive known to the store.
    pub(super) fn register(self: &Arc<Self>) {
        if let Some(storage) = self.storage.as_ref().filter(|_| self.entry.durable) {
            storage.cells.add(self);
        }
    }

    pub(super) const fn storage(&self) -> Option<&Arc<Storage>> {
        self.storage.as_ref()
    }

    /// Takes messages in. Those that have to survive are in the log when it returns, and the outcome tells from which
    /// position on they do.
    pub(super) fn publish(self: &Arc<Self>, now: Timestamp, arrivals: &mut Vec<Arrival>) -> Result<Outcome, Refusal> {
        self.act(|running, outcome| {
            if let Some(storage) = &self.storage {
                outcome.appended = self.record(storage, &mut running.queue, arrivals);
            }
            let stored = Stored::of(arrivals.iter());
            let done = running.run(now, Input::Publish(arrivals), outcome);
            stored.release_unless(&done, outcome);
            done
        })
    }

    /// Writes records of those messages that need one, and notes where they are.
    fn record(self: &Arc<Self>, storage: &Storage, queue: &mut Queue, arrivals: &mut [Arrival]) -> Option<Position> {
        let all = Self::keeps_all(storage, queue);
        let keeps = |arrival: &Arrival| all || self.keeps(arrival);
        if !arrivals.iter().any(keeps) {
            return None;
        }
        if all {
            storage.cells.add(self);
        }
        let sync = arrivals.iter().any(|arrival| self.keeps(arrival));
        let bound = storage::bound(arrivals.iter().filter(|arrival| keeps(arrival)), 1);
        let first = queue.next_sequence();
        let key = storage::key(self.entry.id);
        let ((), position) = storage.log.append(bound, sync, |batch| {
            for (sequence, arrival) in (first.0..).zip(arrivals) {
                if keeps(arrival) {
                    let payload = Payload::of(&arrival.message);
                    let location = batch.put(&[(key, sequence)], !self.keeps(arrival), &payload.parts());
                    arrival.place = storage::place(location);
                }
            }
        });
        sync.then_some(position)
    }

    /// Whether a message has to survive a restart in this queue.
    pub(super) fn keeps(&self, arrival: &Arrival) -> bool {
        self.storage.is_some() && self.entry.durable && arrival.message.is_persistent()
    }

    /// Whether a message must have a record whatever it is: there is no more memory.
    fn keeps_all(storage: &Storage, queue: &mut Queue) -> bool {
        queue.set_memory_limit(storage.queue_memory());
        storage.is_scarce()
    }

    /// As `keeps_all`, for whoever writes one record for several queues.
    pub(super) fn needs_places(&self) -> bool {
        self.storage.as_ref().is_some_and(|storage| Self::keeps_all(storage, &mut self.running.lock().queue))
    }

    /// Takes numbers for messages that come with `insert`; the first of them.
    pub(super) fn reserve(&self, now: Timestamp, count: u64) -> Result<SequenceNumber, Refusal> {
        let mut running = self.running.lock();
        let first = running.queue.next_sequence();
        running.run(now, Input::Reserve(count), &mut Outcome::default())?;
        Ok(first)
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
            if let Some(storage) = &self.storage {
                running.queue.set_memory_limit(storage.queue_memory());
            }
            running.run(now, Input::Loaded { run, messages }, outcome)?;
            for outbox in std::mem::take(&mut running.getters) {
                outcome.wake(&outbox);
            }
            Ok(())
        });
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

    /// What the queue has in a file.
    pub(super) fn held_in(&self, file: NonZeroU32) -> Contents {
        self.running.lock().queue.held_in(file)
    }

    /// The next number and those of all messages in segments; `None` when the queue is deleted.
    pub(super) fn held_in_segments(&self) -> Option<(SequenceNumber, Vec<SequenceRange>)> {
        let running = self.running.lock();
        let queue = &running.queue;
        (!queue.is_deleted()).then(|| (queue.next_sequence(), queue.held_in_segments()))
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
        if let Some(storage) = &self.storage {
            storage.account(before, running.queue.loaded_bytes());
            self.settle(storage, &mut outcome.gone);
        }
        drop(running);
        if let (Some(run), Some(storage)) = (outcome.load.take(), &self.storage) {
            storage.loader.load(self, run);
        }
        for outbox in outcome.wakes.drain(..) {
            outbox.wake();
        }
        if outcome.lost > 0 {
            tracing::error!("queue '{}': {} messages are damaged on disk and lost", self.entry.name, outcome.lost);
        }
        done.map(|()| outcome)
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
    fn run(&mut self, now: Timestamp, input: Input<'_>, outcome: &mut Outcome) -> Result<(), Refusal> {
        let gone = match &input {
            Input::Unsubscribe(consumer) | Input::Leave(consumer) | Input::Abandon(consumer) => Some(*consumer),
            Input::Publish(_)
            | Input::Reserve(_)
            | Input::Insert(_)
            | Input::Subscribe(_)
            | Input::SetPrefetch(..)
            | Input::SetChannelLimited(..)
            | Input::Offer { .. }
            | Input::SetWindow(..)
            | Input::Written(..)
            | Input::Get { .. }
            | Input::Settle { .. }
            | Input::Return { .. }
            | Input::Loaded { .. }
            | Input::Relocate { .. }
            | Input::Purge
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
                    if let Some(outbox) = self.outboxes.remove(&consumer) {
                        outbox.put(|content| content.cancelled.push(consumer));
                        outcome.wake(&outbox);
                    }
                }
                Effect::Wanting(consumer) => {
                    if let Some(outbox) = self.outboxes.get(&consumer) {
                        outbox.put(|content| content.wanting.push(consumer));
                        outcome.wake(outbox);
                    }
                }
                Effect::Taken(taken) => outcome.taken = taken,
                Effect::Unused => outcome.unused = true,
                Effect::Got(got) => outcome.got = got,
                Effect::GotLater => outcome.got_later = true,
                Effect::Removed(count) => outcome.removed = count,
                Effect::Load(run) => outcome.load = Some(run),
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
