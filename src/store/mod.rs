//! Durability of opaque records: one log for the node, segments for what outlives it, a small database for definitions
//! and checkpoints. Knows no AMQP; the only door to files is `disk::Disk`.

pub mod disk;
mod place;

pub use self::place::{Extent, FileNumber, Location, Position, QueueKey};
