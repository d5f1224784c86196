//! What an input to a queue led to: answers for whoever gave it, and what is left to do once the lock is released.

use std::sync::Arc;

use crate::broker::ids::SequenceNumber;
use crate::broker::message::Message;
use crate::broker::queue::{Arrival, Delivery, Place, Run};
use crate::node::outbox::Outbox;
use crate::node::storage::Gone;
use crate::store::Position;

/// What an input led to, besides deliveries.
#[derive(Debug, Default)]
pub(in crate::node) struct Outcome {
    pub(in crate::node) got: Option<(Delivery, usize)>,
    /// basic.get has to be asked again once the outbox is woken.
    pub(in crate::node) got_later: bool,
    pub(in crate::node) removed: usize,
    /// How many messages an offer was used for.
    pub(in crate::node) taken: usize,
    /// An auto-delete queue lost its last consumer.
    pub(in crate::node) unused: bool,
    /// What a confirm has to wait for.
    pub(in crate::node) appended: Option<Position>,
    /// Stored messages that will not come back.
    pub(in crate::node) gone: Gone,
    /// Stored messages of which a delivery has failed, with how often by now.
    pub(super) failed: Vec<(u64, u64)>,
    /// Stored messages that could not be read and are given up.
    pub(super) lost: u64,
    /// Stored messages that have a new place.
    pub(in crate::node) relocated: usize,
    /// Which of the messages the queue did not take, by their places in the list.
    pub(in crate::node) refused: Vec<usize>,
    pub(super) lease_ended: bool,
    /// At most one for each lane.
    pub(super) loads: Vec<Run>,
    pub(super) fetch: Option<Vec<Run>>,
    /// Messages that are to be tried again, in their new form, and what is gone for them.
    pub(super) retried: Vec<Arrival>,
    pub(super) retried_gone: Gone,
    /// Outboxes that something was put into; to be woken without any lock held.
    pub(super) wakes: Vec<Arc<Outbox>>,
}

impl Outcome {
    pub(super) fn try_again(&mut self, message: Message, stored: Option<(SequenceNumber, Place)>) {
        self.retried.push(message.into());
        if let Some((sequence, place)) = stored {
            self.retried_gone.add(sequence, place);
        }
    }

    pub(super) fn wake(&mut self, outbox: &Arc<Outbox>) {
        if self.wakes.last().is_none_or(|last| !Arc::ptr_eq(last, outbox)) {
            self.wakes.push(Arc::clone(outbox));
        }
    }
}
