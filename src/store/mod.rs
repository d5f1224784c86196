//! Durability of opaque records: one log for the node, segments for what outlives it, a small database for definitions
//! and checkpoints. Knows no AMQP; the only door to files is `disk::Disk`.

pub mod directory;
pub mod disk;
pub mod meta;
mod place;

pub use self::place::{Extent, FileNumber, Location, Position, QueueKey};
