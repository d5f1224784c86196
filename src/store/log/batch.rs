//! What an append writes: records straight into the buffer of the group that the writer will put on the disk.

use std::ops::RangeInclusive;

use super::gathering::Group;
use crate::store::format;
use crate::store::place::{Location, QueueKey};

/// One append in the making. Its records become durable together.
#[derive(Debug)]
pub struct Batch<'a> {
    group: &'a mut Group,
    start: usize,
    records: u32,
    live: u64,
    puts: bool,
    finished: bool,
}

impl<'a> Batch<'a> {
    pub(super) fn new(group: &'a mut Group) -> Self {
        let start = group.body.len();
        Self { group, start, records: 0, live: 0, puts: false, finished: false }
    }

    /// A message with the queues it comes to and its sequence number in each; where it will be. A transient one is
    /// forgotten by a restart.
    #[inline]
    pub fn put(&mut self, targets: &[(QueueKey, u64)], transient: bool, payload: &[&[u8]]) -> Location {
        let offset = self.group.offset();
        let length = format::put(&mut self.group.body, targets, transient, payload);
        self.records += 1;
        self.live += targets.len() as u64;
        self.puts = true;
        Location { file: self.group.file.number, offset, length }
    }

    /// Messages that left a queue for good. Their puts were appended before.
    pub fn settle(&mut self, queue: QueueKey, ranges: &[RangeInclusive<u64>]) {
        format::settle(&mut self.group.body, queue, ranges);
        self.records += 1;
    }

    /// A message went back to its place in a queue, for whatever reason, after so many `deliveries` in all; its put was
    /// appended before. The count survives restarts as long as the message is live, and `Holders::snapshot` tells it from
    /// then on: whoever answers that must know the count when this is appended.
    pub fn requeue(&mut self, queue: QueueKey, sequence: u64, deliveries: u64) {
        format::requeue(&mut self.group.body, &format::Requeue { queue, sequence, deliveries });
        self.records += 1;
    }

    /// Keeps the records; how many bytes they are.
    pub(super) fn finish(mut self) -> u64 {
        self.finished = true;
        self.group.records += self.records;
        self.group.puts |= self.puts;
        if self.live > 0 {
            self.group.file.add_live(self.live);
        }
        (self.group.body.len() - self.start) as u64
    }
}

impl Drop for Batch<'_> {
    /// Takes everything back when the one who appends panicked half-way.
    fn drop(&mut self) {
        if !self.finished {
            self.group.body.truncate(self.start);
        }
    }
}
