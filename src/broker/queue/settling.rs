//! What becomes of hand-outs: settled as their consumer says, or back because it is gone.

use super::Queue;
use super::dead::DeathReason;
use super::effect::Effect;
use super::input::Outcome;
use super::job::JobState;
use super::lanes::Lanes;
use super::unacked::{Held, Unacked};
use crate::broker::ids::{CheckoutId, ConsumerId};
use crate::broker::time::Timestamp;

impl Queue {
    pub(super) fn abandon(&mut self, now: Timestamp, id: ConsumerId, effects: &mut Vec<Effect>) {
        self.unsubscribe(now, id, effects);
        let gone = [&mut self.departed, &mut self.getters].map(|held| held.made()?.remove(&id));
        for mut unacked in gone.into_iter().flatten() {
            for held in unacked.take_all() {
                self.hand_outs.unacked_bytes -= held.message.cost();
                self.ready.let_go(&held);
                self.come_back(held, true, effects);
            }
        }
    }

    pub(super) fn settle(
        &mut self,
        now: Timestamp,
        id: ConsumerId,
        checkouts: &[CheckoutId],
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) {
        if matches!(outcome, Outcome::Ack | Outcome::Discard) {
            self.hand_outs.drained += checkouts.len() as u64;
        }
        if self.settings.retry.is_some() && self.try_again(now, id, checkouts, outcome, effects) {
            return;
        }
        let apart = match outcome {
            Outcome::Ack | Outcome::Discard | Outcome::Requeue | Outcome::Fail if self.settings.track_status => true,
            Outcome::Ack => !self.hand_outs.deliveries.is_empty(),
            Outcome::Discard => self.settings.dead_letter.is_some() || !self.hand_outs.deliveries.is_empty(),
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
                    self.hand_outs.deliveries.forget(held.sequence);
                    self.tell(&held.message, JobState::Done, effects);
                    effects.extend(held.gone());
                }
            }
        }
    }

    /// Takes what a consumer holds out of its hands.
    pub(super) fn check_in(
        &mut self,
        id: ConsumerId,
        checkouts: &[CheckoutId],
        mut take: impl FnMut(&mut Lanes, Held),
    ) {
        let Self { consumers, departed, getters, ready, hand_outs, .. } = self;
        let mut settle = |unacked: &mut Unacked| {
            for held in checkouts.iter().filter_map(|checkout| unacked.settle(*checkout)) {
                hand_outs.unacked_bytes -= held.message.cost();
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
}
