//! A queue as a state machine: ready messages in order, consumers in turn, unacked messages until they are settled.
//! It decides alone; whoever has an input runs it. Names and bindings are the vhost's.

pub mod arguments;
pub mod consumer_arguments;
mod consumers;
mod entry;
mod unacked;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use thiserror::Error;

pub use self::consumers::Subscription;
use self::consumers::{Consumer, Consumers};
pub use self::entry::QueueEntry;
use self::unacked::{Held, Unacked};
use crate::broker::ids::{CheckoutId, ConsumerId, SequenceNumber};
use crate::broker::message::Message;
use crate::broker::time::Timestamp;

/// Something for the queue to act on.
#[derive(Debug, PartialEq)]
pub enum Input<'a> {
    /// Messages of one publisher, in order; the list is emptied.
    Publish(&'a mut Vec<Message>),
    /// A consumer attaches.
    Subscribe(Subscription),
    /// A consumer detaches; what it holds unacked stays with its channel.
    Unsubscribe(ConsumerId),
    /// A consumer's prefetch changes.
    SetPrefetch(ConsumerId, u16),
    /// A consumer's channel comes to have a limit for all its consumers together, or loses it.
    SetChannelLimited(ConsumerId, bool),
    /// A consumer's channel has room for so many messages; answered with `Taken`.
    Offer {
        /// For whom.
        consumer: ConsumerId,
        /// The most messages to hand out now.
        room: usize,
    },
    /// The bytes that may be on their way to a consumer's connection change.
    SetWindow(ConsumerId, usize),
    /// Bytes charged to a consumer's window have been written to its connection.
    Written(ConsumerId, usize),
    /// basic.get on behalf of a channel, which `consumer` stands for.
    Get {
        /// The channel's stand-in for what it gets.
        consumer: ConsumerId,
        /// Settled when sent.
        no_ack: bool,
    },
    /// A hand-out is settled.
    Settle {
        /// Who held it.
        consumer: ConsumerId,
        /// Which hand-out.
        checkout: CheckoutId,
        /// How.
        outcome: Outcome,
    },
    /// A hand-out goes back to its place; `Settle` follows for another that is settled with it. Nothing is handed out
    /// before that one, or the later of two messages that come back together could leave first.
    Return {
        /// Who held it.
        consumer: ConsumerId,
        /// Which hand-out.
        checkout: CheckoutId,
    },
    /// As `Abandon`, which follows for another consumer of the same channel; until then nothing is handed out.
    Leave(ConsumerId),
    /// A channel is gone: whatever this consumer holds comes back.
    Abandon(ConsumerId),
    /// Remove all ready messages.
    Purge,
    /// End the queue.
    Delete {
        /// Only without consumers.
        if_unused: bool,
        /// Only without ready messages.
        if_empty: bool,
    },
}

/// How a delivery is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done: the message is gone.
    Ack,
    /// Back to its place in the queue.
    Requeue,
    /// Rejected without requeue: gone.
    Discard,
}

/// What the queue wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A message goes to a consumer.
    Deliver(Delivery),
    /// There are messages for a consumer whose channel has a limit: to be answered with `Offer`, once there is room.
    Wanting(ConsumerId),
    /// The answer to `Offer`: how many messages it was used for. The rest of the room is the channel's again.
    Taken(usize),
    /// The queue is gone, and this consumer with it.
    ConsumerCancelled(ConsumerId),
    /// An auto-delete queue lost its last consumer.
    Unused,
    /// The answer to `Get`: the message and how many are ready after it; `None` when there was none.
    Got(Option<(Delivery, usize)>),
    /// The answer to `Purge` and `Delete`: how many ready messages went.
    Removed(usize),
}

/// A message on its way to a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// To whom.
    pub consumer: ConsumerId,
    /// Which hand-out it is.
    pub checkout: CheckoutId,
    /// It was handed out before and came back.
    pub redelivered: bool,
    /// The message.
    pub message: Message,
}

/// Why the queue refused an input.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The queue is deleted.
    #[error("the queue is deleted")]
    Gone,
    /// An exclusive consumer is there, or one is wanted while others are there.
    #[error("the queue is in exclusive use")]
    ExclusiveUse,
    /// It has consumers.
    #[error("the queue is in use")]
    InUse,
    /// It has ready messages.
    #[error("the queue is not empty")]
    NotEmpty,
}

/// A queue.
#[derive(Debug, Default)]
pub struct Queue {
    auto_delete: bool,
    deleted: bool,
    last_sequence: u64,
    ready: VecDeque<Held>,
    /// Messages that came back. All of them are older than any in `ready`, since the oldest is always handed out first.
    returned: BTreeMap<SequenceNumber, Message>,
    consumers: Consumers,
    /// What consumers that have gone still hold.
    departed: BTreeMap<ConsumerId, Unacked>,
    /// What channels hold by basic.get. Also those that hold nothing: their hand-outs are counted while they live.
    getters: BTreeMap<ConsumerId, Unacked>,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(auto_delete: bool) -> Self {
        Self { auto_delete, ..Self::default() }
    }

