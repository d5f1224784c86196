//! What recovery has to know beforehand: where the log begins, and what was moved out of it. Kept by the database.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::place::{FileNumber, Position, QueueKey};

/// The state that the log's files from `first_file` on are replayed upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The first file of the log that still counts; 1 in a new store.
    pub first_file: FileNumber,
    /// The segments that hold live records.
    pub segments: Vec<FileNumber>,
    /// Queues that have something to remember.
    pub queues: BTreeMap<QueueKey, QueueCheckpoint>,
    /// The log was durable up to here at some time: one that ends before has lost something. Zero before it has begun.
    pub reached: Position,
    /// What an earlier start was asked to go on without: where damaged bytes of the log begin; the beginning of a file,
    /// of the log or a segment, that is missing or of no use as a whole.
    pub given_up: BTreeSet<Position>,
}

/// What a checkpoint knows of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueCheckpoint {
    /// No number below this one may be given out, in any lane.
    pub next_sequence: u64,
    /// The sequence numbers that are live in segments, in order.
    pub live: Vec<RangeInclusive<u64>>,
    /// How often live messages were delivered so far, by sequence number, of those of which the log says so, wherever they
    /// are. More than are live do no harm.
    pub deliveries: BTreeMap<u64, u64>,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self {
            first_file: FileNumber(1),
            segments: Vec::new(),
            queues: BTreeMap::new(),
            reached: Position::default(),
            given_up: BTreeSet::new(),
        }
    }
}
