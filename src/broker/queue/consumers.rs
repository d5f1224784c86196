//! The consumers of a queue and whose turn it is: the highest priority first, in turn among equals. Only consumers
//! that can take a message are in the rotation, so that a thousand busy ones cost nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Delivery;
use super::single_active::SingleActive;
use super::unacked::{Held, Unacked};
use crate::broker::ids::ConsumerId;

/// A consumer as it attaches to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Who.
    pub consumer: ConsumerId,
    /// Deliveries are settled when sent.
    pub no_ack: bool,
    /// No other consumer may be there.
    pub exclusive: bool,
    /// Higher is served first (RabbitMQ extension, `x-priority`).
    pub priority: i64,
    /// The most unacked deliveries; 0 is no limit. Does not count without acknowledgements.
    pub prefetch: u16,
    /// The channel has a limit for all its consumers together: nothing is handed out but what it offers room for.
    pub channel_limited: bool,
    /// Bytes that may be on their way to the consumer's connection.
    pub window: usize,
    /// How long a delivery may stay unacked; zero: for ever; `None`: as the queue has it (`x-consumer-timeout`).
    pub timeout: Option<Duration>,
}

impl Subscription {
    /// That of a consumer with nothing but a window.
    #[must_use]
    pub const fn of(consumer: ConsumerId, window: usize) -> Self {
        Self {
            consumer,
            no_ack: false,
            exclusive: false,
            priority: 0,
            prefetch: 0,
            channel_limited: false,
            window,
            timeout: None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) subscription: Subscription,
    pub(super) unacked: Unacked,
    /// Bytes that it may hold unacked, while memory is short.
    holding_limit: Option<usize>,
    /// Bytes charged and not yet written. May exceed the window, which a rest of the window would not remember.
    charged: usize,
    rotating: bool,
    /// Its channel has been told that there are messages for it and has not offered room since.
    announced: bool,
}

impl Consumer {
    /// Its own limits allow one more message.
    pub(super) fn has_room(&self) -> bool {
        let limit = usize::from(self.subscription.prefetch);
        let room = self.subscription.no_ack || limit == 0 || self.unacked.len() < limit;
        room && self.charged < self.subscription.window && !self.holds_too_much()
    }

    fn holds_too_much(&self) -> bool {
        self.holding_limit.is_some_and(|limit| self.unacked.bytes() >= limit)
    }

    fn ready(&self) -> bool {
        self.has_room() && !self.announced
    }

    /// Its channel is about to be told that there are messages for it; it is passed over until it is offered room.
    pub(super) fn announce(&mut self) -> ConsumerId {
        self.announced = true;
        self.subscription.consumer
    }

    /// Its channel has an offer for it, or a limit no more: there is something to announce again.
    pub(super) fn unannounce(&mut self) {
        self.announced = false;
    }

    /// Takes a message for the consumer, and counts it against its limits.
    #[inline(always)]
    pub(super) fn hand_out(&mut self, held: Held) -> Delivery {
        let redelivered = held.redelivered;
        self.charge(held.message.cost());
        let (checkout, message) = if self.subscription.no_ack {
            (self.unacked.next_checkout(), held.message)
        } else {
            let message = held.message.clone();
            (self.unacked.check_out(held), message)
        };
        Delivery { consumer: self.subscription.consumer, checkout, redelivered, message }
    }
}

#[derive(Debug, Default)]
pub(super) struct Consumers {
    all: BTreeMap<ConsumerId, Consumer>,
    rotation: BTreeMap<Reverse<i64>, VecDeque<ConsumerId>>,
    holding_limit: Option<usize>,
    /// Where one consumer at a time is served.
    pub(super) single: Option<Box<SingleActive>>,
}

impl Consumers {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn has_exclusive(&self) -> bool {
        self.all.values().any(|consumer| consumer.subscription.exclusive)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ConsumerId> {
        self.all.keys().copied()
    }

    pub(super) fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.all.values().map(|consumer| &consumer.subscription)
    }

    pub(super) fn attach(&mut self, subscription: Subscription) {
        let consumer = Consumer {
            subscription,
            unacked: Unacked::of(subscription.timeout),
            holding_limit: self.holding_limit,
            charged: 0,
            rotating: false,
            announced: false,
        };
        self.all.insert(subscription.consumer, consumer);
        self.elect();
        self.wake(subscription.consumer);
    }

    pub(super) fn detach(&mut self, id: ConsumerId) -> Option<Consumer> {
        let consumer = self.all.remove(&id)?;
        self.drop_turn(id, consumer.subscription.priority);
        self.elect();
        Some(consumer)
    }

