//! Connections that are in the middle of a message while memory is short. Nobody but they can give back what they hold of it:
//! so they go on, one after the other, and each message goes to the disk when it is complete.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::outbox::Outbox;
use crate::store::Waiter as _;

/// How long a connection may take while others wait: who stops in the middle goes to the end.
const TURN: Duration = Duration::from_secs(5);

/// The line of them.
#[derive(Debug, Default)]
pub(super) struct Finishers {
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    /// The first one has its turn.
    waiting: VecDeque<Arc<Outbox>>,
    /// When its turn was first seen.
    since: Option<Duration>,
}

impl Finishers {
    /// Whether a connection has its turn; otherwise it is woken when it has.
    pub(super) fn may_go_on(&self, outbox: &Arc<Outbox>) -> bool {
        let mut line = self.line.lock();
        if !line.waiting.iter().any(|waiting| Arc::ptr_eq(waiting, outbox)) {
            line.waiting.push_back(Arc::clone(outbox));
        }
        line.waiting.front().is_some_and(|first| Arc::ptr_eq(first, outbox))
    }

    /// A connection is in the middle of nothing any more.
    pub(super) fn leave(&self, outbox: &Arc<Outbox>) {
        let mut line = self.line.lock();
        let first = line.waiting.front().is_some_and(|first| Arc::ptr_eq(first, outbox));
        line.waiting.retain(|waiting| !Arc::ptr_eq(waiting, outbox));
        if first {
            line.begin_turn();
        }
    }

    /// Time has passed.
    pub(super) fn tick(&self, now: Duration) {
        let mut line = self.line.lock();
        if line.waiting.is_empty() {
            return;
        }
        let since = *line.since.get_or_insert(now);
        if line.waiting.len() > 1 && now.saturating_sub(since) >= TURN {
            line.waiting.rotate_left(1);
            line.begin_turn();
            // It sees that its turn is over.
            if let Some(last) = line.waiting.back() {
                last.wake();
            }
        }
    }
}

impl Line {
    fn begin_turn(&mut self) {
        self.since = None;
        if let Some(first) = self.waiting.front() {
            first.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections() -> [Arc<Outbox>; 3] {
        [(), (), ()].map(|()| Arc::default())
    }

    #[test]
    fn connections_have_their_turns_in_the_order_in_which_they_came() {
        let (finishers, [ann, bob, cid]) = (Finishers::default(), connections());
        let turns = || [&ann, &bob, &cid].map(|outbox| finishers.may_go_on(outbox));
        assert_eq!(turns(), [true, false, false]);
        finishers.leave(&bob);
        assert_eq!(turns(), [true, false, false], "the second waits again, as the last");
        finishers.leave(&ann);
        assert_eq!([&cid, &bob].map(|outbox| finishers.may_go_on(outbox)), [true, false]);
        finishers.leave(&cid);
        assert!(finishers.may_go_on(&bob));
    }

    #[test]
    fn who_takes_too_long_goes_to_the_end_if_others_wait() {
        let (finishers, [ann, bob, _]) = (Finishers::default(), connections());
        let at = |seconds| finishers.tick(Duration::from_secs(seconds));
        assert!(finishers.may_go_on(&ann));
        at(10);
        at(20);
        assert!(finishers.may_go_on(&ann), "nobody else waits");
        assert!(!finishers.may_go_on(&bob));
        at(20);
        assert!(finishers.may_go_on(&bob) && !finishers.may_go_on(&ann));
        at(20);
        at(24);
        assert!(finishers.may_go_on(&bob));
        at(25);
        assert!(finishers.may_go_on(&ann) && !finishers.may_go_on(&bob));
    }
}
