//! A queue as a state machine: ready messages in order, consumers in turn, unacked messages until they are settled.
//! It decides alone; whoever has an input runs it. Names and bindings are the vhost's.

pub mod arguments;
mod browse;
pub mod consumer_arguments;
mod consumers;
mod dead;
mod delayed_retry;
mod deliveries;
mod effect;
mod effective;
mod entry;
mod expiry;
mod groups;
mod hand_outs;
mod holding;
mod input;
mod intake;
mod job;
mod lanes;
mod lazily;
mod length;
mod numbering;
mod outstanding;
mod paged;
mod place;
mod places;
mod questions;
mod ranges;
mod ready;
mod relocate;
mod retry;
mod settings;
mod settling;
mod single_active;
mod stored;
mod timeouts;
mod unacked;
mod waiting;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::arguments::QueueType;
pub use self::browse::{Listed, Pick, Spot};
use self::consumers::Consumers;
pub use self::consumers::Subscription;
use self::dead::Dying;
pub use self::dead::{Dead, DeathReason, Departure};
pub use self::delayed_retry::DelayedRetry;
use self::deliveries::Deliveries;
pub use self::effect::{Delivery, Effect, Refusal};
pub use self::entry::QueueEntry;
use self::expiry::TimeToLive;
use self::hand_outs::HandOuts;
pub use self::holding::Scheduled;
pub use self::input::{Arrival, Input, Outcome};
pub use self::job::JobState;
use self::lanes::Lanes;
use self::lazily::Lazily;
use self::length::Promised;
pub use self::numbering::Numbering;
pub use self::outstanding::Outstanding;
pub use self::place::{MAX_RUN_BYTES, Place, Run};
use self::ranges::Ranges;
pub use self::ranges::SequenceRange;
pub use self::retry::{Delays, Retry, RetryOn};
pub use self::settings::{Bound, DeadLetter, Hold, Overflow, Settings, TimeoutAction};
pub use self::stored::Contents;
use self::unacked::Unacked;
use self::waiting::Waiting;
use crate::broker::ids::{ConsumerId, SequenceNumber};
use crate::broker::time::Timestamp;

/// A queue.
#[derive(Debug, Default)]
pub struct Queue {
    auto_delete: bool,
    deleted: bool,
    numbering: Numbering,
    ready: Lanes,
    consumers: Consumers,
    /// What consumers that have gone still hold.
    departed: Lazily<BTreeMap<ConsumerId, Unacked>>,
    /// What channels hold by basic.get. Also those that hold nothing: their hand-outs are counted while they live.
    getters: Lazily<BTreeMap<ConsumerId, Unacked>>,
    /// What it keeps of what it hands out.
    hand_outs: HandOuts,
    /// Shared: nearly all queues keep to the same.
    settings: Arc<Settings>,
    ttl: TimeToLive,
    /// When somebody last used it, consumers apart.
    last_used: Timestamp,
    /// Dead messages that have not been taken over, oldest first.
    dying: Lazily<Vec<Dying>>,
    promised: Promised,
    /// Messages that come have to be looked at for whether they wait.
    holds: bool,
    /// Those that are not ready before a time, once there has been one.
    waiting: Option<Box<Waiting>>,
}

/// Unacked messages of a consumer of a quorum queue that asks for no limit (RabbitMQ).
const QUORUM_PREFETCH: u16 = 2000;

