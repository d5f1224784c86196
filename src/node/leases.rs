//! Messages that are lent to clients without a connection: who holds which, and until when. A lease is an unacked message
//! of its queue, held by a stand-in of its own; it ends by its token or at its time, once. Owns no message.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use leveret_protocol::ShortString;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::cell::QueueCell;
use super::clock::Clock;
use crate::broker::ids::{CheckoutId, ConsumerId};
use crate::broker::queue::{Input, Outcome};
use crate::broker::time::Timestamp;

/// Bounds of what clients may hold or wait for at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Leases of all users.
    pub(super) leases: usize,
    /// Leases of one user.
    pub(super) leases_of_user: usize,
    /// Requests of all users that wait for a message. Fewer than there may be connections, so that others get through.
    pub(super) polls: usize,
    /// Those of one user.
    pub(super) polls_of_user: usize,
}

/// A lease takes about 300 bytes, and its message what it takes in memory.
const LIMITS: Limits = Limits { leases: 65_536, leases_of_user: 16_384, polls: 256, polls_of_user: 192 };

/// The longest time to sleep without a look: nothing depends on it.
const LONG: Duration = Duration::from_hours(1);

/// Leases that end together before others of the thread have their turn.
const AT_ONCE: usize = 64;

/// How much longer than its lease a message may stay unacked as far as the queue is concerned.
const MARGIN: Duration = Duration::from_mins(1);

/// What the node has lent.
#[derive(Debug)]
pub(super) struct Leases {
    limits: Limits,
    lent: Mutex<Lent>,
    /// A lease has come that ends before all others.
    earlier: Notify,
}

#[derive(Debug, Default)]
struct Lent {
    leases: BTreeMap<String, Lease>,
    ends: BTreeSet<(Timestamp, String)>,
    taken: Taken,
    waiting: Taken,
}

impl Lent {
    /// Whether it is the next one to end.
    fn add(&mut self, token: String, lease: Lease) -> bool {
        let first = self.ends.first().is_none_or(|(first, _)| lease.until < *first);
        self.ends.insert((lease.until, token.clone()));
        self.leases.insert(token, lease);
        first
    }

    /// Takes a user's lease out: who gets it ends it, nobody else.
    fn take(&mut self, user: &ShortString, token: &str) -> Option<Lease> {
        if self.leases.get(token)?.user != *user {
            return None;
        }
        let lease = self.leases.remove(token)?;
        self.ends.remove(&(lease.until, token.to_owned()));
        Some(lease)
    }
}

/// How much of something is taken.
#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_user: BTreeMap<ShortString, usize>,
}

impl Taken {
    /// Takes up to so many.
    fn take(&mut self, user: &ShortString, wanted: usize, most: usize, most_of_user: usize) -> usize {
        let of_user = self.by_user.get(user).copied().unwrap_or_default();
        let count = wanted.min(most.saturating_sub(self.all)).min(most_of_user.saturating_sub(of_user));
        if count > 0 {
            self.all += count;
            self.by_user.insert(user.clone(), of_user + count);
        }
        count
    }

    fn give_back(&mut self, user: &ShortString, count: usize) {
        self.all = self.all.saturating_sub(count);
        let Some(of_user) = self.by_user.get_mut(user) else { return };
        *of_user = of_user.saturating_sub(count);
        if *of_user == 0 {
            self.by_user.remove(user);
        }
    }
}

/// A message that is lent.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) cell: Arc<QueueCell>,
    pub(super) consumer: ConsumerId,
    pub(super) checkout: CheckoutId,
    pub(super) user: ShortString,
    pub(super) until: Timestamp,
}

impl Lease {
    fn end(&self, now: Timestamp, outcome: Outcome) -> bool {
        let (consumer, checkouts) = (self.consumer, &[self.checkout][..]);
        let settled = self.cell.run(now, Input::Settle { consumer, checkouts, outcome });
        // A queue that is deleted took its messages with it.
        settled.is_ok() && self.cell.run(now, Input::Abandon(consumer)).is_ok()
    }

    /// The queue's own time for deliveries is not to come before the lease's.
    fn hold(&self, now: Timestamp) {
        let by = now.until(self.until) + MARGIN;
        let _gone = self.cell.run(now, Input::Extend { consumer: self.consumer, checkout: self.checkout, by });
    }
}

impl Default for Leases {
    fn default() -> Self {
        Self { limits: LIMITS, lent: Mutex::default(), earlier: Notify::new() }
    }
}

