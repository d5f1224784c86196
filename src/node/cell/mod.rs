//! A queue's machine behind its lock, run by whoever has an input, with the outboxes of its consumers and the records of
//! its messages in the log. What it decides is put into outboxes and into the log under the lock: their order is its order.

mod duplicates;
mod intake;
mod outcome;
mod outstanding;
mod pollers;
mod running;
mod shared_settings;
mod stored;
mod turns;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;

pub(in crate::node) use self::outcome::Outcome;
use self::running::Running;
pub(in crate::node) use self::shared_settings::SharedSettings;
use crate::broker::dedup::{self, Deduplicator};
use crate::broker::ids::{ConsumerId, SequenceNumber};
use crate::broker::queue::{
    Bound, Dead, DeadLetter, Input, Queue, QueueEntry, QueueType, Refusal, Settings, Subscription,
};
use crate::broker::time::Timestamp;
use crate::node::clock::Clock;
use crate::node::dead_letters;
use crate::node::drain::Drain;
use crate::node::events::Events;
use crate::node::outbox::Outbox;
use crate::node::storage::{self, Gone, Holding, Storage};
use crate::node::timers::Timers;
use crate::node::vhost::RunningVhost;
use crate::store::{QueueKey, RecoveredQueue, Waiter as _};

/// A running queue.
#[derive(Debug)]
pub(in crate::node) struct QueueCell {
    pub(in crate::node) entry: Arc<QueueEntry>,
    /// It is a quorum queue: all its messages are to survive.
    quorum: bool,
    /// It may have to tell duplicates.
    deduplicates: bool,
    surroundings: Arc<Surroundings>,
    /// Held by whoever sends dead messages on.
    pub(in crate::node) sending: Mutex<()>,
    running: Mutex<Running>,
    /// Where the keys are kept of the messages that it took, if it lasts and tells duplicates. Acted on with this queue
    /// locked, and never the other way round.
    keys: OnceLock<Arc<Self>>,
}

/// What a queue lives in.
#[derive(Clone, Debug)]
pub(in crate::node) struct Surroundings {
    pub(in crate::node) storage: Option<Arc<Storage>>,
    pub(in crate::node) timers: Arc<Timers>,
    pub(in crate::node) events: Arc<Events>,
    /// For queues that have none of their own.
    pub(in crate::node) bound: Bound,
    pub(in crate::node) home: Weak<RunningVhost>,
    /// Of its queues.
    pub(in crate::node) settings: SharedSettings,
    /// How long deliveries may stay unacked where nobody else says.
    pub(in crate::node) consumer_timeout: Option<Duration>,
}

/// Makes a queue run that was stored.
pub(in crate::node) type MakeCell<'a> = dyn FnMut(Arc<QueueEntry>, Settings, Arc<Surroundings>) -> QueueCell + 'a;

#[cfg(test)]
impl Surroundings {
    /// In no vhost, and in memory alone.
    pub(in crate::node) fn alone() -> Self {
        Self {
            storage: None,
            timers: Arc::new(Timers::new(Clock::start())),
            events: Arc::new(Events::new(None, "", Clock::start())),
            bound: Bound::default(),
            home: Weak::new(),
            settings: SharedSettings::default(),
            consumer_timeout: None,
        }
    }
}

impl QueueCell {
    pub(super) fn new(entry: Arc<QueueEntry>, settings: Settings, surroundings: Arc<Surroundings>) -> Self {
        let queue = Queue::new(entry.auto_delete);
        Self::running(entry, settings, surroundings, queue)
    }

