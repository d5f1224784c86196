//! What one consumer holds unacked, in the order of hand-out, and the numbering of its hand-outs.

use crate::broker::ids::{CheckoutId, SequenceNumber};
use crate::broker::ledger::Ledger;
use crate::broker::message::Message;

/// A message with its place in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) sequence: SequenceNumber,
    pub(super) message: Message,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Unacked {
    held: Ledger<Held>,
    last: u64,
}

impl Unacked {
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Counts a hand-out that needs no acknowledgement.
    pub(super) fn next_checkout(&mut self) -> CheckoutId {
        self.last += 1;
        CheckoutId(self.last)
    }

    /// Keeps a message until it is settled.
    pub(super) fn check_out(&mut self, held: Held) -> CheckoutId {
        let checkout = self.next_checkout();
        self.held.add(checkout.0, held);
        checkout
    }

    /// Takes one out; `None` when it is not outstanding.
    pub(super) fn settle(&mut self, checkout: CheckoutId) -> Option<Held> {
        self.held.take(checkout.0)
    }

    /// Takes everything out, oldest first.
    pub(super) fn take_all(&mut self) -> Vec<Held> {
        self.held.take_all().into_iter().map(|(_, held)| held).collect()
    }
}