    /// Ready messages (unacked ones do not count).
    #[must_use]
    pub fn ready_count(&self) -> usize {
        self.ready.len() + self.returned.len()
    }

    /// Attached consumers.
    #[must_use]
    pub fn consumer_count(&self) -> usize {
        self.consumers.len()
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
            Input::Publish(messages) => {
                for message in messages.drain(..) {
                    self.last_sequence += 1;
                    self.ready.push_back(Held { sequence: SequenceNumber(self.last_sequence), message });
                }
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
            Input::Get { consumer, no_ack } => effects.push(Effect::Got(self.get(consumer, no_ack))),
            Input::Settle { consumer, checkout, outcome } => self.settle(consumer, checkout, outcome),
            Input::Return { consumer, checkout } => {
                self.settle(consumer, checkout, Outcome::Requeue);
                return Ok(());
            }
            Input::Leave(consumer) => {
                self.abandon(consumer, effects);
                return Ok(());
            }
            Input::Abandon(consumer) => self.abandon(consumer, effects),
            Input::Purge => effects.push(Effect::Removed(self.purge())),
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
            let held = unacked.take_all().into_iter();
            self.returned.extend(held.map(|held| (held.sequence, held.message)));
        }
    }

    fn settle(&mut self, id: ConsumerId, checkout: CheckoutId, outcome: Outcome) {
        let mut settled = None;
        self.consumers.change(id, |consumer| settled = consumer.unacked.settle(checkout));
        match (outcome, settled.or_else(|| self.settle_detached(id, checkout))) {
            (Outcome::Requeue, Some(held)) => {
                self.returned.insert(held.sequence, held.message);
            }
            (Outcome::Ack | Outcome::Discard, _) | (Outcome::Requeue, None) => {}
        }
    }

    /// Settles what a consumer that has gone, or a channel by basic.get, holds.
    fn settle_detached(&mut self, id: ConsumerId, checkout: CheckoutId) -> Option<Held> {
        if let Some(unacked) = self.getters.get_mut(&id) {
            return unacked.settle(checkout);
        }
        let unacked = self.departed.get_mut(&id)?;
        let settled = unacked.settle(checkout);
        if unacked.len() == 0 {
            self.departed.remove(&id);
        }
        settled
    }

    fn get(&mut self, id: ConsumerId, no_ack: bool) -> Option<(Delivery, usize)> {
        let (held, redelivered) = take_first(&mut self.returned, &mut self.ready)?;
        let message = held.message.clone();
        let unacked = self.getters.entry(id).or_default();
        let checkout = if no_ack { unacked.next_checkout() } else { unacked.check_out(held) };
        Some((Delivery { consumer: id, checkout, redelivered, message }, self.ready_count()))
    }

    /// Hands a consumer as much as its channel has room for. If it wants more, `dispatch` announces it again.
    fn offer(&mut self, id: ConsumerId, room: usize, effects: &mut Vec<Effect>) {
        self.consumers.change(id, Consumer::unannounce);
        let before = effects.len();
        while effects.len() - before < room
            && let Some(consumer) = self.consumers.find(id).filter(|consumer| consumer.has_room())
            && let Some((held, redelivered)) = take_first(&mut self.returned, &mut self.ready)
        {
            effects.push(Effect::Deliver(consumer.hand_out(held, redelivered)));
        }
        effects.push(Effect::Taken(effects.len() - before));
    }

    fn purge(&mut self) -> usize {
        let count = self.ready_count();
        self.ready.clear();
        self.returned.clear();
        count
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
        effects.push(Effect::Removed(self.purge()));
        *self = Self { deleted: true, ..Self::default() };
        Ok(())
    }

    /// Hands ready messages to consumers until one of them runs out.
    fn dispatch(&mut self, effects: &mut Vec<Effect>) {
        while self.ready_count() > 0 {
            let Some(consumer) = self.consumers.next() else { return };
            if consumer.subscription.channel_limited {
                effects.push(Effect::Wanting(consumer.announce()));
                continue;
            }
            let Some((held, redelivered)) = take_first(&mut self.returned, &mut self.ready) else { return };
            effects.push(Effect::Deliver(consumer.hand_out(held, redelivered)));
        }
    }
}

/// The oldest ready message, and whether it was handed out before.
fn take_first(returned: &mut BTreeMap<SequenceNumber, Message>, ready: &mut VecDeque<Held>) -> Option<(Held, bool)> {
    if let Some((sequence, message)) = returned.pop_first() {
        return Some((Held { sequence, message }, true));
    }
    Some((ready.pop_front()?, false))
}
