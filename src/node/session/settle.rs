//! Settling: consecutive settlings of what one consumer holds, with one outcome, go to the queue under one lock.

use super::Session;
use crate::broker::ids::{CheckoutId, ConsumerId, QueueId};
use crate::broker::queue::{Input, Outcome};
use crate::broker::time::Timestamp;

/// The most hand-outs that wait: a lock for so many costs next to nothing for each, and a connection keeps room for them.
const MOST: usize = 256;

/// Hand-outs that wait for the end of the batch to be settled together.
#[derive(Debug, Default)]
pub(super) struct Settled {
    of: Option<(QueueId, ConsumerId, Outcome)>,
    checkouts: Vec<CheckoutId>,
}

impl Session {
    pub(super) fn settle(&mut self, now: Timestamp, of: (QueueId, ConsumerId, Outcome), checkout: CheckoutId) {
        if self.settled.of != Some(of) || self.settled.checkouts.len() >= MOST {
            self.flush_settled_before(now, of);
            self.settled.of = Some(of);
        }
        self.settled.checkouts.push(checkout);
    }

    /// Tells the queue what is settled.
    pub(super) fn flush_settled(&mut self, now: Timestamp) {
        let Some((queue, consumer, outcome)) = self.settled.of.take() else { return };
        let checkouts = std::mem::take(&mut self.settled.checkouts);
        self.run_queue(now, queue, Input::Settle { consumer, checkouts: &checkouts, outcome });
        self.settled.checkouts = checkouts;
        self.settled.checkouts.clear();
    }

    /// As `flush_settled`, where `next` is settled right after: what comes back to one queue, of one consumer after the
    /// other, comes back together.
    fn flush_settled_before(&mut self, now: Timestamp, next: (QueueId, ConsumerId, Outcome)) {
        let Some((queue, consumer, outcome)) = self.settled.of else { return };
        let failed = outcome == Outcome::Fail;
        if !(failed || outcome == Outcome::Requeue) || (queue, outcome) != (next.0, next.2) {
            return self.flush_settled(now);
        }
        self.settled.of = None;
        let checkouts = std::mem::take(&mut self.settled.checkouts);
        self.run_queue(now, queue, Input::Return { consumer, checkouts: &checkouts, failed });
        self.settled.checkouts = checkouts;
        self.settled.checkouts.clear();
    }
}
