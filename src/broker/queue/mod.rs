//! A queue as a state machine: ready messages in order, consumers in turn, unacked messages until they are settled.
//! It decides alone; whoever has an input runs it. Names and bindings are the vhost's.

pub mod arguments;
mod browse;
pub mod consumer_arguments;
mod consumers;
mod dead;
mod deliveries;
mod effect;
mod effective;
mod entry;
mod expiry;
mod groups;
mod holding;
mod input;
mod job;
mod lanes;
mod length;
mod numbering;
mod paged;
mod place;
mod places;
mod questions;
mod ranges;
mod ready;
mod relocate;
mod retry;
mod settings;
mod single_active;
mod stored;
mod timeouts;
mod unacked;
mod waiting;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::arguments::QueueType;
pub use self::browse::{Listed, Pick, Spot};
pub use self::consumers::Subscription;
use self::consumers::{Consumer, Consumers};
use self::dead::Dying;
pub use self::dead::{Dead, DeathReason, Departure};
use self::deliveries::Deliveries;
pub use self::effect::{Delivery, Effect, Refusal};
pub use self::entry::QueueEntry;
use self::expiry::TimeToLive;
pub use self::holding::Scheduled;
pub use self::input::{Arrival, Input, Outcome};
pub use self::job::JobState;
use self::lanes::Lanes;
use self::length::Promised;
pub use self::numbering::Numbering;
pub use self::place::{MAX_RUN_BYTES, Place, Run};
use self::ranges::Ranges;
pub use self::ranges::SequenceRange;
pub use self::retry::{Delays, Retry, RetryOn};
pub use self::settings::{Bound, DeadLetter, Hold, Overflow, Settings, TimeoutAction};
pub use self::stored::Contents;
use self::timeouts::Timeouts;
use self::unacked::{Held, Unacked};
use self::waiting::Waiting;
use crate::broker::dedup::{self, Deduplicator};
use crate::broker::ids::{CheckoutId, ConsumerId, SequenceNumber};
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
    departed: BTreeMap<ConsumerId, Unacked>,
    /// What channels hold by basic.get. Also those that hold nothing: their hand-outs are counted while they live.
    getters: BTreeMap<ConsumerId, Unacked>,
    unacked_bytes: usize,
    settings: Settings,
    ttl: TimeToLive,
    /// When somebody last used it, consumers apart.
    last_used: Timestamp,
    /// Dead messages that have not been taken over, oldest first.
    dying: Vec<Dying>,
    promised: Promised,
    /// What tells messages that it has taken before, where that was asked for.
    deduplicator: Option<Box<Deduplicator>>,
    deliveries: Deliveries,
    /// Messages that come have to be looked at for whether they wait.
    holds: bool,
    /// Those that are not ready before a time, once there has been one.
    waiting: Option<Box<Waiting>>,
    timeouts: Timeouts,
    /// How many messages consumers are done with: settled for good, or handed out without a need to.
    drained: u64,
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
    pub fn with(mut self, now: Timestamp, settings: Settings) -> Self {
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
        self.timeouts.configure(&settings);
        self.settings = settings;
        self.begin_to_hold();
        self
    }

    /// A queue after a restart, with how often deliveries of its messages failed before.
    #[must_use]
    pub fn having_failed(mut self, failed: impl IntoIterator<Item = (SequenceNumber, u64)>) -> Self {
        self.deliveries = Deliveries::recovered(failed);
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
        self.unacked_bytes
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
    pub const fn settings(&self) -> &Settings {
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
        self.drained
    }

    /// From now on takes no message twice.
    pub fn deduplicate(&mut self, settings: dedup::Settings) {
        self.deduplicator = Some(Box::new(Deduplicator::new(settings)));
    }

    /// What it remembers to tell duplicates, if it does.
    pub fn deduplicator(&mut self) -> Option<&mut Deduplicator> {
        self.deduplicator.as_deref_mut()
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
            Input::Configure(settings) => self.configure(now, *settings),
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

    /// Takes messages in, and gives them numbers; the first of these.
    #[inline]
    fn publish(&mut self, now: Timestamp, arrivals: &mut Vec<Arrival>, effects: &mut Vec<Effect>) -> u64 {
        let first = self.numbering.next_number();
        for arrival in arrivals.drain(..) {
            let sequence = self.numbering.take(&arrival.message);
            self.take_in(now, sequence, arrival, effects);
        }
        first
    }

    /// Takes messages in that have numbers; the first of these.
    fn insert(
        &mut self,
        now: Timestamp,
        arrivals: &mut Vec<(SequenceNumber, Arrival)>,
        effects: &mut Vec<Effect>,
    ) -> u64 {
        let first = arrivals.first().map_or(NOTHING_FRESH, |(sequence, _)| sequence.number());
        for (sequence, arrival) in arrivals.drain(..) {
            self.keep_promise(&arrival);
            self.take_in(now, sequence, arrival, effects);
        }
        first
    }

    #[inline]
    fn take_in(&mut self, now: Timestamp, sequence: SequenceNumber, arrival: Arrival, effects: &mut Vec<Effect>) {
        if let Some(deduplicator) = &mut self.deduplicator
            && !deduplicator.admits_message(now, &arrival.message)
        {
            effects.extend(arrival.place.map(|place| Effect::Gone { sequence, place }));
            return;
        }
        self.tell(&arrival.message, JobState::Ready, effects);
        self.accept(now, sequence, arrival);
    }

    /// Takes messages that have been here before, in another form: nobody takes them for duplicates of themselves.
    fn publish_again(&mut self, now: Timestamp, arrivals: &mut Vec<Arrival>) {
        for arrival in arrivals.drain(..) {
            let sequence = self.numbering.take(&arrival.message);
            self.accept(now, sequence, arrival);
        }
    }

    fn configure(&mut self, now: Timestamp, settings: Settings) {
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

    fn abandon(&mut self, now: Timestamp, id: ConsumerId, effects: &mut Vec<Effect>) {
        self.unsubscribe(now, id, effects);
        for mut unacked in [self.departed.remove(&id), self.getters.remove(&id)].into_iter().flatten() {
            for held in unacked.take_all() {
                self.unacked_bytes -= held.message.cost();
                self.ready.let_go(&held);
                self.come_back(held, true, effects);
            }
        }
    }

    fn settle(
        &mut self,
        now: Timestamp,
        id: ConsumerId,
        checkouts: &[CheckoutId],
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) {
        if matches!(outcome, Outcome::Ack | Outcome::Discard) {
            self.drained += checkouts.len() as u64;
        }
        if self.settings.retry.is_some() && self.try_again(now, id, checkouts, outcome, effects) {
            return;
        }
        let apart = match outcome {
            Outcome::Ack | Outcome::Discard | Outcome::Requeue | Outcome::Fail if self.settings.track_status => true,
            Outcome::Ack => !self.deliveries.is_empty(),
            Outcome::Discard => self.settings.dead_letter.is_some() || !self.deliveries.is_empty(),
            Outcome::Requeue | Outcome::Fail => self.settings.counts_deliveries(),
        };
        if apart {
            return self.settle_apart(id, checkouts, outcome, effects);
        }
        self.check_in(id, checkouts, |ready, held| match outcome {
            Outcome::Requeue | Outcome::Fail => ready.give_back(held),
            Outcome::Ack | Outcome::Discard => effects.extend(held.gone()),
        });
    }

    /// As `settle`, where more is to be done with a message than to take it out.
    fn settle_apart(&mut self, id: ConsumerId, checkouts: &[CheckoutId], outcome: Outcome, effects: &mut Vec<Effect>) {
        let mut settled = Vec::with_capacity(checkouts.len());
        self.check_in(id, checkouts, |_, held| settled.push(held));
        for held in settled {
            match outcome {
                Outcome::Requeue => self.come_back(held, false, effects),
                Outcome::Fail => self.come_back(held, true, effects),
                Outcome::Discard => self.die(held, DeathReason::Rejected, effects),
                Outcome::Ack => {
                    self.deliveries.forget(held.sequence);
                    self.tell(&held.message, JobState::Done, effects);
                    effects.extend(held.gone());
                }
            }
        }
    }

    /// Takes what a consumer holds out of its hands.
    fn check_in(&mut self, id: ConsumerId, checkouts: &[CheckoutId], mut take: impl FnMut(&mut Lanes, Held)) {
        let Self { consumers, departed, getters, ready, unacked_bytes, .. } = self;
        let mut settle = |unacked: &mut Unacked| {
            for held in checkouts.iter().filter_map(|checkout| unacked.settle(*checkout)) {
                *unacked_bytes -= held.message.cost();
                ready.let_go(&held);
                take(ready, held);
            }
        };
        let mut attached = false;
        consumers.change(id, |consumer| {
            attached = true;
            settle(&mut consumer.unacked);
        });
        if attached {
            return;
        }
        if let Some(unacked) = getters.get_mut(&id) {
            settle(unacked);
        } else if let Some(unacked) = departed.get_mut(&id) {
            settle(unacked);
            if unacked.len() == 0 {
                departed.remove(&id);
            }
        }
    }

    fn get(&mut self, now: Timestamp, id: ConsumerId, no_ack: bool, effects: &mut Vec<Effect>) -> Result<(), Refusal> {
        if self.settings.single_active && self.settings.is_quorum() {
            return Err(Refusal::ExclusiveUse);
        }
        self.last_used = now;
        self.expire(now, NOTHING_FRESH, effects);
        let held = if self.ready.is_grouped() {
            self.take_in_groups(now, id, no_ack, effects)
        } else {
            self.ready.take_first()
        };
        let Some(held) = held else {
            effects.push(if self.ready.want() { Effect::GotLater } else { Effect::Got(None) });
            return Ok(());
        };
        // What is left is counted without what has expired behind it.
        self.expire(now, NOTHING_FRESH, effects);
        self.tell(&held.message, JobState::handed_out(no_ack), effects);
        let (redelivered, gone, sequence) = (held.redelivered, held.gone(), held.sequence);
        let told = self.deliveries.of(sequence).and_then(|count| count.told_in(&held.message));
        let message = told.unwrap_or_else(|| held.message.clone());
        let unacked = self.getters.entry(id).or_default();
        let checkout = if no_ack {
            self.drained += 1;
            self.deliveries.forget(sequence);
            unacked.next_checkout()
        } else {
            self.unacked_bytes += held.message.cost();
            let checkout = unacked.check_out(held);
            self.timeouts.note(now, unacked);
            checkout
        };
        let delivery = Delivery { consumer: id, checkout, redelivered, message };
        effects.push(Effect::Got(Some((delivery, self.ready_count()))));
        effects.extend(gone.filter(|_| no_ack));
        Ok(())
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

    /// Hands a consumer as much as its channel has room for. If it wants more, `dispatch` announces it again.
    fn offer(&mut self, now: Timestamp, id: ConsumerId, room: usize, effects: &mut Vec<Effect>) {
        self.consumers.change(id, Consumer::unannounce);
        self.expire(now, NOTHING_FRESH, effects);
        if self.ready.is_grouped() {
            let taken = self.offer_groups(now, id, room, effects);
            effects.push(Effect::Taken(taken));
            return;
        }
        let mut taken = 0;
        while taken < room
            && self.consumers.may_serve(id)
            && let Some(consumer) = self.consumers.find(id).filter(|consumer| consumer.has_room())
            && let Some(held) = self.ready.take_first()
        {
            if self.settings.track_status {
                let state = JobState::handed_out(consumer.subscription.no_ack);
                effects.push(Effect::Job { message: held.message.clone(), state });
            }
            hand_out(consumer, held, &mut self.unacked_bytes, &mut self.deliveries, effects);
            if self.timeouts.is_used() && !consumer.subscription.no_ack {
                self.timeouts.note(now, &mut consumer.unacked);
            }
            self.drained += u64::from(consumer.subscription.no_ack);
            taken += 1;
            self.expire(now, NOTHING_FRESH, effects);
        }
        effects.push(Effect::Taken(taken));
    }

    /// Hands ready messages to consumers until one of them runs out; then those go that have expired or are too many. Sees
    /// to it that more are loaded.
    fn dispatch(&mut self, now: Timestamp, fresh: u64, effects: &mut Vec<Effect>) {
        if self.waiting.is_some() {
            self.release(now, effects);
        }
        self.expire(now, fresh, effects);
        if self.ready.is_grouped() {
            self.dispatch_groups(now, fresh, effects);
        } else {
            self.dispatch_in_order(now, fresh, effects);
        }
        self.expire(now, NOTHING_FRESH, effects);
        self.shorten(effects);
        let unseen = self.ttl.is_used() && !self.ready.is_loaded();
        if let Some(run) = self.ready.next_load(self.consumers.len() > 0 || unseen || self.is_too_long()) {
            effects.push(Effect::Load(run));
        }
        if self.waiting.is_some() {
            self.fetch(now, effects);
        }
    }

    #[inline]
    fn dispatch_in_order(&mut self, now: Timestamp, fresh: u64, effects: &mut Vec<Effect>) {
        while self.ready.is_loaded() {
            let Some(consumer) = self.consumers.next() else { break };
            if consumer.subscription.channel_limited {
                effects.push(Effect::Wanting(consumer.announce()));
                continue;
            }
            let Some(held) = self.ready.take_first() else { break };
            if self.settings.track_status {
                let state = JobState::handed_out(consumer.subscription.no_ack);
                effects.push(Effect::Job { message: held.message.clone(), state });
            }
            self.drained += u64::from(consumer.subscription.no_ack);
            hand_out(consumer, held, &mut self.unacked_bytes, &mut self.deliveries, effects);
            if self.timeouts.is_used() && !consumer.subscription.no_ack {
                self.timeouts.note(now, &mut consumer.unacked);
            }
            self.expire(now, fresh, effects);
        }
    }
}

/// Hands a message to a consumer that can take it.
#[inline]
fn hand_out(
    consumer: &mut Consumer,
    held: Held,
    unacked_bytes: &mut usize,
    deliveries: &mut Deliveries,
    effects: &mut Vec<Effect>,
) {
    let no_ack = consumer.subscription.no_ack;
    let (sequence, place, again) = (held.sequence, held.place, held.redelivered);
    if !no_ack {
        *unacked_bytes += held.message.cost();
    }
    // Not `push`: that makes the effect elsewhere and moves it, which takes longer than making it (measured: 10 ns).
    effects.extend(std::iter::once_with(|| Effect::Deliver(consumer.hand_out(held))));
    if again {
        tell_count(consumer, sequence, deliveries, effects.last_mut());
    }
    if no_ack && let Some(place) = place {
        effects.push(Effect::Gone { sequence, place });
    }
}

/// Tells the consumer how often the message was delivered before, where that is counted.
#[cold]
fn tell_count(
    consumer: &mut Consumer,
    sequence: SequenceNumber,
    deliveries: &mut Deliveries,
    delivery: Option<&mut Effect>,
) {
    let Some(count) = deliveries.of(sequence) else { return };
    if consumer.subscription.no_ack {
        deliveries.forget(sequence);
    }
    if let Some(Effect::Deliver(delivery)) = delivery
        && let Some(told) = count.told_in(&delivery.message)
    {
        consumer.charge(told.cost().saturating_sub(delivery.message.cost()));
        delivery.message = told;
    }
}
