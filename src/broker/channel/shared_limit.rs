//! basic.qos with `global`: the most unacked deliveries of all the channel's consumers together (RabbitMQ's meaning of
//! the flag). Queues tell which consumers they have messages for; room is offered to those in turn, and only so much as
//! there is: what a queue does not use at once comes back. Owns no deliveries; the channel tells how many are unsettled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU16;

use super::Channel;
use crate::broker::ids::{ConsumerId, QueueId};

/// Room for a consumer, to be used or given back at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Offer {
    pub(in crate::broker) queue: QueueId,
    pub(in crate::broker) consumer: ConsumerId,
    pub(in crate::broker) room: usize,
}

impl Channel {
    /// Sets the channel's limit; 0 removes it. Tells whether consumers come under it or out of it; `None`: neither.
    pub(super) fn share_limit(&mut self, limit: u16) -> Option<bool> {
        match (NonZeroU16::new(limit), &mut self.shared_limit) {
            (Some(limit), Some(shared)) => {
                shared.limit = limit;
                None
            }
            (Some(limit), None) => {
                self.shared_limit = Some(Box::new(SharedLimit::new(limit)));
                Some(true)
            }
            (None, shared) => shared.take().map(|_| false),
        }
    }

    pub(in crate::broker) const fn has_shared_limit(&self) -> bool {
        self.shared_limit.is_some()
    }

    /// A queue has messages for a consumer.
    pub(in crate::broker) fn want(&mut self, consumer: ConsumerId, queue: QueueId) {
        if let Some(shared) = &mut self.shared_limit {
            shared.want(consumer, queue);
        }
    }

    /// A consumer has ended; what it holds still counts.
    pub(in crate::broker) fn stop_wanting(&mut self, consumer: ConsumerId) {
        if let Some(shared) = &mut self.shared_limit {
            shared.stop_wanting(consumer);
        }
    }

    /// A queue has used so much of the room it was offered for a consumer.
    pub(in crate::broker) fn offer_taken(&mut self, consumer: ConsumerId, taken: usize) {
        if let Some(shared) = &mut self.shared_limit {
            shared.taken(consumer, taken);
        }
    }

    /// What to offer next, if there is room and somebody waits for it.
    pub(in crate::broker) fn next_offer(&mut self) -> Option<Offer> {
        let unsettled = self.unsettled_count();
        self.shared_limit.as_mut()?.next_offer(unsettled)
    }
}

/// A channel's limit and who waits for room under it.
#[derive(Debug)]
pub(super) struct SharedLimit {
    limit: NonZeroU16,
    /// Consumers whose queues have messages for them, in the order of asking.
    waiting: VecDeque<(ConsumerId, QueueId)>,
    /// Those in `waiting`, which may be many.
    known: BTreeSet<ConsumerId>,
    /// Room that is on its way to a queue.
    offered: BTreeMap<ConsumerId, usize>,
    /// All of `offered` together.
    offered_room: usize,
    /// Deliveries that a queue has handed out and that have no tag yet.
    underway: usize,
    /// Delivery tags of what basic.get took since the limit was set: those do not count, earlier ones do (RabbitMQ).
    uncounted: BTreeSet<u64>,
}

impl SharedLimit {
    pub(super) fn new(limit: NonZeroU16) -> Self {
        Self {
            limit,
            waiting: VecDeque::new(),
            known: BTreeSet::new(),
            offered: BTreeMap::new(),
            offered_room: 0,
            underway: 0,
            uncounted: BTreeSet::new(),
        }
    }

    pub(super) const fn limit(&self) -> u16 {
        self.limit.get()
    }

    /// A queue has messages for a consumer.
    pub(super) fn want(&mut self, consumer: ConsumerId, queue: QueueId) {
        if !self.offered.contains_key(&consumer) && self.known.insert(consumer) {
            self.waiting.push_back((consumer, queue));
        }
    }

    fn stop_wanting(&mut self, consumer: ConsumerId) {
        if self.known.remove(&consumer) {
            self.waiting.retain(|(other, _)| *other != consumer);
        }
    }

    /// Divides the room among those that wait, the first to ask first, beside `unsettled` deliveries of the channel.
    pub(super) fn next_offer(&mut self, unsettled: usize) -> Option<Offer> {
        let room = self.room(unsettled).div_ceil(self.waiting.len().max(1));
        if room == 0 {
            return None;
        }
        let (consumer, queue) = self.waiting.pop_front()?;
        self.known.remove(&consumer);
        self.offered.insert(consumer, room);
        self.offered_room += room;
        Some(Offer { queue, consumer, room })
    }

    /// A queue has used so much of what it was offered.
    pub(super) fn taken(&mut self, consumer: ConsumerId, taken: usize) {
        // An offer under a limit that is gone says nothing about this one.
        if let Some(room) = self.offered.remove(&consumer) {
            self.offered_room -= room;
            self.underway += taken;
        }
    }

    /// A delivery has its tag: from now on it is among the unsettled.
    pub(super) fn delivered(&mut self) {
        // What was handed out before there was a limit was never underway.
        self.underway = self.underway.saturating_sub(1);
    }

    /// basic.get took a message.
    pub(super) fn got(&mut self, delivery_tag: u64) {
        self.uncounted.insert(delivery_tag);
    }

    /// A delivery is not outstanding any more.
    pub(super) fn settled(&mut self, delivery_tag: u64) {
        self.uncounted.remove(&delivery_tag);
    }

    fn room(&self, unsettled: usize) -> usize {
        let counted = unsettled.saturating_sub(self.uncounted.len());
        let outstanding = counted + self.underway + self.offered_room;
        usize::from(self.limit.get()).saturating_sub(outstanding)
    }
}
