//! The load tool's clock: nanoseconds since a run began. The node has a clock of its own that this tool may not know.

use std::time::Instant;

/// Counts from its start. Copies agree, so that publishers and consumers of one process measure with the same clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the one place of the load tool that reads the clock")]
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since the start, which suffice for 584 years.
    pub(super) fn nanos(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
