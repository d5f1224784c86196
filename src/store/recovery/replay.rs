//! From the records of the log, in their order, to what is live of each queue. Keeps runs of records, not records, and
//! does not read a message again unless its run was settled in part.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::cut::{Cut, Unreadable};
use super::error::OpenError;
use super::queue::Queue;
use super::{RecoveredQueue, RecoveryReport};
use crate::store::checkpoint::Checkpoint;
use crate::store::format::{FRAME_HEADER, FrameHeader, Raw, Record};
use crate::store::log::FileTable;
use crate::store::place::{Extent, Location, Position, QueueKey};

/// A replay under way.
pub(super) struct Replay<'a> {
    checkpoint: &'a Checkpoint,
    known: &'a dyn Fn(QueueKey) -> bool,
    /// Where each queue met so far is in `queues`; nowhere when it is not known.
    places: HashMap<QueueKey, Option<usize>, BuildHasherDefault<KeyHasher>>,
    queues: Vec<(QueueKey, Queue)>,
    /// The queue of the last record: most often that of the next one, too.
    last: Option<(QueueKey, Option<usize>)>,
}

impl<'a> Replay<'a> {
    /// From the checkpoint on.
    pub(super) fn new(checkpoint: &'a Checkpoint, known: &'a dyn Fn(QueueKey) -> bool) -> Self {
        let mut replay = Self { checkpoint, known, places: HashMap::default(), queues: Vec::new(), last: None };
        for queue in checkpoint.queues.keys() {
            replay.queue(*queue);
        }
        replay
    }

    /// Applies the records of a frame that lies at `position`; in error, where the record is that makes no sense.
    pub(super) fn frame(&mut self, frame: &FrameHeader, position: Position, body: &[u8]) -> Result<(), u32> {
        let mut rest = body;
        let mut place =
            Location { file: position.file(), offset: position.offset().saturating_add(FRAME_HEADER), length: 0 };
        for _ in 0..frame.records {
            let malformed = place.offset;
            let (raw, behind) = Raw::split(rest).map_err(|_| malformed)?;
            place.length = raw.len();
            self.record(&raw.parse().map_err(|_| malformed)?, place);
            place.offset = place.offset.saturating_add(place.length);
            rest = behind;
        }
        if rest.len() < 8 { Ok(()) } else { Err(place.offset) }
    }

    fn record(&mut self, record: &Record<'_>, place: Location) {
        match record {
            Record::Put(put) if put.transient => {}
            Record::Put(put) => {
                for (key, sequence) in put.targets() {
                    if let Some(queue) = self.queue(key) {
                        queue.put(sequence, place);
                    }
                }
            }
            Record::Settle(settle) => {
                if let Some(queue) = self.queue(settle.queue) {
                    settle.ranges().for_each(|range| queue.settle(&range));
                }
            }
            Record::Requeue(requeue) => {
                if let Some(queue) = self.queue(requeue.queue) {
                    queue.requeue(requeue.sequence, requeue.deliveries);
                }
            }
        }
    }

    /// Takes the extents of a segment in.
    pub(super) fn segment(&mut self, extents: &[(QueueKey, Extent)]) {
        for (key, extent) in extents {
            if let Some(queue) = self.queue(*key) {
                queue.segments.push(*extent);
            }
        }
    }

    /// The queue, if it is known.
    fn queue(&mut self, key: QueueKey) -> Option<&mut Queue> {
        let place = match self.last {
            Some((last, place)) if last == key => place,
            _ => self.find(key),
        };
        self.last = Some((key, place));
        self.queues.get_mut(place?).map(|(_, queue)| queue)
    }

    fn find(&mut self, key: QueueKey) -> Option<usize> {
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        let place = (self.known)(key).then(|| {
            let checkpoint = self.checkpoint.queues.get(&key).cloned().unwrap_or_default();
            self.queues.push((key, Queue::new(checkpoint)));
            self.queues.len() - 1
        });
        self.places.insert(key, place);
        place
    }

    /// What is live. Runs that were settled in part are read again and cut; live records are counted in the files.
    pub(super) fn finish(
        self,
        files: &FileTable,
        salvage: bool,
        unreadable: &mut Unreadable,
    ) -> Result<BTreeMap<QueueKey, RecoveredQueue>, OpenError> {
        let mut recovered = BTreeMap::new();
        for (key, queue) in self.queues {
            let cut = Cut { key, files, salvage };
            recovered.insert(key, cut.queue(queue, unreadable)?);
        }
        Ok(recovered)
    }
}

/// Spreads the numbers of queues, which are our own: nobody chooses them to collide. Measured: benches/store.rs.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        let spread = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = spread ^ (spread >> 32);
    }
}

impl RecoveryReport {
    pub(super) fn count(&mut self, frame: &FrameHeader) {
        self.frames += 1;
        self.records += u64::from(frame.records);
        self.bytes += u64::from(FRAME_HEADER) + u64::from(frame.body_length);
    }
}
