//! Which messages of a channel wait for their confirm, and since when. Knows no socket.

use std::collections::VecDeque;

/// What a message waits with.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// When it was due, in nanoseconds.
    due: u64,
    settled: bool,
}

/// Messages without a confirm, in the order of their numbers, which begin with 1 as delivery tags do.
#[derive(Debug)]
pub(super) struct Confirms {
    /// The number of the first one that waits.
    first: u64,
    waiting: VecDeque<Waiting>,
    unsettled: u64,
}

/// The broker confirmed what was not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotPublished;

impl Confirms {
    pub(super) const fn new() -> Self {
        Self { first: 1, waiting: VecDeque::new(), unsettled: 0 }
    }

    /// The next message goes out.
    pub(super) fn publish(&mut self, due: u64) {
        self.waiting.push_back(Waiting { due, settled: false });
        self.unsettled += 1;
    }

    /// How many wait.
    pub(super) const fn unsettled(&self) -> u64 {
        self.unsettled
    }

    /// Takes a basic.ack or basic.nack; tells when each message it settles was due, and returns how many they are.
    pub(super) fn settle(&mut self, tag: u64, multiple: bool, mut each: impl FnMut(u64)) -> Result<u64, NotPublished> {
        let end = self.first + self.waiting.len() as u64;
        // With multiple, 0 stands for all (AMQP 0-9-1 1.8.3.13).
        let tag = if multiple && tag == 0 { end - 1 } else { tag };
        if tag >= end {
            return Err(NotPublished);
        }
        let Some(place) = tag.checked_sub(self.first).and_then(|place| usize::try_from(place).ok()) else {
            return Ok(0);
        };
        let from = if multiple { 0 } else { place };
        let mut count = 0;
        for waiting in self.waiting.range_mut(from..=place).filter(|waiting| !waiting.settled) {
            waiting.settled = true;
            each(waiting.due);
            count += 1;
        }
        while self.waiting.pop_front_if(|waiting| waiting.settled).is_some() {
            self.first += 1;
        }
        self.unsettled -= count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(count: u64) -> Confirms {
        let mut confirms = Confirms::new();
        (1..=count).for_each(|number| confirms.publish(number * 10));
        confirms
    }

    fn settle(confirms: &mut Confirms, tag: u64, multiple: bool) -> Result<Vec<u64>, NotPublished> {
        let mut due = Vec::new();
        let count = confirms.settle(tag, multiple, |one| due.push(one))?;
        assert_eq!(due.len() as u64, count);
        Ok(due)
    }

    #[test]
    fn multiple_settles_what_is_not_settled_yet() {
        let mut confirms = published(5);
        assert_eq!(settle(&mut confirms, 2, false), Ok(vec![20]));
        assert_eq!(confirms.unsettled(), 4);
        assert_eq!(settle(&mut confirms, 4, true), Ok(vec![10, 30, 40]));
        assert_eq!(confirms.unsettled(), 1);
        confirms.publish(60);
        assert_eq!(settle(&mut confirms, 0, true), Ok(vec![50, 60]));
        assert_eq!((confirms.unsettled(), confirms.waiting.len(), confirms.first), (0, 0, 7));
    }

    #[test]
    fn what_was_settled_before_does_not_count_again() {
        let mut confirms = published(3);
        settle(&mut confirms, 2, false).unwrap();
        assert_eq!(settle(&mut confirms, 2, false), Ok(vec![]));
        settle(&mut confirms, 3, true).unwrap();
        assert_eq!(settle(&mut confirms, 1, true), Ok(vec![]));
    }

    #[test]
    fn what_was_never_published_cannot_be_confirmed() {
        assert_eq!(settle(&mut published(3), 4, false), Err(NotPublished));
        assert_eq!(settle(&mut published(0), 1, true), Err(NotPublished));
        assert_eq!(settle(&mut published(0), 0, true), Ok(vec![]));
    }
}