    fn drop_turn(&mut self, id: ConsumerId, priority: i64) {
        let priority = Reverse(priority);
        if let Some(turn) = self.rotation.get_mut(&priority) {
            turn.retain(|waiting| *waiting != id);
            if turn.is_empty() {
                self.rotation.remove(&priority);
            }
        }
    }

    /// What the consumers hold.
    pub(super) fn unacked(&self) -> impl Iterator<Item = &Unacked> {
        self.all.values().map(|consumer| &consumer.unacked)
    }

    pub(super) fn unacked_mut(&mut self) -> impl Iterator<Item = &mut Unacked> {
        self.all.values_mut().map(|consumer| &mut consumer.unacked)
    }

    /// All, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Consumer> {
        self.all.values()
    }

    pub(super) fn get(&self, id: ConsumerId) -> Option<&Consumer> {
        self.all.get(&id)
    }

    pub(super) fn find(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        self.all.get_mut(&id)
    }

    /// Changes a consumer and puts it into the rotation if it can take a message now.
    pub(super) fn change(&mut self, id: ConsumerId, change: impl FnOnce(&mut Consumer)) {
        if let Some(consumer) = self.all.get_mut(&id) {
            change(consumer);
            if self.single.as_ref().is_some_and(|single| single.is_yielding()) {
                self.elect();
            }
            self.wake(id);
        }
    }

    /// Limits what each of them may hold.
    pub(super) fn set_holding_limit(&mut self, limit: Option<usize>) {
        if limit == self.holding_limit {
            return;
        }
        self.holding_limit = limit;
        let ids: Vec<_> = self.ids().collect();
        for id in ids {
            self.change(id, |consumer| consumer.holding_limit = limit);
        }
    }

    pub(super) fn set_prefetch(&mut self, id: ConsumerId, prefetch: u16) {
        self.change(id, |consumer| consumer.subscription.prefetch = prefetch);
    }

    pub(super) fn set_window(&mut self, id: ConsumerId, window: usize) {
        self.change(id, |consumer| consumer.subscription.window = window);
    }

    pub(super) fn set_channel_limited(&mut self, id: ConsumerId, limited: bool) {
        self.change(id, |consumer| {
            consumer.subscription.channel_limited = limited;
            consumer.unannounce();
        });
    }

    /// Whether it is anybody's turn: a consumer can take a message. Forgets those before it that cannot.
    pub(super) fn has_turn(&mut self) -> bool {
        while let Some(mut first) = self.rotation.first_entry() {
            let Some(id) = first.get().front().copied() else {
                first.remove();
                continue;
            };
            if let Some(consumer) = self.all.get_mut(&id) {
                if consumer.ready() {
                    return true;
                }
                consumer.rotating = false;
            }
            first.get_mut().pop_front();
        }
        false
    }

    /// Whether a consumer can take a message, apart from whose turn it is.
    pub(super) fn can_take(&self, id: ConsumerId) -> bool {
        self.get(id).is_some_and(Consumer::ready) && self.may_serve(id)
    }

    /// The consumer whose turn it is, which then goes to the end of its priority's line, and whether it is alone in that: then
    /// its turn comes again as long as it can take a message.
    pub(super) fn next(&mut self) -> Option<(&mut Consumer, bool)> {
        let (id, alone) = loop {
            let mut first = self.rotation.first_entry()?;
            let Some(id) = first.get_mut().pop_front() else {
                first.remove();
                continue;
            };
            let Some(consumer) = self.all.get_mut(&id) else { continue };
            if consumer.ready() {
                first.get_mut().push_back(id);
                break (id, first.get().len() == 1);
            }
            consumer.rotating = false;
        };
        self.all.get_mut(&id).map(|consumer| (consumer, alone))
    }

    /// Takes a consumer out of the rotation, until it is woken.
    pub(super) fn rest(&mut self, id: ConsumerId) {
        let Some(consumer) = self.all.get_mut(&id) else { return };
        consumer.rotating = false;
        let priority = consumer.subscription.priority;
        self.drop_turn(id, priority);
    }

    /// Puts a consumer into the rotation, if it is served and can take a message.
    pub(super) fn wake(&mut self, id: ConsumerId) {
        if let Some(consumer) = self.all.get_mut(&id)
            && consumer.ready()
            && !consumer.rotating
            && self.single.as_ref().is_none_or(|single| single.serves(id))
        {
            consumer.rotating = true;
            self.rotation.entry(Reverse(consumer.subscription.priority)).or_default().push_back(id);
        }
    }
}

impl Consumer {
    /// Charges a delivery to the consumer's window; the last one may exceed it.
    pub(super) fn charge(&mut self, cost: usize) {
        self.charged = self.charged.saturating_add(cost);
    }

    /// Gives window back that was charged and is now written.
    pub(super) fn refund(&mut self, cost: usize) {
        self.charged = self.charged.saturating_sub(cost);
    }
}
