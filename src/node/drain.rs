//! How fast a queue's consumers get done with its messages: a mean that forgets. Looked at from time to time, by whoever
//! wants to know and by the node once in a while; handing out and settling only count.

use std::time::Duration;

use crate::broker::time::Timestamp;

/// What happened so long ago counts for a third of what happens now.
const MEMORY_SECONDS: f64 = 10.0;

/// Looking again sooner tells nothing.
const SHORTEST: Duration = Duration::from_millis(500);

/// The longest wait that makes sense to tell, in seconds: a year.
const LONGEST_WAIT: f64 = 31_536_000.0;

/// The mean of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    at: Timestamp,
    count: u64,
    per_second: Option<f64>,
}

impl Drain {
    /// Of a queue that begins to run.
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { at: now, count: 0, per_second: None }
    }

    /// Messages per second, given how many there were since the queue began to run.
    pub(super) fn observe(&mut self, now: Timestamp, count: u64) -> f64 {
        let span = self.at.until(now);
        if span < SHORTEST {
            return self.per_second.unwrap_or_default();
        }
        let current = as_float(count.saturating_sub(self.count)) / span.as_secs_f64();
        let weight = 1.0 - (-span.as_secs_f64() / MEMORY_SECONDS).exp();
        let mean = self.per_second.map_or(current, |mean| weight.mul_add(current - mean, mean));
        *self = Self { at: now, count, per_second: Some(mean) };
        mean
    }
}

/// How long so many messages take at a rate per second; `None`: nothing moves.
pub(super) fn time_for(messages: u64, per_second: f64) -> Option<Duration> {
    if messages == 0 {
        return Some(Duration::ZERO);
    }
    let seconds = as_float(messages) / per_second;
    (seconds <= LONGEST_WAIT).then(|| Duration::from_secs_f64(seconds))
}

#[expect(clippy::cast_precision_loss, reason = "a mean need not be exact")]
const fn as_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn the_first_look_tells_the_mean_since_the_beginning() {
        let mut drain = Drain::new(at(0));
        assert!((drain.observe(at(2000), 100) - 50.0).abs() < 1e-9);
        assert!((drain.observe(at(2100), 900) - 50.0).abs() < 1e-9, "too soon to tell");
    }

    #[test]
    fn a_rate_that_changes_is_followed_however_often_it_is_looked_at() {
        let (mut often, mut once) = (Drain::new(at(0)), Drain::new(at(0)));
        for drain in [&mut often, &mut once] {
            drain.observe(at(1000), 100);
        }
        for second in 2..=11 {
            often.observe(at(second * 1000), 100);
        }
        let (often, once) = (often.observe(at(12_000), 100), once.observe(at(12_000), 100));
        assert!((often - once).abs() < 1e-6 && often > 30.0 && often < 40.0, "{often} {once}");
    }

    #[test]
    fn where_nothing_moves_no_time_is_enough() {
        assert_eq!(time_for(10, 0.0), None);
        assert_eq!(time_for(0, 0.0), Some(Duration::ZERO));
        assert_eq!(time_for(10, 4.0), Some(Duration::from_millis(2500)));
    }
}
