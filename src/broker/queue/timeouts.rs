//! Deliveries that stay unacked for too long: when that is, and what becomes of their messages and their consumer. Keeps
//! hand-out times only where there is a timeout.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Queue;
use super::effect::Effect;
use super::settings::{Settings, TimeoutAction};
use super::unacked::{Held, Unacked};
use crate::broker::ids::{CheckoutId, ConsumerId};
use crate::broker::time::Timestamp;

/// RabbitMQ's default for quorum queues.
const QUORUM_TIMEOUT: Duration = Duration::from_mins(30);

/// Times that may be kept beyond one for each outstanding hand-out.
const FREE_TIMES: usize = 32;

/// What a queue knows of timeouts.
#[derive(Debug, Default)]
pub(super) struct Timeouts {
    /// As the node is configured; zero is never.
    of_node: Option<Duration>,
    /// For consumers that ask for none of their own.
    span: Option<Duration>,
    /// A consumer asks for one of its own.
    asked_for: bool,
    /// When to look, at the latest: nothing times out before.
    due: Option<Timestamp>,
}

impl Timeouts {
    pub(super) fn configure(&mut self, settings: &Settings) {
        let of_type = settings.is_quorum().then_some(QUORUM_TIMEOUT);
        let span = settings.consumer_timeout.or(self.of_node).or(of_type);
        self.span = span.filter(|span| !span.is_zero());
    }

    /// Whether anything may time out.
    #[inline]
    pub(super) const fn is_used(&self) -> bool {
        self.span.is_some() || self.asked_for
    }

    /// How long the deliveries of somebody may stay unacked who asks for that.
    fn of(&self, wanted: Option<Duration>) -> Option<Duration> {
        wanted.map_or(self.span, |wanted| Some(wanted).filter(|wanted| !wanted.is_zero()))
    }

    /// Somebody has been handed something just now.
    pub(super) fn note(&mut self, now: Timestamp, unacked: &mut Unacked) {
        let Some(span) = self.of(unacked.timeout) else { return };
        unacked.note(now);
        let deadline = now.after(span);
        self.due = Some(self.due.map_or(deadline, |due| due.min(deadline)));
    }

    pub(super) const fn due(&self) -> Option<Timestamp> {
        self.due
    }
}

/// When hand-outs were made: from each number on at that time, up to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct HandOutTimes(VecDeque<(u64, Timestamp)>);

impl HandOutTimes {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn note(&mut self, checkout: u64, now: Timestamp) {
        if self.0.back().is_none_or(|(_, last)| *last < now) {
            self.0.push_back((checkout, now));
        }
    }

    pub(super) fn of(&self, checkout: u64) -> Option<Timestamp> {
        let at = self.0.partition_point(|(first, _)| *first <= checkout);
        self.0.get(at.checked_sub(1)?).map(|(_, time)| *time)
    }

    /// Forgets times of hand-outs that are not outstanding; all that are, oldest first, are those in `outstanding`.
    pub(super) fn tidy(&mut self, count: usize, outstanding: impl Iterator<Item = u64>) {
        if self.0.len() <= 2 * count + FREE_TIMES {
            return;
        }
        let mut kept = Self::default();
        for checkout in outstanding {
            if let Some(time) = self.of(checkout) {
                kept.note(checkout, time);
            }
        }
        *self = kept;
    }
}

impl Queue {
    /// How long deliveries may stay unacked where neither queue nor consumer says; zero: for ever; `None`: as RabbitMQ has
    /// it, which is half an hour in quorum queues, and for ever in others.
    pub fn set_default_timeout(&mut self, timeout: Option<Duration>) {
        self.hand_outs.timeouts.of_node = timeout;
        self.hand_outs.configure(&self.settings);
    }

    /// Whether deliveries may time out.
    #[must_use]
    pub const fn times_out(&self) -> bool {
        self.hand_outs.timeouts.is_used()
    }

    /// A consumer comes with a wish of its own.
    pub(super) fn note_timeout(&mut self, wanted: Option<Duration>) {
        self.hand_outs.timeouts.asked_for |= wanted.is_some_and(|wanted| !wanted.is_zero());
    }

    /// The settings have changed: what is unacked by now counts from now on, where no time is known for it.
    pub(super) fn reset_timeouts(&mut self, now: Timestamp) {
        let before = self.hand_outs.timeouts.span;
        self.hand_outs.configure(&self.settings);
        if self.hand_outs.timeouts.span == before {
            return;
        }
        self.each_unacked(|unacked| unacked.note_all(now));
        self.hand_outs.timeouts.due = Some(now);
    }

