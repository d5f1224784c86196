//! Messages that leave for their consumers: who gets them, and what a queue keeps of its hand-outs.

use super::consumers::Consumer;
use super::deliveries::Deliveries;
use super::effect::{Delivery, Effect, Refusal};
use super::job::JobState;
use super::lanes::Lanes;
use super::settings::Settings;
use super::timeouts::Timeouts;
use super::unacked::Held;
use super::{NOTHING_FRESH, Queue};
use crate::broker::ids::{ConsumerId, SequenceNumber};
use crate::broker::time::Timestamp;

/// What a queue keeps of what it hands out, apart from the messages themselves.
#[derive(Debug, Default)]
pub(super) struct HandOuts {
    pub(super) unacked_bytes: usize,
    /// How many messages consumers are done with: settled for good, or handed out without a need to.
    pub(super) drained: u64,
    pub(super) deliveries: Deliveries,
    pub(super) timeouts: Timeouts,
    /// Somebody wants to know of each.
    track_status: bool,
}

impl HandOuts {
    pub(super) fn configure(&mut self, settings: &Settings) {
        self.timeouts.configure(settings);
        self.track_status = settings.track_status;
    }

    /// Hands a message to a consumer that can take it. Inline, so that the message is moved once.
    #[inline(always)]
    fn hand_out(&mut self, now: Timestamp, consumer: &mut Consumer, held: Held, effects: &mut Vec<Effect>) {
        let no_ack = consumer.subscription.no_ack;
        if self.track_status {
            let state = JobState::handed_out(no_ack);
            effects.push(Effect::Job { message: held.message.clone(), state });
        }
        let (sequence, place, again) = (held.sequence, held.place, held.redelivered);
        if no_ack {
            self.drained += 1;
        } else {
            self.unacked_bytes += held.message.cost();
        }
        // Not `push`: that makes the effect elsewhere and moves it, which takes longer than making it (measured: 10 ns).
        effects.extend(std::iter::once_with(|| Effect::Deliver(consumer.hand_out(held))));
        if again {
            self.tell_count(consumer, sequence, effects.last_mut());
        }
        if no_ack {
            effects.extend(place.map(|place| Effect::Gone { sequence, place }));
        } else if self.timeouts.is_used() {
            self.timeouts.note(now, &mut consumer.unacked);
        }
    }

    /// As `hand_out`, for where one call more does not count.
    #[inline(never)]
    pub(super) fn hand_out_apart(
        &mut self,
        now: Timestamp,
        consumer: &mut Consumer,
        held: Held,
        effects: &mut Vec<Effect>,
    ) {
        self.hand_out(now, consumer, held, effects);
    }

    /// Tells the consumer how often the message was delivered before, where that is counted.
    #[cold]
    fn tell_count(&mut self, consumer: &mut Consumer, sequence: SequenceNumber, delivery: Option<&mut Effect>) {
        let Some(count) = self.deliveries.of(sequence) else { return };
        if consumer.subscription.no_ack {
            self.deliveries.forget(sequence);
        }
        if let Some(Effect::Deliver(delivery)) = delivery
            && let Some(told) = count.told_in(&delivery.message)
        {
            consumer.charge(told.cost().saturating_sub(delivery.message.cost()));
            delivery.message = told;
        }
    }
}

impl Queue {
    pub(super) fn get(
        &mut self,
        now: Timestamp,
        id: ConsumerId,
        no_ack: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
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
        let hand_outs = &mut self.hand_outs;
        let told = hand_outs.deliveries.of(sequence).and_then(|count| count.told_in(&held.message));
        let message = told.unwrap_or_else(|| held.message.clone());
        let unacked = self.getters.entry(id).or_default();
        let checkout = if no_ack {
            hand_outs.drained += 1;
            hand_outs.deliveries.forget(sequence);
            unacked.next_checkout()
        } else {
            hand_outs.unacked_bytes += held.message.cost();
            let checkout = unacked.check_out(held);
            hand_outs.timeouts.note(now, unacked);
            checkout
        };
        let delivery = Delivery { consumer: id, checkout, redelivered, message };
        effects.push(Effect::Got(Some((delivery, self.ready_count()))));
        effects.extend(gone.filter(|_| no_ack));
        Ok(())
    }

    /// Hands a consumer as much as its channel has room for. If it wants more, `dispatch` announces it again.
    pub(super) fn offer(&mut self, now: Timestamp, id: ConsumerId, room: usize, effects: &mut Vec<Effect>) {
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
            self.hand_outs.hand_out_apart(now, consumer, held, effects);
            taken += 1;
            self.expire(now, NOTHING_FRESH, effects);
        }
        effects.push(Effect::Taken(taken));
    }

    /// Hands ready messages to consumers until one of them runs out; then those go that have expired or are too many. Sees
    /// to it that more are loaded.
    pub(super) fn dispatch(&mut self, now: Timestamp, fresh: u64, effects: &mut Vec<Effect>) {
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
            let Some((consumer, alone)) = self.consumers.next() else { break };
            if consumer.subscription.channel_limited {
                effects.push(Effect::Wanting(consumer.announce()));
                continue;
            }
            // Nobody else's turn comes while it has room, and nothing expires in between.
            if alone
                && !self.ttl.is_used()
                && let Lanes::One(ready) = &mut self.ready
            {
                while consumer.has_room()
                    && let Some(held) = ready.take_first()
                {
                    self.hand_outs.hand_out(now, consumer, held, effects);
                }
                continue;
            }
            let Some(held) = self.ready.take_first() else { break };
            self.hand_outs.hand_out_apart(now, consumer, held, effects);
            self.expire(now, fresh, effects);
        }
    }
}
