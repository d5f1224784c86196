//! A queue as a state machine: ready messages in order, consumers in turn, unacked messages until they are settled.
//! It decides alone; whoever has an input runs it. Names and bindings are the vhost's.

pub mod arguments;
pub mod consumer_arguments;
mod consumers;
mod dead;
mod effect;
mod effective;
mod entry;
mod expiry;
mod holding;
mod input;
mod length;
mod paged;
mod place;
mod places;
mod questions;
mod ranges;
mod ready;
mod relocate;
mod retry;
mod settings;
mod stored;
mod unacked;
mod waiting;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::consumers::Subscription;
use self::consumers::{Consumer, Consumers};
use self::dead::Dying;
pub use self::dead::{Dead, DeathReason, Departure};
pub use self::effect::{Delivery, Effect, Refusal};
pub use self::entry::QueueEntry;
use self::expiry::TimeToLive;
pub use self::holding::Scheduled;
pub use self::input::{Arrival, Input, Outcome};
use self::length::Promised;
pub use self::place::{MAX_RUN_BYTES, Place, Run};
use self::ranges::Ranges;
pub use self::ranges::SequenceRange;
use self::ready::Ready;
pub use self::retry::{Delays, Retry, RetryOn};
pub use self::settings::{
    DeadLetter, DeadLetterStrategy, DelayedRetry, DelayedReturns, DeliveryLimit, Hold, Overflow, Settings,
};
pub use self::stored::Contents;
use self::unacked::{Held, Unacked};
use self::waiting::Waiting;
use crate::broker::ids::{CheckoutId, ConsumerId, SequenceNumber};
use crate::broker::time::Timestamp;

/// A queue.
#[derive(Debug, Default)]
pub struct Queue {
    auto_delete: bool,
    deleted: bool,
    last_sequence: u64,
    ready: Ready,
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
    /// Messages that come have to be looked at for whether they wait.
    holds: bool,
    /// Those that are not ready before a time, once there has been one.
    waiting: Option<Box<Waiting>>,
}

