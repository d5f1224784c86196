//! The publishers that wait for room in a queue, in the order in which they came. One at a time has its turn; who comes
//! meanwhile goes to the end, so that nobody overtakes and nobody starves.

use std::collections::VecDeque;
use std::sync::Arc;

use super::outbox::Outbox;

/// The most messages that a publisher puts in at its turn while others wait.
const QUANTUM: usize = 256;

/// A line of connections.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: VecDeque<Arc<Outbox>>,
    /// The first one has been woken, and has not come yet.
    called: bool,
}

impl Line {
    /// How many messages a connection may put in now, of so many for which there is room.
    pub(super) fn admits(&self, outbox: &Arc<Outbox>, room: usize) -> usize {
        match self.waiting.front() {
            None => room,
            Some(first) if !Arc::ptr_eq(first, outbox) => 0,
            Some(_) if self.waiting.len() == 1 => room,
            Some(_) => room.min(QUANTUM),
        }
    }

    /// A connection has put in what it may, and waits at the end of the line where it has more.
    pub(super) fn served(&mut self, outbox: &Arc<Outbox>, more: bool) {
        if self.waiting.front().is_some_and(|first| Arc::ptr_eq(first, outbox)) {
            self.waiting.pop_front();
            self.called = false;
        }
        if more && !self.waiting.iter().any(|waiting| Arc::ptr_eq(waiting, outbox)) {
            self.waiting.push_back(Arc::clone(outbox));
        }
    }

    /// A connection waits no more.
    pub(super) fn leave(&mut self, outbox: &Arc<Outbox>) {
        self.served(outbox, false);
        self.waiting.retain(|waiting| !Arc::ptr_eq(waiting, outbox));
    }

    /// Whether somebody waits who has not been called.
    pub(super) fn is_waited_in(&self) -> bool {
        !self.called && !self.waiting.is_empty()
    }

    /// There is room: whose turn it is now.
    pub(super) fn call_next(&mut self) -> Option<Arc<Outbox>> {
        self.called = !self.waiting.is_empty();
        self.waiting.front().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outboxes<const N: usize>() -> [Arc<Outbox>; N] {
        std::array::from_fn(|_| Arc::default())
    }

    #[test]
    fn who_comes_first_is_called_first_and_nobody_overtakes() {
        let [ann, bob, cleo] = outboxes();
        let mut line = Line::default();
        assert_eq!(line.admits(&ann, 1000), 1000);
        line.served(&ann, true);
        assert_eq!(line.admits(&bob, 1000), 0);
        line.served(&bob, true);
        assert!(Arc::ptr_eq(&line.call_next().unwrap(), &ann));
        assert!(!line.is_waited_in(), "one at a time");
        assert_eq!([&ann, &bob, &cleo].map(|outbox| line.admits(outbox, 1000)), [QUANTUM, 0, 0]);
        line.served(&ann, true);
        assert!(Arc::ptr_eq(&line.call_next().unwrap(), &bob));
        line.served(&bob, false);
        assert!(Arc::ptr_eq(&line.call_next().unwrap(), &ann));
        assert_eq!(line.admits(&ann, 1000), 1000, "nobody else waits");
    }

    #[test]
    fn a_connection_that_goes_gives_its_turn_away() {
        let [ann, bob] = outboxes();
        let mut line = Line::default();
        line.served(&ann, true);
        line.served(&bob, true);
        line.call_next();
        line.leave(&ann);
        assert!(line.is_waited_in());
        line.leave(&bob);
        assert!(!line.is_waited_in());
    }

    #[test]
    fn who_finds_too_little_room_for_all_may_come_with_less() {
        let [ann] = outboxes();
        let mut line = Line::default();
        line.served(&ann, true);
        assert_eq!(line.admits(&ann, 1), 1);
    }
}
