//! The one place that reads the clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::broker::time::Timestamp;

/// Counts from the node's start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts counting.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::ZERO.after(self.start.elapsed())
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
        self.start + Timestamp::ZERO.until(at)
    }
}
