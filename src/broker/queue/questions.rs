//! What a queue answers to whoever looks at it from outside. Changes nothing.

use super::{Queue, Subscription};

impl Queue {
    /// Messages handed out and not settled.
    #[must_use]
    pub fn unacked_count(&self) -> usize {
        let gone = self.departed.values().chain(self.getters.values());
        self.consumers.unacked().chain(gone).map(super::Unacked::len).sum()
    }

    /// The attached consumers, oldest first.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.consumers.subscriptions()
    }
}
