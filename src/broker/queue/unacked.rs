//! What one consumer holds unacked, in the order of hand-out. Settling the oldest, and settling ranges, costs the
//! same however many are outstanding; a gap left by settling out of order is closed once gaps prevail.

use std::collections::VecDeque;

use crate::broker::ids::{CheckoutId, SequenceNumber};
use crate::broker::message::Message;

/// A message that is handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) sequence: SequenceNumber,
    pub(super) message: Message,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Unacked {
    slots: VecDeque<(CheckoutId, Option<Held>)>,
    held: usize,
    last: u64,
}

impl Unacked {
    pub(super) fn len(&self) -> usize {
        self.held
    }

    /// Counts a hand-out that needs no acknowledgement.
    pub(super) fn next_checkout(&mut self) -> CheckoutId {
        self.last += 1;
        CheckoutId(self.last)
    }

    /// Keeps a message until it is settled.
    pub(super) fn check_out(&mut self, held: Held) -> CheckoutId {
        let checkout = self.next_checkout();
        self.slots.push_back((checkout, Some(held)));
        self.held += 1;
        checkout
    }

    /// Takes one out; `None` when it is not outstanding.
    pub(super) fn settle(&mut self, checkout: CheckoutId) -> Option<Held> {
        let at = match self.slots.front() {
            Some((first, _)) if *first == checkout => 0,
            Some(_) | None => self.slots.binary_search_by_key(&checkout, |(known, _)| *known).ok()?,
        };
        let held = self.slots.get_mut(at)?.1.take()?;
        self.held -= 1;
        self.close_gaps();
        Some(held)
    }

    /// Takes everything out, oldest first.
    pub(super) fn take_all(&mut self) -> Vec<Held> {
        self.held = 0;
        self.slots.drain(..).filter_map(|(_, held)| held).collect()
    }

    fn close_gaps(&mut self) {
        while self.slots.front().is_some_and(|(_, held)| held.is_none()) {
            self.slots.pop_front();
        }
        if self.slots.len() > 2 * self.held + 32 {
            self.slots.retain(|(_, held)| held.is_some());
        }
    }
}
