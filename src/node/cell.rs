//! A queue's machine behind its lock, run by whoever has an input, with the outboxes of its consumers.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::outbox::Outbox;
use crate::broker::ids::ConsumerId;
use crate::broker::queue::{Delivery, Effect, Input, Queue, QueueEntry, Refusal};
use crate::broker::time::Timestamp;

/// A running queue.
#[derive(Debug)]
pub(super) struct QueueCell {
    pub(super) entry: Arc<QueueEntry>,
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    queue: Queue,
    outboxes: BTreeMap<ConsumerId, Arc<Outbox>>,
    effects: Vec<Effect>,
}

/// What an input led to, besides deliveries.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) got: Option<(Delivery, usize)>,
    pub(super) removed: usize,
    /// How many messages an offer was used for.
    pub(super) taken: usize,
    /// An auto-delete queue lost its last consumer.
    pub(super) unused: bool,
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
    pub(super) fn new(entry: Arc<QueueEntry>) -> Self {
        let queue = Queue::new(entry.auto_delete);
        Self { entry, running: Mutex::new(Running { queue, outboxes: BTreeMap::new(), effects: Vec::new() }) }
    }

    /// Runs the queue with an input. Deliveries are in their consumers' outboxes when it returns.
    pub(super) fn run(&self, now: Timestamp, input: Input<'_>) -> Result<Outcome, Refusal> {
        let mut outcome = Outcome::default();
        self.running.lock().run(now, input, &mut outcome)?;
        for outbox in std::mem::take(&mut outcome.wakes) {
            outbox.wake();
        }
        Ok(outcome)
    }

    /// Lets a consumer's deliveries go to its outbox, then attaches it.
    pub(super) fn subscribe(
        &self,
        now: Timestamp,
        subscription: crate::broker::queue::Subscription,
        outbox: &Arc<Outbox>,
    ) -> Result<(), Refusal> {
        let mut outcome = Outcome::default();
        let consumer = subscription.consumer;
        let mut running = self.running.lock();
        running.outboxes.insert(consumer, Arc::clone(outbox));
        let done = running.run(now, Input::Subscribe(subscription), &mut outcome);
        if done.is_err() {
            running.outboxes.remove(&consumer);
        }
        drop(running);
        outcome.wakes.iter().for_each(|outbox| outbox.wake());
        done
    }

    /// Ready messages and consumers.
    pub(super) fn counts(&self) -> (usize, usize) {
        let running = self.running.lock();
        (running.queue.ready_count(), running.queue.consumer_count())
    }
}

impl Running {
    fn run(&mut self, now: Timestamp, input: Input<'_>, outcome: &mut Outcome) -> Result<(), Refusal> {
        let gone = match &input {
            Input::Unsubscribe(consumer) | Input::Leave(consumer) | Input::Abandon(consumer) => Some(*consumer),
            Input::Publish(_)
            | Input::Subscribe(_)
            | Input::SetPrefetch(..)
            | Input::SetChannelLimited(..)
            | Input::Offer { .. }
            | Input::SetWindow(..)
            | Input::Written(..)
            | Input::Get { .. }
            | Input::Settle { .. }
            | Input::Return { .. }
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
                Effect::Removed(count) => outcome.removed = count,
            }
        }
        drop(effects);
        if self.effects.capacity() > KEPT_EFFECTS && self.outboxes.is_empty() {
            self.effects = Vec::new();
        }
    }
}
