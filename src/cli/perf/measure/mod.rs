//! What a run measures: counters and latencies, gathered by workers, drawn into a timeline each second.

mod latency;
mod meter;
mod progress;
mod schema;
mod timeline;

pub(super) use self::latency::{Latencies, Recording, Summary};
pub(super) use self::meter::{Meter, Meters};
pub(super) use self::progress::line as progress_line;
pub(super) use self::schema::Schema;
pub(super) use self::timeline::{Sample, Timeline, rate, seconds};