/// Newer than any message.
const NOTHING_FRESH: SequenceNumber = SequenceNumber(u64::MAX);

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(auto_delete: bool) -> Self {
        Self { auto_delete, ..Self::default() }
    }

    /// The queue with what it keeps to from the start.
    #[must_use]
    pub fn with(mut self, now: Timestamp, settings: Settings) -> Self {
        self.ttl.change(SequenceNumber(0), settings.message_ttl);
        self.last_used = now;
        self.settings = settings;
        self.begin_to_hold();
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
        let last_sequence = next_sequence.0.saturating_sub(1);
        Self { auto_delete, last_sequence, ready: Ready::recovered(runs, redelivered), ..Self::default() }
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

    /// The number that the next message gets.
    #[must_use]
    pub const fn next_sequence(&self) -> SequenceNumber {
        SequenceNumber(self.last_sequence + 1)
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

    /// From how many bytes of ready messages in memory on those that have a place are paged out. At first there is no
    /// limit. What is in memory already stays.
    pub fn set_memory_limit(&mut self, bytes: usize) {
        self.ready.set_limit(bytes);
        if let Some(waiting) = &mut self.waiting {
            waiting.set_limit(bytes);
        }
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
        let mut fresh = NOTHING_FRESH;
        match input {
            Input::Publish(arrivals) => fresh = self.publish(now, arrivals),
            Input::Reserve { count, bytes } => {
                self.last_sequence = self.last_sequence.saturating_add(count);
                self.promise(count, bytes);
            }
            Input::Insert(arrivals) => fresh = self.insert(now, arrivals),
            Input::Subscribe(subscription) => self.subscribe(subscription)?,
            Input::Unsubscribe(consumer) => self.unsubscribe(now, consumer, effects),
            Input::SetPrefetch(consumer, prefetch) => self.consumers.set_prefetch(consumer, prefetch),
            Input::SetChannelLimited(consumer, limited) => self.consumers.set_channel_limited(consumer, limited),
            Input::SetWindow(consumer, window) => self.consumers.set_window(consumer, window),
            Input::Written(consumer, cost) => self.consumers.change(consumer, |consumer| consumer.refund(cost)),
            Input::Offer { consumer, room } => self.offer(now, consumer, room, effects),
            Input::Get { consumer, no_ack } => {
                self.last_used = now;
                self.get(now, consumer, no_ack, effects);
            }
            Input::Settle { consumer, checkouts, outcome } => self.settle(now, consumer, checkouts, outcome, effects),
            Input::Return { consumer, checkouts } => {
                self.settle(now, consumer, checkouts, Outcome::Requeue, effects);
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
            Input::Relocate { from, runs, singles } => {
                effects.push(Effect::Relocated(self.relocate(from, runs, singles)));
            }
            Input::Purge => self.purge(effects),
            Input::Delete { if_unused, if_empty } => self.delete(if_unused, if_empty, effects)?,
            Input::Configure(settings) => self.configure(now, *settings),
            Input::Tick => self.check_lease(now, effects),
            Input::Touch => self.last_used = now,
            Input::Refused(arrival) => self.bury(arrival, effects),
            Input::EndLease => self.end_lease(now, effects)?,
            Input::TakeDead(_) => {}
        }
        self.dispatch(now, fresh, effects);
        Ok(())
    }

    /// Takes messages in, and gives them numbers; the first of these.
    #[inline]
    fn publish(&mut self, now: Timestamp, arrivals: &mut Vec<Arrival>) -> SequenceNumber {
        let first = self.next_sequence();
        for arrival in arrivals.drain(..) {
            self.last_sequence += 1;
            self.accept(now, SequenceNumber(self.last_sequence), arrival);
        }
        first
    }

    /// Takes messages in that have numbers; the first of these.
    fn insert(&mut self, now: Timestamp, arrivals: &mut Vec<(SequenceNumber, Arrival)>) -> SequenceNumber {
        let first = arrivals.first().map_or(NOTHING_FRESH, |(sequence, _)| *sequence);
        for (sequence, arrival) in arrivals.drain(..) {
            self.keep_promise(&arrival);
            self.accept(now, sequence, arrival);
        }
        first
    }

    fn configure(&mut self, now: Timestamp, settings: Settings) {
        self.ttl.change(self.next_sequence(), settings.message_ttl);
        if settings.expires != self.settings.expires {
            self.last_used = now;
        }
        self.settings = settings;
        self.holds = self.settings.holds();
    }

    fn subscribe(&mut self, subscription: Subscription) -> Result<(), Refusal> {
        let occupied = subscription.exclusive && self.consumers.len() > 0;
        if occupied || self.consumers.has_exclusive() {
            return Err(Refusal::ExclusiveUse);
        }
        self.consumers.attach(subscription);
        Ok(())
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
                self.ready.give_back(held);
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
        if self.settings.retry.is_some() && self.try_again(now, id, checkouts, outcome, effects) {
            return;
        }
        if outcome == Outcome::Discard && self.settings.dead_letter.is_some() {
            let mut discarded = Vec::new();
            self.check_in(id, checkouts, |_, held| discarded.push(held));
            discarded.into_iter().for_each(|held| self.die(held, DeathReason::Rejected, effects));
            return;
        }
        self.check_in(id, checkouts, |ready, held| match outcome {
            Outcome::Requeue => ready.give_back(held),
            Outcome::Ack | Outcome::Discard => effects.extend(held.gone()),
        });
    }

    /// Takes what a consumer holds out of its hands.
    fn check_in(&mut self, id: ConsumerId, checkouts: &[CheckoutId], mut take: impl FnMut(&mut Ready, Held)) {
        let Self { consumers, departed, getters, ready, unacked_bytes, .. } = self;
        let mut settle = |unacked: &mut Unacked| {
            for held in checkouts.iter().filter_map(|checkout| unacked.settle(*checkout)) {
                *unacked_bytes -= held.message.cost();
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

    fn get(&mut self, now: Timestamp, id: ConsumerId, no_ack: bool, effects: &mut Vec<Effect>) {
        self.expire(now, NOTHING_FRESH, effects);
        let Some(held) = self.ready.take_first() else {
            effects.push(if self.ready.want() { Effect::GotLater } else { Effect::Got(None) });
            return;
        };
        // What is left is counted without what has expired behind it.
        self.expire(now, NOTHING_FRESH, effects);
        let (redelivered, message, gone) = (held.redelivered, held.message.clone(), held.gone());
        let unacked = self.getters.entry(id).or_default();
        let checkout = if no_ack {
            unacked.next_checkout()
        } else {
            self.unacked_bytes += message.cost();
            unacked.check_out(held)
        };
        let delivery = Delivery { consumer: id, checkout, redelivered, message };
        effects.push(Effect::Got(Some((delivery, self.ready_count()))));
        effects.extend(gone.filter(|_| no_ack));
    }

    fn purge(&mut self, effects: &mut Vec<Effect>) {
        let waiting = self.waiting.as_mut().map_or(0, |waiting| waiting.clear(effects));
        let count = self.ready.purge(effects) + waiting;
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
        let mut taken = 0;
        self.expire(now, NOTHING_FRESH, effects);
        while taken < room
            && let Some(consumer) = self.consumers.find(id).filter(|consumer| consumer.has_room())
            && let Some(held) = self.ready.take_first()
        {
            hand_out(consumer, held, &mut self.unacked_bytes, effects);
            taken += 1;
            self.expire(now, NOTHING_FRESH, effects);
        }
        effects.push(Effect::Taken(taken));
    }

    /// Hands ready messages to consumers until one of them runs out; then those go that have expired or are too many. Sees
    /// to it that more are loaded.
    fn dispatch(&mut self, now: Timestamp, fresh: SequenceNumber, effects: &mut Vec<Effect>) {
        if self.waiting.is_some() {
            self.release(now, effects);
        }
        self.expire(now, fresh, effects);
        while self.ready.is_loaded() {
            let Some(consumer) = self.consumers.next() else { break };
            if consumer.subscription.channel_limited {
                effects.push(Effect::Wanting(consumer.announce()));
                continue;
            }
            let Some(held) = self.ready.take_first() else { break };
            hand_out(consumer, held, &mut self.unacked_bytes, effects);
            self.expire(now, fresh, effects);
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
}

/// Hands a message to a consumer that can take it.
#[inline]
fn hand_out(consumer: &mut Consumer, held: Held, unacked_bytes: &mut usize, effects: &mut Vec<Effect>) {
    let no_ack = consumer.subscription.no_ack;
    let (sequence, place) = (held.sequence, held.place);
    if !no_ack {
        *unacked_bytes += held.message.cost();
    }
    // Not `push`: that makes the effect elsewhere and moves it, which takes longer than making it (measured: 10 ns).
    effects.extend(std::iter::once_with(|| Effect::Deliver(consumer.hand_out(held))));
    if no_ack && let Some(place) = place {
        effects.push(Effect::Gone { sequence, place });
    }
}
