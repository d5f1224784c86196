//! A queue as a state machine: ready messages in order, consumers in turn, unacked messages until they are settled.
//! It decides alone; whoever has an input runs it. Names and bindings are the vhost's.

pub mod arguments;
pub mod consumer_arguments;
mod consumers;
mod effect;
mod entry;
mod input;
mod paged;
mod place;
mod questions;
mod ranges;
mod ready;
mod relocate;
mod stored;
mod unacked;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::consumers::Subscription;
use self::consumers::{Consumer, Consumers};
pub use self::effect::{Delivery, Effect, Refusal};
pub use self::entry::QueueEntry;
pub use self::input::{Arrival, Input, Outcome};
pub use self::place::{MAX_RUN_BYTES, Place, Run};
use self::ranges::Ranges;
pub use self::ranges::SequenceRange;
use self::ready::Ready;
pub use self::stored::Contents;
use self::unacked::{Held, Unacked};
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
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(auto_delete: bool) -> Self {
        Self { auto_delete, ..Self::default() }
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

    /// Bytes of memory that ready messages cost.
    #[must_use]
    pub const fn loaded_bytes(&self) -> usize {
        self.ready.bytes()
    }

    /// Bytes of memory that unacked messages cost.
    #[must_use]
    pub const fn unacked_bytes(&self) -> usize {
        self.unacked_bytes
    }

    /// From how many bytes of ready messages in memory on those that have a place are paged out. At first there is no
    /// limit. What is in memory already stays.
    pub const fn set_memory_limit(&mut self, bytes: usize) {
        self.ready.set_limit(bytes);
    }

    /// Acts on an input.
    ///
    /// # Errors
    /// When the queue refuses it; nothing has changed then.
    pub fn handle(&mut self, _now: Timestamp, input: Input<'_>, effects: &mut Vec<Effect>) -> Result<(), Refusal> {
        if self.deleted {
            return Err(Refusal::Gone);
        }
        match input {
            Input::Publish(arrivals) => {
                for arrival in arrivals.drain(..) {
                    self.last_sequence += 1;
                    self.ready.add(SequenceNumber(self.last_sequence), arrival);
                }
            }
            Input::Reserve(count) => self.last_sequence = self.last_sequence.saturating_add(count),
            Input::Insert(arrivals) => {
                arrivals.drain(..).for_each(|(sequence, arrival)| self.ready.add(sequence, arrival));
            }
            Input::Subscribe(subscription) => self.subscribe(subscription)?,
            Input::Unsubscribe(consumer) => self.unsubscribe(consumer, effects),
            Input::SetPrefetch(consumer, prefetch) => {
                self.consumers.change(consumer, |consumer| consumer.subscription.prefetch = prefetch);
            }
            Input::SetChannelLimited(consumer, limited) => self.consumers.change(consumer, |consumer| {
                consumer.subscription.channel_limited = limited;
                consumer.unannounce();
            }),
            Input::Offer { consumer, room } => self.offer(consumer, room, effects),
            Input::SetWindow(consumer, window) => {
                self.consumers.change(consumer, |consumer| consumer.subscription.window = window);
            }
            Input::Written(consumer, cost) => self.consumers.change(consumer, |consumer| consumer.refund(cost)),
            Input::Get { consumer, no_ack } => self.get(consumer, no_ack, effects),
            Input::Settle { consumer, checkouts, outcome } => self.settle(consumer, checkouts, outcome, effects),
            Input::Return { consumer, checkouts } => {
                self.settle(consumer, checkouts, Outcome::Requeue, effects);
                return Ok(());
            }
            Input::Leave(consumer) => {
                self.abandon(consumer, effects);
                return Ok(());
            }
            Input::Abandon(consumer) => self.abandon(consumer, effects),
            Input::Loaded { run, messages } => self.ready.loaded(run, messages, effects),
            Input::Relocate { from, runs, singles } => {
                effects.push(Effect::Relocated(self.relocate(from, runs, singles)));
            }
            Input::Purge => self.purge(effects),
            Input::Delete { if_unused, if_empty } => self.delete(if_unused, if_empty, effects)?,
        }
        self.dispatch(effects);
        Ok(())
    }

    fn subscribe(&mut self, subscription: Subscription) -> Result<(), Refusal> {
        let occupied = subscription.exclusive && self.consumers.len() > 0;
        if occupied || self.consumers.has_exclusive() {
            return Err(Refusal::ExclusiveUse);
        }
        self.consumers.attach(subscription);
        Ok(())
    }

    fn unsubscribe(&mut self, id: ConsumerId, effects: &mut Vec<Effect>) {
        let Some(consumer) = self.consumers.detach(id) else { return };
        if consumer.unacked.len() > 0 {
            self.departed.insert(id, consumer.unacked);
        }
        if self.auto_delete && self.consumers.len() == 0 {
            effects.push(Effect::Unused);
        }
    }

    fn abandon(&mut self, id: ConsumerId, effects: &mut Vec<Effect>) {
        self.unsubscribe(id, effects);
        for mut unacked in [self.departed.remove(&id), self.getters.remove(&id)].into_iter().flatten() {
            for held in unacked.take_all() {
                self.unacked_bytes -= held.message.cost();
                self.ready.give_back(held);
            }
        }
    }

    fn settle(&mut self, id: ConsumerId, checkouts: &[CheckoutId], outcome: Outcome, effects: &mut Vec<Effect>) {
        let Self { consumers, departed, getters, ready, unacked_bytes, .. } = self;
        let mut settle = |unacked: &mut Unacked| {
            for held in checkouts.iter().filter_map(|checkout| unacked.settle(*checkout)) {
                *unacked_bytes -= held.message.cost();
                match outcome {
                    Outcome::Requeue => ready.give_back(held),
                    Outcome::Ack | Outcome::Discard => {
                        if let Some(gone) = held.gone() {
                            effects.push(gone);
                        }
                    }
                }
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

    fn get(&mut self, id: ConsumerId, no_ack: bool, effects: &mut Vec<Effect>) {
        let Some(held) = self.ready.take_first() else {
            effects.push(if self.ready.want() { Effect::GotLater } else { Effect::Got(None) });
            return;
        };
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
        let count = self.ready.purge(effects);
        effects.push(Effect::Removed(count));
    }

    fn delete(&mut self, if_unused: bool, if_empty: bool, effects: &mut Vec<Effect>) -> Result<(), Refusal> {
        // RabbitMQ looks for messages first.
        if if_empty && self.ready_count() > 0 {
            return Err(Refusal::NotEmpty);
        }
        if if_unused && self.consumers.len() > 0 {
            return Err(Refusal::InUse);
        }
        effects.extend(self.consumers.ids().map(Effect::ConsumerCancelled));
        let counts = self.count_by_file();
        effects.extend((!counts.is_empty()).then_some(Effect::Emptied(counts)));
        effects.push(Effect::Removed(self.ready_count()));
        *self = Self { deleted: true, ..Self::default() };
        Ok(())
    }

    /// Hands a consumer as much as its channel has room for. If it wants more, `dispatch` announces it again.
    fn offer(&mut self, id: ConsumerId, room: usize, effects: &mut Vec<Effect>) {
        self.consumers.change(id, Consumer::unannounce);
        let mut taken = 0;
        while taken < room
            && let Some(consumer) = self.consumers.find(id).filter(|consumer| consumer.has_room())
            && let Some(held) = self.ready.take_first()
        {
            hand_out(consumer, held, &mut self.unacked_bytes, effects);
            taken += 1;
        }
        effects.push(Effect::Taken(taken));
    }

    /// Hands ready messages to consumers until one of them runs out, and sees to it that more are loaded.
    fn dispatch(&mut self, effects: &mut Vec<Effect>) {
        while self.ready.is_loaded() {
            let Some(consumer) = self.consumers.next() else { break };
            if consumer.subscription.channel_limited {
                effects.push(Effect::Wanting(consumer.announce()));
                continue;
            }
            let Some(held) = self.ready.take_first() else { break };
            hand_out(consumer, held, &mut self.unacked_bytes, effects);
        }
        if let Some(run) = self.ready.next_load(self.consumers.len() > 0) {
            effects.push(Effect::Load(run));
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
