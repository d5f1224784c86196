//! What a publisher does next: by its schedule, its window, its count and the broker's word. Knows no clock and no socket.

use super::confirms::{Confirms, NotPublished};
use super::rate::RatePlan;

/// When a publisher publishes.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub(super) plan: RatePlan,
    /// How far it is behind the first publisher, as a part of the gap between messages.
    pub(super) phase: f64,
}

/// What bounds a publisher.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounds {
    /// The most messages without a confirm; without it no confirms are asked for.
    pub(super) window: Option<u64>,
    /// When to publish; without it as fast as possible.
    pub(super) schedule: Option<Schedule>,
    /// After how many messages it is done.
    pub(super) count: Option<u64>,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Publish a message. It is due at this time, which may be long past: what the broker held up counts as its latency.
    Publish { due: u64 },
    /// Wait until a message is due.
    Until(u64),
    /// Wait for word from the broker.
    Word,
    /// All is done.
    Nothing,
}

/// How far a publisher is.
#[derive(Debug)]
pub(super) struct Course {
    bounds: Bounds,
    confirms: Confirms,
    published: u64,
    /// The broker wants nothing for now: connection.blocked.
    pub(super) is_blocked: bool,
    /// The same by channel.flow.
    pub(super) is_paused: bool,
}

impl Course {
    pub(super) const fn new(bounds: Bounds) -> Self {
        Self { bounds, confirms: Confirms::new(), published: 0, is_blocked: false, is_paused: false }
    }

    /// How many messages were published.
    pub(super) const fn published(&self) -> u64 {
        self.published
    }

    #[inline]
    pub(super) fn next(&self, now: u64) -> Next {
        let unsettled = self.confirms.unsettled();
        if self.bounds.count.is_some_and(|count| self.published >= count) {
            return if unsettled == 0 { Next::Nothing } else { Next::Word };
        }
        let window_is_full = self.bounds.window.is_some_and(|window| unsettled >= window);
        if self.is_blocked || self.is_paused || window_is_full {
            return Next::Word;
        }
        let Some(Schedule { plan, phase }) = &self.bounds.schedule else {
            return Next::Publish { due: now };
        };
        match plan.due(self.published, *phase) {
            Some(due) if due <= now => Next::Publish { due },
            Some(due) => Next::Until(due),
            None => Next::Word,
        }
    }

    /// Notes that a message was published which was due at this time.
    #[inline]
    pub(super) fn publish(&mut self, due: u64) {
        if self.bounds.window.is_some() {
            self.confirms.publish(due);
        }
        self.published += 1;
    }

    /// As [`Confirms::settle`].
    pub(super) fn settle(&mut self, tag: u64, multiple: bool, each: impl FnMut(u64)) -> Result<u64, NotPublished> {
        self.confirms.settle(tag, multiple, each)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::cli::perf::measure::{Meters, Schema, Summary};

    const MILLI: u64 = 1_000_000;
    const SECOND: u64 = 1000 * MILLI;
    static SCHEMA: Schema = Schema { counters: &[], always: 0, latencies: &["latency", "from when it was sent"] };

    fn scheduled(rate: &str, window: Option<u64>) -> Course {
        let plan = rate.parse::<super::super::rate::Rates>().unwrap().plan(None).unwrap();
        Course::new(Bounds { window, schedule: Some(Schedule { plan, phase: 0.0 }), count: None })
    }

    /// Ten seconds at 1,000 messages a second to a broker that confirms within a millisecond, but for the sixth second, in which it
    /// does nothing: latencies from when messages were due, and from when they were sent.
    fn with_a_stall(window: u64) -> (Summary, Summary) {
        let meters = Meters::new(&SCHEMA, 1).unwrap();
        let meter = meters.of(0);
        let mut course = scheduled("1000", Some(window));
        let mut sent = VecDeque::new();
        for now in (0..10_000).map(|milli| milli * MILLI) {
            let is_stalled = (5 * SECOND..6 * SECOND).contains(&now);
            if !is_stalled && course.published() > 0 {
                let mut recording = meter.record(0).unwrap();
                course.settle(course.published(), true, |due| recording.record(now - due)).unwrap();
                let mut uncorrected = meter.record(1).unwrap();
                sent.drain(..).for_each(|sent| uncorrected.record(now - sent));
            }
            while let Next::Publish { due } = course.next(now) {
                course.publish(due);
                sent.push_back(now);
            }
        }
        let mut timeline = crate::cli::perf::measure::Timeline::new(&meters).unwrap();
        timeline.sample(&meters, 10 * SECOND);
        (timeline.latencies[0].summary(), timeline.latencies[1].summary())
    }

    #[test]
    fn a_stall_of_a_second_shows_in_the_latency_although_the_window_kept_messages_from_being_sent() {
        let (corrected, uncorrected) = with_a_stall(10);
        // A tenth of all messages were due in the stall, evenly over it: one in a hundred waited 0.9 s or more. The window lets
        // ten go each millisecond afterwards, which makes the others somewhat later, too.
        assert!((890_000..=920_000).contains(&corrected.p99), "{corrected:?}");
        assert!((490_000..=560_000).contains(&corrected.p95), "{corrected:?}");
        assert_eq!(corrected.p50, 1000);
        // Ten messages alone were under way: what is measured from the sending leaves the stall out.
        assert!(uncorrected.p99 <= 2000, "{uncorrected:?}");
    }

    #[test]
    fn what_could_not_be_sent_is_made_up_for_and_keeps_its_time() {
        let mut course = scheduled("1000", Some(2));
        assert_eq!(course.next(0), Next::Publish { due: 0 });
        course.publish(0);
        assert_eq!(course.next(0), Next::Until(MILLI));
        assert_eq!(course.next(5 * MILLI), Next::Publish { due: MILLI });
        course.publish(MILLI);
        assert_eq!(course.next(5 * MILLI), Next::Word);
        assert_eq!(course.settle(2, true, |_| {}), Ok(2));
        assert_eq!(course.next(5 * MILLI), Next::Publish { due: 2 * MILLI });
    }

    #[test]
    fn a_publisher_that_the_broker_blocks_waits_for_its_word() {
        let mut course = Course::new(Bounds::default());
        assert_eq!(course.next(7), Next::Publish { due: 7 });
        course.is_blocked = true;
        assert_eq!(course.next(7), Next::Word);
        (course.is_blocked, course.is_paused) = (false, true);
        assert_eq!(course.next(7), Next::Word);
    }

    #[test]
    fn a_count_is_done_when_all_is_confirmed() {
        let mut course = Course::new(Bounds { window: Some(5), count: Some(2), schedule: None });
        course.publish(1);
        course.publish(2);
        assert_eq!(course.next(3), Next::Word);
        course.settle(1, false, |_| {}).unwrap();
        assert_eq!(course.next(3), Next::Word);
        course.settle(2, false, |_| {}).unwrap();
        assert_eq!(course.next(3), Next::Nothing);
    }
}