impl Leases {
    #[cfg(test)]
    pub(super) fn with(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Room for up to so many leases of a user; `None`: there is none at all.
    pub(super) fn reserve(self: &Arc<Self>, user: &ShortString, wanted: usize) -> Option<Reservation> {
        let (most, of_user) = (self.limits.leases, self.limits.leases_of_user);
        let left = self.lent.lock().taken.take(user, wanted, most, of_user);
        (left > 0).then(|| Reservation { leases: Arc::clone(self), user: user.clone(), left })
    }

    /// A place to wait for a message; `None`: too many wait already.
    pub(super) fn wait(self: &Arc<Self>, user: &ShortString) -> Option<Place> {
        let (most, of_user) = (self.limits.polls, self.limits.polls_of_user);
        let taken = self.lent.lock().waiting.take(user, 1, most, of_user);
        (taken > 0).then(|| Place { leases: Arc::clone(self), user: user.clone() })
    }

    fn add(&self, now: Timestamp, token: String, lease: Lease) {
        lease.hold(now);
        let first = self.lent.lock().add(token, lease);
        self.call_if(first);
    }

    /// The next lease to end is another one.
    fn call_if(&self, first: bool) {
        if first {
            self.earlier.notify_one();
        }
    }

    fn give_back(&self, lease: &Lease) {
        self.lent.lock().taken.give_back(&lease.user, 1);
    }

    /// Settles the message; false: there is no such lease any more.
    pub(super) fn end(&self, now: Timestamp, user: &ShortString, token: &str, outcome: Outcome) -> bool {
        let Some(lease) = self.lent.lock().take(user, token) else { return false };
        let settled = lease.end(now, outcome);
        self.give_back(&lease);
        settled
    }

    /// Lets the lease end at another time; false: there is no such lease any more.
    pub(super) fn extend(&self, now: Timestamp, user: &ShortString, token: &str, until: Timestamp) -> bool {
        self.put_off(now, user, token, until, token.to_owned())
    }

    /// As `extend`, and the lease has another token from now on. One that nobody is told makes the message come back at that
    /// time, whatever happens. It is never out of the store meanwhile: who settles it at the same moment finds it.
    pub(super) fn put_off(
        &self,
        now: Timestamp,
        user: &ShortString,
        token: &str,
        until: Timestamp,
        new_token: String,
    ) -> bool {
        let mut lent = self.lent.lock();
        let Some(lease) = lent.take(user, token) else { return false };
        let lease = Lease { until, ..lease };
        let held = lease.clone();
        let first = lent.add(new_token, lease);
        drop(lent);
        // Settled meanwhile, it is held by nobody.
        held.hold(now);
        self.call_if(first);
        true
    }

    /// Ends leases whose time has come, many at once but not more: their deliveries have failed. When the next one ends.
    pub(super) fn expire(&self, now: Timestamp) -> Option<Timestamp> {
        for _ in 0..AT_ONCE {
            let mut lent = self.lent.lock();
            let (until, _) = lent.ends.first()?;
            if *until > now {
                return Some(*until);
            }
            let lease = lent.ends.pop_first().and_then(|(_, token)| lent.leases.remove(&token));
            drop(lent);
            if let Some(lease) = lease {
                lease.end(now, Outcome::Fail);
                self.give_back(&lease);
            }
        }
        self.lent.lock().ends.first().map(|(until, _)| *until)
    }

    /// Ends leases at their times, for ever.
    pub(super) async fn keep(&self, clock: Clock) {
        loop {
            let now = clock.now();
            let next = self.expire(now).map_or(LONG, |next| now.until(next));
            tokio::select! {
                () = tokio::time::sleep(next) => {}
                () = self.earlier.notified() => {}
            }
        }
    }

    /// Everything comes back, as the node stops.
    pub(super) fn end_all(&self, now: Timestamp) {
        let Lent { leases, .. } = std::mem::take(&mut *self.lent.lock());
        for lease in leases.into_values() {
            lease.end(now, Outcome::Requeue);
        }
    }
}

/// Room for leases of a user. What is not used is given back.
#[derive(Debug)]
pub(super) struct Reservation {
    leases: Arc<Leases>,
    user: ShortString,
    left: usize,
}

impl Reservation {
    pub(super) const fn left(&self) -> usize {
        self.left
    }

    /// Lends a message.
    pub(super) fn lend(&mut self, now: Timestamp, token: String, lease: Lease) {
        self.left = self.left.saturating_sub(1);
        self.leases.add(now, token, lease);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.leases.lent.lock().taken.give_back(&self.user, self.left);
    }
}

/// The place of somebody who waits.
#[derive(Debug)]
pub(super) struct Place {
    leases: Arc<Leases>,
    user: ShortString,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leases.lent.lock().waiting.give_back(&self.user, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ShortString {
        ShortString::new(text).unwrap()
    }

    #[test]
    fn a_user_takes_what_it_may_and_leaves_the_rest_to_others() {
        let leases = Arc::new(Leases::with(Limits { leases: 5, leases_of_user: 3, polls: 2, polls_of_user: 1 }));
        let (ann, bob) = (name("ann"), name("bob"));
        let of_ann = leases.reserve(&ann, 10).unwrap();
        assert_eq!(of_ann.left(), 3);
        assert!(leases.reserve(&ann, 1).is_none());
        assert_eq!(leases.reserve(&bob, 10).unwrap().left(), 2, "and it is given back at once");
        drop(of_ann);
        assert_eq!(leases.reserve(&bob, 10).unwrap().left(), 3);
        let place = leases.wait(&ann).unwrap();
        assert!(leases.wait(&ann).is_none());
        drop(place);
        assert!(leases.wait(&ann).is_some());
    }
}
