//! Which consumer is served where one at a time is (RabbitMQ extension, `x-single-active-consumer`).

use std::cmp::Reverse;

use super::consumers::{Consumer, Consumers};
use crate::broker::ids::ConsumerId;

/// The one consumer that is served.
#[derive(Debug)]
pub(super) struct SingleActive {
    active: Option<ConsumerId>,
    /// It makes way for one of higher priority (quorum queues), once it holds nothing any more.
    yields: bool,
    /// It is to make way, and gets nothing until then.
    yielding: bool,
}

impl SingleActive {
    /// Whether there may be another one once the active consumer has settled something.
    pub(super) const fn is_yielding(&self) -> bool {
        self.yielding
    }

    pub(super) fn serves(&self, id: ConsumerId) -> bool {
        self.active == Some(id) && !self.yielding
    }
}

impl Consumers {
    /// Serves one consumer at a time.
    pub(super) fn serve_one(&mut self, yields: bool) {
        self.single = Some(Box::new(SingleActive { active: None, yields, yielding: false }));
    }

    /// Whether a consumer is served, as far as it depends on others.
    pub(super) fn is_active(&self, id: ConsumerId) -> bool {
        self.single.as_ref().map_or_else(|| self.get(id).is_some(), |single| single.active == Some(id))
    }

    /// Whether a consumer may be given messages.
    pub(super) fn may_serve(&self, id: ConsumerId) -> bool {
        self.single.as_ref().is_none_or(|single| single.serves(id))
    }

    /// Sees to it that the right consumer is the active one, after any of them has come, gone or settled something.
    pub(super) fn elect(&mut self) {
        let Some(single) = &self.single else { return };
        let (active, yields) = (single.active.and_then(|id| self.get(id)), single.yields);
        let Some(first) = self.first_in_line() else { return self.activate(None, false) };
        match active {
            None => self.activate(Some(first), false),
            Some(active) if yields && self.outranks(first, active) => {
                let (id, idle) = (active.subscription.consumer, active.unacked.len() == 0);
                self.activate(Some(if idle { first } else { id }), !idle);
            }
            Some(active) => self.activate(Some(active.subscription.consumer), false),
        }
    }

    /// Of the highest priority the oldest.
    fn first_in_line(&self) -> Option<ConsumerId> {
        let rank = |consumer: &&Consumer| Reverse(consumer.subscription.priority);
        self.iter().min_by_key(rank).map(|consumer| consumer.subscription.consumer)
    }

    fn outranks(&self, id: ConsumerId, active: &Consumer) -> bool {
        self.get(id).is_some_and(|other| other.subscription.priority > active.subscription.priority)
    }

    fn activate(&mut self, id: Option<ConsumerId>, yielding: bool) {
        let Some(single) = &mut self.single else { return };
        let before = single.active.filter(|_| !single.yielding);
        (single.active, single.yielding) = (id, yielding);
        let now = id.filter(|_| !yielding);
        if before == now {
            return;
        }
        before.into_iter().for_each(|id| self.rest(id));
        now.into_iter().for_each(|id| self.wake(id));
    }
}
