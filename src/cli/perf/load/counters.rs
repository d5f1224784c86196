//! What a load run counts and times, by place in its schema.

use crate::cli::perf::measure::Schema;

pub(super) const PUBLISHED: usize = 0;
pub(super) const CONSUMED: usize = 1;
pub(super) const CONFIRMED: usize = 2;
/// Refused by basic.nack.
pub(super) const NACKED: usize = 3;
/// Given back as unroutable.
pub(super) const RETURNED: usize = 4;
pub(super) const REDELIVERED: usize = 5;
/// Consumed, but not of this run.
pub(super) const FOREIGN: usize = 6;

/// From when a message was due until it was there.
pub(super) const LATENCY: usize = 0;
/// From when a message was due until its confirm was there.
pub(super) const CONFIRM_LATENCY: usize = 1;

pub(super) static SCHEMA: Schema = Schema {
    counters: &["published", "consumed", "confirmed", "nacked", "returned", "redelivered", "foreign"],
    always: 2,
    latencies: &["latency", "confirm_latency"],
};