/// Newer than any message, by when they came.
const NOTHING_FRESH: u64 = u64::MAX;

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(auto_delete: bool) -> Self {
        Self { auto_delete, ..Self::default() }
    }

    /// The queue with what it keeps to from the start. Of that, priorities and groups never change.
    #[must_use]
    pub fn with(mut self, now: Timestamp, settings: impl Into<Arc<Settings>>) -> Self {
        let settings = settings.into();
        if settings.max_priority > 0 {
            self.ready = self.ready.divided(settings.max_priority);
            self.numbering = self.numbering.with_priorities(settings.max_priority);
        }
        if let Some(header) = settings.group_by.clone() {
            self.ready = self.ready.grouped(header);
        }
        self.ttl.change(SequenceNumber(0), settings.message_ttl);
        self.last_used = now;
        if settings.single_active {
            self.consumers.serve_one(settings.is_quorum());
        }
        if settings.is_quorum() {
            self.ready.keep_order_of_return();
        }
        self.hand_outs.configure(&settings);
        self.settings = settings;
        self.begin_to_hold();
        self
    }

    /// A queue after a restart, with how often deliveries of its messages failed before.
    #[must_use]
    pub fn having_failed(mut self, failed: impl IntoIterator<Item = (SequenceNumber, u64)>) -> Self {
        self.hand_outs.deliveries = Deliveries::recovered(failed);
        self
    }

    /// A queue after a restart: `runs` are its messages, none of them in memory. Those in `redelivered` were handed out
    /// before.
    #[must_use]
    pub fn recovered(
        auto_delete: bool,
        runs: Vec<Run>,
        next_sequence: SequenceNumber,
        redelivered: &[SequenceRange],
    ) -> Self {
        let redelivered: Ranges = redelivered.iter().map(|range| (range.start().0, range.end().0)).collect();
        let (numbering, ready) = (Numbering::from(next_sequence), Lanes::recovered(runs, redelivered));
        Self { auto_delete, numbering, ready, ..Self::default() }
    }

    /// Ready messages, in memory or not (unacked ones do not count).
    #[must_use]
    pub fn ready_count(&self) -> usize {
        self.ready.len()
    }

    /// Attached consumers.
    #[must_use]
    pub fn consumer_count(&self) -> usize {
        self.consumers.len()
    }

    /// Whether a consumer is served, or waits for the active one to go.
    #[must_use]
    pub fn is_active(&self, consumer: ConsumerId) -> bool {
        self.consumers.is_active(consumer)
    }

    /// The number that the next message gets, but for its lane.
    #[must_use]
    pub const fn next_sequence(&self) -> SequenceNumber {
        SequenceNumber(self.numbering.next_number())
    }

    /// The numbers that the next messages get.
    #[must_use]
    pub const fn numbering(&self) -> Numbering {
        self.numbering
    }

    /// Whether it is deleted, and will refuse everything.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Whether every message that comes now needs a place: what has one is not kept in memory.
    #[must_use]
    pub fn is_paged(&self) -> bool {
        self.ready.is_paged()
    }

    /// Bytes of memory that messages cost which are ready or wait.
    #[must_use]
    pub fn loaded_bytes(&self) -> usize {
        self.ready.bytes() + self.waiting.as_ref().map_or(0, |waiting| waiting.bytes())
    }

    /// Bytes of memory that unacked messages cost.
    #[must_use]
    pub const fn unacked_bytes(&self) -> usize {
        self.hand_outs.unacked_bytes
    }

    /// Bytes of memory that unacked messages cost which were got by somebody.
    #[must_use]
    pub fn got_bytes(&self, getter: ConsumerId) -> usize {
        self.getters.get(&getter).map_or(0, Unacked::bytes)
    }

    /// From how many bytes of ready messages in memory on those that have a place are paged out. At first there is no
    /// limit. What is in memory already stays.
    pub fn set_memory_limit(&mut self, bytes: usize) {
        self.ready.set_limit(bytes);
        if let Some(waiting) = &mut self.waiting {
            waiting.set_limit(bytes);
        }
    }

    /// From how many bytes of unacked messages on a consumer gets no more until it settles some; `None`: any number. At first
    /// there is no limit. Who may go on gets more with the next input.
    pub fn set_holding_limit(&mut self, bytes: Option<usize>) {
        self.consumers.set_holding_limit(bytes);
    }

    /// What it keeps to.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Bytes of the bodies of ready messages.
    #[must_use]
    pub const fn ready_bytes(&self) -> u64 {
        self.ready.body_bytes()
    }

    /// How many messages consumers were done with since it began to run: acknowledged, rejected, or handed out without a
    /// need to be. Those that expired or were dropped or purged do not count.
    #[must_use]
    pub const fn drained(&self) -> u64 {
        self.hand_outs.drained
    }

    /// Acts on an input.
    ///
    /// # Errors
    /// When the queue refuses it; nothing has changed then.
    pub fn handle(&mut self, now: Timestamp, input: Input<'_>, effects: &mut Vec<Effect>) -> Result<(), Refusal> {
        if let Input::TakeDead(dead) = input {
            self.take_dead(dead);
            return Ok(());
        }
        if self.deleted {
            return Err(Refusal::Gone);
        }
        if self.ready.is_grouped() {
            self.wake_holders(&input);
        }
        self.hand_outs.deliveries.come_back_at(now);
        let mut fresh = NOTHING_FRESH;
        match input {
            Input::Publish(arrivals) => fresh = self.publish(now, arrivals, effects),
            Input::Again(arrivals) => self.publish_again(now, arrivals),
            Input::Reserve { count, bytes } => {
                self.numbering.skip(count);
                self.promise(count, bytes);
            }
            Input::Insert(arrivals) => fresh = self.insert(now, arrivals, effects),
            Input::Subscribe(subscription) => self.subscribe(subscription)?,
            Input::Unsubscribe(consumer) => self.unsubscribe(now, consumer, effects),
            Input::SetPrefetch(consumer, prefetch) => self.consumers.set_prefetch(consumer, self.prefetch(prefetch)),
            Input::SetChannelLimited(consumer, limited) => self.consumers.set_channel_limited(consumer, limited),
            Input::SetWindow(consumer, window) => self.consumers.set_window(consumer, window),
            Input::Written(consumer, cost) => self.consumers.change(consumer, |consumer| consumer.refund(cost)),
            Input::Offer { consumer, room } => self.offer(now, consumer, room, effects),
            Input::Get { consumer, no_ack } => {
                self.get(now, consumer, no_ack, effects)?;
            }
            Input::Settle { consumer, checkouts, outcome } => self.settle(now, consumer, checkouts, outcome, effects),
            Input::Extend { consumer, checkout, by } => self.extend(consumer, checkout, now.after(by)),
            Input::Return { consumer, checkouts, failed } => {
                self.settle(now, consumer, checkouts, Outcome::requeue(failed), effects);
                return Ok(());
            }
            Input::Leave(consumer) => {
                self.abandon(now, consumer, effects);
                return Ok(());
            }
            Input::Abandon(consumer) => self.abandon(now, consumer, effects),
            Input::Loaded { run, messages } => self.take_loaded(now, run, messages, effects),
            Input::Fetched { runs, messages } => self.take_fetched(runs, messages, effects),
            Input::Cancel(turns) => self.cancel(turns, effects),
            Input::Pick(picks) => self.pick(picks, effects),
            Input::Relocate { from, runs, singles } => {
                effects.push(Effect::Relocated(self.relocate(from, runs, singles)));
            }
            Input::Purge => self.purge(effects),
            Input::Delete { if_unused, if_empty } => self.delete(if_unused, if_empty, effects)?,
            Input::Configure(settings) => self.configure(now, settings),
            Input::Tick => self.tick(now, effects),
            Input::Touch => self.last_used = now,
            Input::Refused(arrival) => self.bury(arrival, effects),
            Input::EndLease => self.end_lease(now, effects)?,
            Input::TakeDead(_) => {}
        }
        self.dispatch(now, fresh, effects);
        Ok(())
    }

    /// What the passing of time asks for, apart from what is seen to at each input.
    fn tick(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.check_timeouts(now, effects);
        self.check_lease(now, effects);
    }

    fn configure(&mut self, now: Timestamp, settings: Arc<Settings>) {
        self.ttl.change(self.next_sequence(), settings.message_ttl);
        if settings.expires != self.settings.expires {
            self.last_used = now;
        }
        self.settings = settings;
        self.holds = self.settings.holds();
        self.reset_timeouts(now);
    }

    fn subscribe(&mut self, subscription: Subscription) -> Result<(), Refusal> {
        // RabbitMQ: a quorum queue takes no notice of the flag.
        let exclusive = subscription.exclusive && !self.settings.is_quorum();
        let subscription = Subscription { exclusive, prefetch: self.prefetch(subscription.prefetch), ..subscription };
        let occupied = exclusive && (self.consumers.len() > 0 || self.settings.single_active);
        if occupied || self.consumers.has_exclusive() {
            return Err(Refusal::ExclusiveUse);
        }
        self.note_timeout(subscription.timeout);
        self.consumers.attach(subscription);
        Ok(())
    }

    /// A consumer's prefetch as it is in force.
    fn prefetch(&self, wanted: u16) -> u16 {
        if wanted == 0 && self.settings.is_quorum() { QUORUM_PREFETCH } else { wanted }
    }

    fn unsubscribe(&mut self, now: Timestamp, id: ConsumerId, effects: &mut Vec<Effect>) {
        self.last_used = now;
        let Some(consumer) = self.consumers.detach(id) else { return };
        if consumer.unacked.len() > 0 {
            self.departed.insert(id, consumer.unacked);
        }
        if self.auto_delete && self.consumers.len() == 0 {
            effects.push(Effect::Unused);
        }
    }

    fn purge(&mut self, effects: &mut Vec<Effect>) {
        let waiting = self.waiting.as_mut().map_or(0, |waiting| waiting.clear(effects));
        let count = self.ready.purge(effects) + waiting;
        self.forget_purged();
        effects.push(Effect::Removed(count));
    }

    fn delete(&mut self, if_unused: bool, if_empty: bool, effects: &mut Vec<Effect>) -> Result<(), Refusal> {
        // RabbitMQ looks for messages first.
        if if_empty && self.ready_count() + self.waiting_count() > 0 {
            return Err(Refusal::NotEmpty);
        }
        if if_unused && self.consumers.len() > 0 {
            return Err(Refusal::InUse);
        }
        effects.extend(self.consumers.ids().map(Effect::ConsumerCancelled));
        // What is dead is not the queue's any more, but for finding it.
        let (dying, settings) = (std::mem::take(&mut self.dying), std::mem::take(&mut self.settings));
        let counts = self.count_by_file();
        effects.extend((!counts.is_empty()).then_some(Effect::Emptied(counts)));
        effects.push(Effect::Removed(self.ready_count()));
        *self = Self { deleted: true, dying, settings, ..Self::default() };
        Ok(())
    }
}