    /// Takes back what has been unacked for too long.
    pub(super) fn check_timeouts(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.hand_outs.timeouts.due.is_none_or(|due| now < due) {
            return;
        }
        for (id, span) in self.overdue(now) {
            match self.settings.timeout_action {
                TimeoutAction::EndConsumer => self.end_overdue(now, id, span, effects),
                TimeoutAction::Requeue => self.requeue_overdue(now, id, span, effects),
            }
        }
        let due = self
            .holders()
            .filter_map(|(_, unacked)| unacked.deadline(self.hand_outs.timeouts.of(unacked.timeout)?))
            .min();
        self.hand_outs.timeouts.due = due;
    }

    /// Who holds something for too long, and how long that may be.
    fn overdue(&self, now: Timestamp) -> Vec<(ConsumerId, Duration)> {
        let overdue = self.holders().filter_map(|(id, unacked)| {
            let span = self.hand_outs.timeouts.of(unacked.timeout)?;
            unacked.deadline(span).filter(|deadline| *deadline <= now).map(|_| (id, span))
        });
        overdue.collect()
    }

    /// Somebody may hold a hand-out until then, however long that is.
    pub(super) fn extend(&mut self, id: ConsumerId, checkout: CheckoutId, until: Timestamp) {
        let attached = self.consumers.find(id).map(|consumer| &mut consumer.unacked);
        let Some(unacked) = attached.or_else(|| self.departed.get_mut(&id)).or_else(|| self.getters.get_mut(&id))
        else {
            return;
        };
        if self.hand_outs.timeouts.of(unacked.timeout).is_some() && unacked.extend(checkout, until) {
            self.hand_outs.timeouts.due = Some(self.hand_outs.timeouts.due.map_or(until, |due| due.min(until)));
        }
    }

    /// How long deliveries of a holder may stay unacked.
    pub(super) fn span_of(&self, unacked: &Unacked) -> Option<Duration> {
        self.hand_outs.timeouts.of(unacked.timeout)
    }

    pub(super) fn holders(&self) -> impl Iterator<Item = (ConsumerId, &Unacked)> {
        let attached = self.consumers.iter().map(|consumer| (consumer.subscription.consumer, &consumer.unacked));
        let others = self.departed.iter().chain(self.getters.iter()).map(|(id, unacked)| (*id, unacked));
        attached.chain(others)
    }

    fn each_unacked(&mut self, change: impl FnMut(&mut Unacked)) {
        let detached = [&mut self.departed, &mut self.getters].into_iter().filter_map(|held| held.made());
        let detached = detached.flat_map(BTreeMap::values_mut);
        self.consumers.unacked_mut().chain(detached).for_each(change);
    }

    /// Everything that somebody holds comes back, and a consumer is one no more. RabbitMQ does not count that as a failure.
    fn end_overdue(&mut self, now: Timestamp, id: ConsumerId, timeout: Duration, effects: &mut Vec<Effect>) {
        let departed = self.departed.contains_key(&id);
        self.unsubscribe(now, id, effects);
        let mut held = Vec::new();
        for unacked in [self.departed.get_mut(&id), self.getters.get_mut(&id)].into_iter().flatten() {
            held.extend(unacked.take_all());
        }
        self.departed.remove(&id);
        self.give_back_overdue(held, effects);
        // Nobody waits for word of a consumer that was cancelled.
        if !departed {
            effects.push(Effect::TimedOut { consumer: id, timeout, cancels: self.settings.is_quorum() });
        }
    }

    /// What is overdue comes back, and nothing else happens.
    fn requeue_overdue(&mut self, now: Timestamp, id: ConsumerId, timeout: Duration, effects: &mut Vec<Effect>) {
        let unacked = self.holders().find(|(holder, _)| *holder == id).map(|(_, unacked)| unacked);
        let overdue: Vec<CheckoutId> = unacked.map(|unacked| unacked.overdue(now, timeout)).unwrap_or_default();
        let mut held = Vec::new();
        self.check_in(id, &overdue, |_, taken| held.push(taken));
        for held in held {
            self.come_back(held, false, effects);
        }
    }

    fn give_back_overdue(&mut self, held: Vec<Held>, effects: &mut Vec<Effect>) {
        for held in held {
            self.hand_outs.unacked_bytes -= held.message.cost();
            self.ready.let_go(&held);
            self.come_back(held, false, effects);
        }
    }
}
