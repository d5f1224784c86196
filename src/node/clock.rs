//! The one place that reads the clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::broker::time::Timestamp;

/// Unix time as it was at the node's start, and what has passed since: a clock that is set meanwhile moves no deadline.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    started_at: Timestamp,
}

impl Clock {
    /// Starts counting.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), started_at: Timestamp::ZERO.after(unix) }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.started_at.after(self.start.elapsed())
    }

    /// Milliseconds since 1970 by the system's clock, which may be set: for what lasts longer than the node.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn unix_millis(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// The system's instant for a point in time, for timers.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> Instant {
        self.start + self.started_at.until(at)
    }
}