    /// A queue with what was found of it in the store.
    pub(super) fn restored(
        entry: Arc<QueueEntry>,
        settings: Settings,
        surroundings: Arc<Surroundings>,
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

    fn running(entry: Arc<QueueEntry>, settings: Settings, surroundings: Arc<Surroundings>, queue: Queue) -> Self {
        let settings = surroundings.settings.share(settings.bounded_by(surroundings.bound));
        let mut queue = queue.with(surroundings.timers.clock.now(), settings);
        queue.set_default_timeout(surroundings.consumer_timeout);
        if let Some(storage) = &surroundings.storage {
            queue.set_memory_limit(storage.queue_memory());
            queue.set_holding_limit(storage.holding_limit());
        }
        let deduplication = dedup::Settings::parse(&entry.arguments).ok().flatten();
        let deduplicates = deduplication.is_some();
        let jobs = queue.settings().track_status.then(Box::default);
        let running = Mutex::new(Running {
            queue,
            deduplicator: deduplication.map(|settings| Box::new(Deduplicator::new(settings))),
            jobs,
            outboxes: BTreeMap::new(),
            effects: Vec::new(),
            due: None,
            waiters: None,
            drain: Drain::new(surroundings.timers.clock.now()),
        });
        let quorum = entry.queue_type() == QueueType::Quorum;
        Self { entry, quorum, deduplicates, surroundings, sending: Mutex::new(()), running, keys: OnceLock::new() }
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

    pub(super) fn storage(&self) -> Option<&Arc<Storage>> {
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
        let settings = self.surroundings.settings.share(settings.bounded_by(self.surroundings.bound));
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

    /// Consumers need not be held back any more.
    pub(super) fn relieve(self: &Arc<Self>) {
        self.running.lock().queue.set_holding_limit(None);
        self.tick(self.clock().now());
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
                running.waiters().getters.push(Arc::clone(outbox));
            }
            Ok(())
        })
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

    /// Bytes of memory that those messages take which were got and are not settled.
    pub(super) fn got_bytes(&self, getter: ConsumerId) -> usize {
        self.running.lock().queue.got_bytes(getter)
    }

    /// Ready messages and consumers.
    pub(super) fn counts(&self) -> (usize, usize) {
        let running = self.running.lock();
        (running.queue.ready_count(), running.queue.consumer_count())
    }

    /// The number that the next message gets, but for its lane; `None`: the queue is deleted.
    pub(super) fn next_number(&self) -> Option<u64> {
        let queue = &self.running.lock().queue;
        (!queue.is_deleted()).then(|| queue.next_sequence().0)
    }

    /// What the queue holds now.
    pub(super) fn content(&self) -> crate::node::admin::QueueContent {
        let drain_rate = self.drain_rate(self.clock().now());
        let running = self.running.lock();
        let queue = &running.queue;
        crate::node::admin::QueueContent {
            drain_rate,
            high_marks: queue.high_marks(),
            ready: queue.ready_count(),
            unacked: queue.unacked_count(),
            ready_bytes_in_memory: queue.loaded_bytes(),
            unacked_bytes: queue.unacked_bytes(),
            holds_publishers_back: running.waiters.as_ref().is_some_and(|waiters| waiters.hold_publishers_back()),
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
        let before = holding(&running.queue);
        let done = action(&mut running, &mut outcome);
        if !outcome.retried.is_empty() {
            self.try_again(&mut running, &mut outcome);
        }
        if let Some(storage) = self.storage() {
            storage.accounts.account(before, holding(&running.queue));
            self.record_failures(storage, std::mem::take(&mut outcome.failed));
            self.settle(storage, &mut outcome.gone);
        }
        self.arm(&mut running);
        running.call_publishers(&mut outcome);
        running.call_pollers(&mut outcome);
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

    /// Asks the timers for a look at the time that the queue names, unless they come earlier anyway.
    fn arm(self: &Arc<Self>, running: &mut Running) {
        let Some(deadline) = running.queue.next_deadline() else { return };
        if running.due.is_none_or(|due| deadline < due) {
            running.due = Some(deadline);
            self.surroundings.timers.at(deadline, self);
        }
    }
}

/// What a queue holds in memory.
fn holding(queue: &Queue) -> Holding {
    Holding { ready: queue.loaded_bytes(), unacked: queue.unacked_bytes() }
}
