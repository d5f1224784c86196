//! From the records of the log, in their order, to what is live of each queue. Keeps runs of records, not records, and
//! does not read a message again unless its run was settled in part.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::RangeInclusive;

use super::error::{Damage, DamageKind, OpenError};
use super::ranges::{RangeSet, Share};
use super::{RecoveredQueue, RecoveryReport};
use crate::store::checkpoint::Checkpoint;
use crate::store::format::{FRAME_HEADER, FrameHeader, Raw, Record};
use crate::store::log::FileTable;
use crate::store::place::{Extent, Location, Position, QueueKey};

/// Bytes of an extent, unless a single record is larger.
const EXTENT_MAX: u32 = 1 << 20;
/// So many extents of a queue are looked through for settled ones.
const PRUNE_FROM: usize = 4096;

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

#[derive(Debug)]
struct Queue {
    extents: Vec<Extent>,
    segments: Vec<Extent>,
    settled: RangeSet,
    /// What was live in segments at the checkpoint.
    live: RangeSet,
    redelivered: RangeSet,
    next_sequence: u64,
    prune_at: usize,
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
                    queue.redelivered.insert(&(requeue.sequence..=requeue.sequence));
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
            self.queues.push((key, Queue::new(checkpoint.next_sequence, checkpoint.live.into_iter().collect())));
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
        damage: &mut Vec<Damage>,
    ) -> Result<BTreeMap<QueueKey, RecoveredQueue>, OpenError> {
        let mut recovered = BTreeMap::new();
        for (key, queue) in self.queues {
            let cut = Cut { key, files, salvage };
            recovered.insert(key, cut.queue(queue, damage)?);
        }
        Ok(recovered)
    }
}

impl Queue {
    fn new(next_sequence: u64, live: RangeSet) -> Self {
        Self {
            extents: Vec::new(),
            segments: Vec::new(),
            settled: RangeSet::default(),
            live,
            redelivered: RangeSet::default(),
            next_sequence,
            prune_at: PRUNE_FROM,
        }
    }

    fn put(&mut self, sequence: u64, place: Location) {
        self.next_sequence = self.next_sequence.max(sequence.saturating_add(1));
        append(&mut self.extents, sequence, place);
        if self.extents.len() >= self.prune_at {
            let settled = &self.settled;
            self.extents.retain(|extent| !settled.covers(&sequences(extent)));
            self.prune_at = PRUNE_FROM.max(self.extents.len() * 2);
        }
    }

    fn settle(&mut self, range: &RangeInclusive<u64>) {
        self.next_sequence = self.next_sequence.max(range.end().saturating_add(1));
        self.settled.insert(range);
    }
}

/// Adds a record, to the last extent when it goes on there.
fn append(extents: &mut Vec<Extent>, sequence: u64, place: Location) {
    if let Some(last) = extents.last_mut() {
        let end = last.location.offset.saturating_add(last.location.length);
        let length = last.location.length.saturating_add(place.length);
        let goes_on = last.location.file == place.file && end == place.offset;
        if goes_on && last.first.checked_add(u64::from(last.count)) == Some(sequence) && length <= EXTENT_MAX {
            last.count += 1;
            last.location.length = length;
            return;
        }
    }
    extents.push(Extent { first: sequence, count: 1, location: place });
}

fn sequences(extent: &Extent) -> RangeInclusive<u64> {
    extent.first..=extent.first.saturating_add(u64::from(extent.count.saturating_sub(1)))
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

/// The end of the replay of a queue.
struct Cut<'a> {
    key: QueueKey,
    files: &'a FileTable,
    salvage: bool,
}

impl Cut<'_> {
    fn queue(&self, mut queue: Queue, damage: &mut Vec<Damage>) -> Result<RecoveredQueue, OpenError> {
        let mut kept = Vec::new();
        for extent in &queue.segments {
            let range = sequences(extent);
            let part = match (queue.live.share(&range), queue.settled.share(&range)) {
                (Share::All, settled) => settled.of_the_rest(),
                (Share::None, _) | (_, Share::All) => Share::None,
                (Share::Some, Share::None | Share::Some) => Share::Some,
            };
            let keep = |sequence| queue.live.contains(sequence) && !queue.settled.contains(sequence);
            self.extent(extent, part, &keep, &mut kept, damage)?;
        }
        for extent in &queue.extents {
            let part = queue.settled.share(&sequences(extent)).of_the_rest();
            self.extent(extent, part, &|sequence| !queue.settled.contains(sequence), &mut kept, damage)?;
        }
        queue.extents = self.in_order(kept, damage)?;
        self.count_live(&queue.extents);
        let delivered = queue.redelivered.iter().filter(|range| !queue.settled.covers(range)).collect();
        Ok(RecoveredQueue { extents: queue.extents, next_sequence: queue.next_sequence, redelivered: delivered })
    }

    /// By sequence number, each number once: the first place of it counts.
    fn in_order(&self, mut extents: Vec<Extent>, damage: &mut Vec<Damage>) -> Result<Vec<Extent>, OpenError> {
        extents.sort_by_key(|extent| extent.first);
        let mut ordered: Vec<Extent> = Vec::with_capacity(extents.len());
        // No extent before began later, so that none of them leaves a gap between here and the end of the furthest.
        let mut taken = None;
        for extent in &extents {
            let range = sequences(extent);
            let part = match taken {
                Some(last) if last >= *range.end() => Share::None,
                Some(last) if last >= *range.start() => Share::Some,
                _ => Share::All,
            };
            self.extent(extent, part, &|sequence| taken < Some(sequence), &mut ordered, damage)?;
            taken = taken.max(Some(*range.end()));
        }
        Ok(ordered)
    }

    fn count_live(&self, extents: &[Extent]) {
        for run in extents.chunk_by(|one, next| one.location.file == next.location.file) {
            let file = run.first().and_then(|extent| self.files.get(extent.location.file));
            if let Some(file) = file {
                file.add_live(run.iter().map(|extent| u64::from(extent.count)).sum());
            }
        }
    }

    /// Keeps all of an extent, or nothing, or those records whose numbers are to be kept.
    fn extent(
        &self,
        extent: &Extent,
        part: Share,
        keep: &dyn Fn(u64) -> bool,
        kept: &mut Vec<Extent>,
        damage: &mut Vec<Damage>,
    ) -> Result<(), OpenError> {
        match part {
            Share::None => return Ok(()),
            Share::All => {
                kept.push(*extent);
                return Ok(());
            }
            Share::Some => {}
        }
        let read = self.files.read(self.key, extent, &mut |sequence, place, _| {
            if keep(sequence) {
                append(kept, sequence, place);
            }
        });
        match read {
            Err(error) if self.salvage => {
                let path = self.files.path(error.file).unwrap_or_default();
                damage.push(Damage { path, offset: error.offset, kind: DamageKind::Record });
                Ok(())
            }
            read => Ok(read?),
        }
    }
}

impl RecoveryReport {
    pub(super) fn count(&mut self, frame: &FrameHeader) {
        self.frames += 1;
        self.records += u64::from(frame.records);
        self.bytes += u64::from(FRAME_HEADER) + u64::from(frame.body_length);
    }
}
