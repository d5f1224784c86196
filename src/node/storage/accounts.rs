//! How many bytes of memory messages take, exactly: each queue tells of what it holds before and after it acts, under its
//! lock, and each connection of what it has of messages that are not complete.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The accounts of all queues and connections together.
#[derive(Debug, Default)]
pub(in crate::node) struct Accounts {
    ready: AtomicUsize,
    unacked: AtomicUsize,
    assembling: AtomicUsize,
}

/// What one queue holds in memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::node) struct Holding {
    /// Messages that are ready, or wait for a time.
    pub(in crate::node) ready: usize,
    /// Messages that are handed out and not settled.
    pub(in crate::node) unacked: usize,
}

impl Accounts {
    /// A queue held this before and holds that now.
    pub(in crate::node) fn account(&self, before: Holding, after: Holding) {
        post(&self.ready, before.ready, after.ready);
        post(&self.unacked, before.unacked, after.unacked);
    }

    /// A connection held so much of messages that are not complete before, and that much now.
    #[inline]
    pub(in crate::node) fn account_assembling(&self, before: usize, after: usize) {
        post(&self.assembling, before, after);
    }

    /// Bytes of messages that are not complete.
    pub(in crate::node) fn assembling(&self) -> usize {
        self.assembling.load(Ordering::Relaxed)
    }

    /// Bytes of ready messages.
    pub(in crate::node) fn ready(&self) -> usize {
        self.ready.load(Ordering::Relaxed)
    }

    /// Bytes of unacked messages.
    pub(in crate::node) fn unacked(&self) -> usize {
        self.unacked.load(Ordering::Relaxed)
    }

    /// Bytes of all messages.
    pub(in crate::node) fn total(&self) -> usize {
        self.ready().saturating_add(self.unacked()).saturating_add(self.assembling())
    }
}

fn post(account: &AtomicUsize, before: usize, after: usize) {
    if after > before {
        account.fetch_add(after - before, Ordering::Relaxed);
    } else if after < before {
        account.fetch_sub(before - after, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_sums_of_what_queues_hold() {
        let accounts = Accounts::default();
        let (none, some) = (Holding::default(), Holding { ready: 5, unacked: 2 });
        accounts.account(none, some);
        accounts.account(none, Holding { ready: 10, unacked: 0 });
        assert_eq!((accounts.ready(), accounts.unacked(), accounts.total()), (15, 2, 17));
        accounts.account(some, Holding { ready: 1, unacked: 6 });
        assert_eq!((accounts.ready(), accounts.unacked()), (11, 6));
        accounts.account(Holding { ready: 1, unacked: 6 }, none);
        assert_eq!((accounts.ready(), accounts.unacked()), (10, 0));
        accounts.account_assembling(0, 7);
        accounts.account_assembling(7, 3);
        assert_eq!((accounts.assembling(), accounts.total()), (3, 13));
    }
}
