//! The keys that were seen lately: so many at most, each for as long as it was given. The oldest goes first when there is
//! no room.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::broker::time::Timestamp;

/// What stands for a value.
pub type Key = [u8; 16];

/// A key that was seen, and when it is forgotten; `None`: when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The key.
    pub key: Key,
    /// From when on it is as if it had not been seen.
    pub expires: Option<Timestamp>,
}

/// Remembered keys. Costs about 150 bytes for each that it holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    capacity: usize,
    added: u64,
    known: BTreeMap<Key, Known>,
    by_age: BTreeMap<u64, Key>,
    by_expiry: BTreeSet<(Timestamp, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    age: u64,
    expires: Option<Timestamp>,
}

impl Window {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), ..Self::default() }
    }

    /// Whether a key is not known; then it is from now on, until its time is over.
    pub(super) fn admit(&mut self, now: Timestamp, key: Key, ttl: Option<Duration>) -> bool {
        self.expire(now);
        if self.known.contains_key(&key) {
            return false;
        }
        self.add(Seen { key, expires: ttl.map(|ttl| now.after(ttl)) });
        true
    }

    /// Remembers a key, in place of what is known of it.
    pub(super) fn add(&mut self, Seen { key, expires }: Seen) {
        self.forget(&key);
        if self.known.len() >= self.capacity {
            self.forget_oldest();
        }
        self.added += 1;
        let known = Known { age: self.added, expires };
        self.known.insert(key, known);
        self.by_age.insert(known.age, key);
        self.by_expiry.extend(expires.map(|expires| (expires, known.age)));
    }

    /// Everything known, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Seen> {
        let expires = |key| self.known.get(key).and_then(|known| known.expires);
        self.by_age.values().map(move |key| Seen { key: *key, expires: expires(key) })
    }

    /// As if a key had never been seen.
    pub(super) fn forget(&mut self, key: &Key) {
        let Some(known) = self.known.remove(key) else { return };
        self.by_age.remove(&known.age);
        if let Some(expires) = known.expires {
            self.by_expiry.remove(&(expires, known.age));
        }
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some(&(expires, age)) = self.by_expiry.first()
            && expires <= now
        {
            self.by_expiry.pop_first();
            if let Some(key) = self.by_age.remove(&age) {
                self.known.remove(&key);
            }
        }
    }

    fn forget_oldest(&mut self) {
        let Some((age, key)) = self.by_age.pop_first() else { return };
        if let Some(Known { expires: Some(expires), .. }) = self.known.remove(&key) {
            self.by_expiry.remove(&(expires, age));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, as a list.
    #[derive(Default)]
    struct Model {
        capacity: usize,
        known: Vec<(Key, Option<Timestamp>)>,
    }

    impl Model {
        fn admit(&mut self, now: Timestamp, key: Key, ttl: Option<Duration>) -> bool {
            self.known.retain(|(_, expires)| expires.is_none_or(|expires| expires > now));
            if self.known.iter().any(|(known, _)| *known == key) {
                return false;
            }
            if self.known.len() == self.capacity {
                self.known.remove(0);
            }
            self.known.push((key, ttl.map(|ttl| now.after(ttl))));
            true
        }

        fn forget(&mut self, key: Key) {
            self.known.retain(|(known, _)| *known != key);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_list(
            capacity in 1..6_usize,
            steps in prop::collection::vec((0..8_u8, prop::option::of(0..20_u64), 0..10_u64, 0..8_u8), 1..200),
        ) {
            let (mut window, mut model) = (Window::new(capacity), Model { capacity, known: Vec::new() });
            let mut now = Timestamp::ZERO;
            for (key, ttl, pause, forgotten) in steps {
                now = now.after(Duration::from_millis(pause));
                let ttl = ttl.map(Duration::from_millis);
                prop_assert_eq!(window.admit(now, [key; 16], ttl), model.admit(now, [key; 16], ttl));
                // Half of the time one that is not known.
                window.forget(&[2 * forgotten; 16]);
                model.forget([2 * forgotten; 16]);
                let seen: Vec<_> = window.iter().map(|seen| (seen.key, seen.expires)).collect();
                prop_assert_eq!(&seen, &model.known);
                prop_assert_eq!(window.known.len(), model.known.len());
                prop_assert_eq!(window.by_age.len(), model.known.len());
                let expiring = model.known.iter().filter(|(_, expires)| expires.is_some()).count();
                prop_assert_eq!(window.by_expiry.len(), expiring);
            }
        }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    const A: Key = [1; 16];
    const B: Key = [2; 16];
    const C: Key = [3; 16];

    #[test]
    fn a_key_is_known_until_the_millisecond_in_which_its_time_is_over() {
        let mut window = Window::new(8);
        let ttl = Some(Duration::from_millis(100));
        assert!(window.admit(at(5), A, ttl));
        assert!(!window.admit(at(104), A, ttl), "and seeing it again does not prolong that");
        assert!(window.admit(at(105), A, ttl));
    }

    #[test]
    fn a_key_without_a_time_is_known_until_there_is_no_room() {
        let mut window = Window::new(2);
        assert!(window.admit(at(0), A, None));
        assert!(!window.admit(at(u64::MAX), A, None));
        assert!(window.admit(at(u64::MAX), B, None));
        assert!(window.admit(at(u64::MAX), C, None));
        assert!(window.admit(at(u64::MAX), A, None), "the oldest has gone");
        assert!(!window.admit(at(u64::MAX), C, None));
    }

    #[test]
    fn what_has_expired_leaves_before_anything_that_has_not() {
        let mut window = Window::new(2);
        assert!(window.admit(at(0), A, None));
        assert!(window.admit(at(0), B, Some(Duration::from_millis(10))));
        assert!(window.admit(at(10), C, None));
        assert!(!window.admit(at(10), A, None));
    }
}
