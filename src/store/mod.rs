//! Durability of opaque records: one log for the node, segments for what outlives it, a small database for definitions
//! and checkpoints. Knows no AMQP; the only door to files is `disk::Disk`.

pub mod aside;
mod checkpoint;
pub mod directory;
pub mod disk;
mod format;
#[cfg(test)]
mod harness;
mod log;
pub mod meta;
mod options;
mod place;
mod reclaim;
mod recovery;
mod reserve;
mod segment;

pub use self::checkpoint::{Checkpoint, QueueCheckpoint};
pub use self::log::{Batch, FileUse, Log, ReadError, ReadProblem, Waiter, WriteError, WriteOperation, Writer};
pub use self::options::Options;
pub use self::place::{Extent, FileNumber, Location, NUMBER_BITS, Position, QueueKey, number_of};
pub use self::reclaim::{Held, Holders, Progress, Reclaim, ReclaimError, ReclaimOptions, Reclaimed, SegmentSizes};
pub use self::recovery::{
    CheckReport, CheckedFile, CheckedQueue, Damage, DamageKind, Lost, OpenError, OpenSegment, Recovered,
    RecoveredQueue, RecoveryReport, check_log, open_log,
};
pub use self::reserve::{RESERVE_FILE, Reserve};
pub use self::segment::{Passes, SegmentDamage, SegmentError, SegmentOperation, look_at_listed, open_listed};
