//! The names of what a kind of run counts and times. Meters and reports go by their order.

/// Counters and latencies of a kind of run.
#[derive(Debug)]
pub(in crate::cli::perf) struct Schema {
    /// Names of counters, as they stand in reports.
    pub(in crate::cli::perf) counters: &'static [&'static str],
    /// Counters that are shown although they stayed at zero, from the first on.
    pub(in crate::cli::perf) always: usize,
    /// Names of latencies.
    pub(in crate::cli::perf) latencies: &'static [&'static str],
}
