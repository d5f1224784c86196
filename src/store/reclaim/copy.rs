//! Copying live records into segments, in the order of queues and sequence numbers. Remembers where each went; what
//! becomes of that is not decided here.

use std::collections::VecDeque;
use std::sync::Arc;

use super::ReclaimOptions;
use super::holders::Held;
use super::plan::SegmentSize;
use crate::store::disk::Disk;
use crate::store::format::{Put, Raw, Record, put};
use crate::store::log::{Log, ReadError, ReadProblem};
use crate::store::place::{Extent, FileNumber, Location, QueueKey};
use crate::store::segment::{EXTENT_MAX, SegmentError, SegmentWriter};

use super::error::ReclaimError;

/// Records that lie no further apart are read together: a page is read in any case.
const GAP_MAX: u32 = 4096;

/// Something to copy: a run, or one record whose place is known by itself.
#[derive(Clone, Copy, Debug)]
struct Item {
    extent: Extent,
    single: bool,
}

/// Where records of a queue went from one file to another.
#[derive(Debug)]
pub(super) struct Move {
    pub(super) queue: QueueKey,
    pub(super) from: FileNumber,
    pub(super) to: FileNumber,
    pub(super) extents: Vec<Extent>,
    pub(super) singles: Vec<(u64, Location)>,
}

/// A segment that was written.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) number: FileNumber,
    pub(super) size: SegmentSize,
    /// How many of its records the queues took it as the place of.
    pub(super) moved: u64,
}

/// The copying of one pass.
#[derive(Debug)]
pub(super) struct Copier {
    disk: Arc<dyn Disk>,
    log: Arc<Log>,
    options: ReclaimOptions,
    next_segment: FileNumber,
    queue: QueueKey,
    items: VecDeque<Item>,
    writer: Option<SegmentWriter>,
    pub(super) targets: Vec<Target>,
    pub(super) moves: Vec<Move>,
    /// Records that are not what was written: copied as they are.
    pub(super) damaged: Vec<ReadError>,
    read: Vec<u8>,
    encoded: Vec<u8>,
}

impl Copier {
    /// Nothing to copy so far; segments count up from `next_segment`.
    pub(super) fn new(
        disk: &Arc<dyn Disk>,
        log: &Arc<Log>,
        options: &ReclaimOptions,
        next_segment: FileNumber,
    ) -> Self {
        Self {
            disk: Arc::clone(disk),
            log: Arc::clone(log),
            options: options.clone(),
            next_segment,
            queue: QueueKey(0),
            items: VecDeque::new(),
            writer: None,
            targets: Vec::new(),
            moves: Vec::new(),
            damaged: Vec::new(),
            read: Vec::new(),
            encoded: Vec::new(),
        }
    }

    /// Takes up what a queue holds, all files together; the one before is done with.
    pub(super) fn take(&mut self, queue: QueueKey, held: impl Iterator<Item = Held>) {
        debug_assert!(self.items.is_empty(), "the queue before is not done");
        let mut items = Vec::new();
        for held in held {
            items.extend(held.extents.iter().map(|extent| Item { extent: *extent, single: false }));
            items.extend(held.singles.iter().map(|(sequence, location)| Item {
                extent: Extent { first: *sequence, count: 1, location: *location },
                single: true,
            }));
        }
        items.sort_unstable_by_key(|item| item.extent.first);
        (self.queue, self.items) = (queue, items.into());
    }

    pub(super) fn is_done(&self) -> bool {
        self.items.is_empty()
    }

    /// The segment to begin next.
    pub(super) fn next_segment(&self) -> FileNumber {
        self.next_segment
    }

    /// Copies what one read brings, up to a megabyte; how many bytes.
    pub(super) fn work(&mut self) -> Result<u32, ReclaimError> {
        let (group, span) = self.next_group();
        let mut bytes = std::mem::take(&mut self.read);
        let copied = self.copy_group(&group, span, &mut bytes);
        self.read = bytes;
        // A large record may have made them large.
        self.read.shrink_to(2 << 20);
        self.encoded.shrink_to(2 << 20);
        copied.map(|()| span.length)
    }

    /// Makes the last segment last.
    pub(super) fn finish(&mut self) -> Result<(), ReclaimError> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let bytes = u64::from(writer.length());
        let finished = writer.finish()?;
        self.log.add_segment(finished.number, finished.file, finished.records);
        let size = SegmentSize { records: finished.records, bytes };
        self.targets.push(Target { number: finished.number, size, moved: 0 });
        Ok(())
    }

    /// The next items that lie close together, and the bytes that hold them all.
    fn next_group(&mut self) -> (Vec<Item>, Location) {
        let Some(first) = self.items.pop_front() else {
            return (Vec::new(), Location { file: FileNumber(0), offset: 0, length: 0 });
        };
        let mut span = first.extent.location;
        let mut group = vec![first];
        while let Some(next) = self.items.front() {
            let Some(joined) = joined(span, next.extent.location) else { break };
            span = joined;
            group.extend(self.items.pop_front());
        }
        (group, span)
    }

    fn copy_group(&mut self, group: &[Item], span: Location, bytes: &mut Vec<u8>) -> Result<(), ReclaimError> {
        if group.is_empty() {
            return Ok(());
        }
        self.log.read_raw(span, bytes)?;
        for item in group {
            let start = usize::try_from(item.extent.location.offset - span.offset).unwrap_or(usize::MAX);
            let length = usize::try_from(item.extent.location.length).unwrap_or(usize::MAX);
            let records = bytes.get(start..).and_then(|rest| rest.get(..length)).unwrap_or_default();
            self.copy_item(item, records)?;
        }
        Ok(())
    }

    /// Copies the records of a run, or one. Runs do not straddle segments, so that a queue that passes over a run leaves
    /// one count to be put right.
    fn copy_item(&mut self, item: &Item, records: &[u8]) -> Result<(), ReclaimError> {
        let place = item.extent.location;
        self.make_room(place.length)?;
        let (mut rest, mut offset) = (records, place.offset);
        let end = item.extent.first.saturating_add(u64::from(item.extent.count));
        let mut next = item.extent.first;
        while next < end {
            let Some((raw, record, behind)) = intact(rest) else {
                self.damaged.push(ReadError {
                    file: place.file,
                    offset: u64::from(offset),
                    problem: ReadProblem::Damaged,
                });
                let count = u32::try_from(end - next).unwrap_or(u32::MAX);
                return self.copy_damaged(item, next, count, rest);
            };
            if let Record::Put(message) = record
                && message.targets().any(|target| target == (self.queue, next))
            {
                self.copy_record(item, next, &message, rest.get(..rest.len() - behind.len()).unwrap_or_default())?;
                next += 1;
            }
            offset = offset.saturating_add(raw.len());
            rest = behind;
        }
        Ok(())
    }

    /// A record for this queue alone is copied as it is.
    fn copy_record(&mut self, item: &Item, sequence: u64, message: &Put<'_>, raw: &[u8]) -> Result<(), ReclaimError> {
        let mut encoded = std::mem::take(&mut self.encoded);
        let record = if message.targets().nth(1).is_none() {
            raw
        } else {
            encoded.clear();
            put(&mut encoded, &[(self.queue, sequence)], message.transient, &[message.payload]);
            &encoded
        };
        let queue = self.queue;
        let place = self.write(|writer| writer.append(queue, sequence, message.transient, record));
        self.encoded = encoded;
        self.note(item, Extent { first: sequence, count: 1, location: place? });
        Ok(())
    }

    /// The rest of a run with a damaged record: nobody can tell the records behind it apart, and nobody could before.
    fn copy_damaged(&mut self, item: &Item, first: u64, count: u32, rest: &[u8]) -> Result<(), ReclaimError> {
        let queue = self.queue;
        let location = self.write(|writer| writer.append_many(queue, first, count, false, rest))?;
        self.note(item, Extent { first, count, location });
        Ok(())
    }

    fn make_room(&mut self, bytes: u32) -> Result<(), ReclaimError> {
        let limit = self.options.segment_size;
        if self.writer.as_ref().is_some_and(|writer| !writer.has_room(bytes, limit)) {
            self.finish()?;
        }
        if self.writer.is_none() {
            let number = self.next_segment;
            self.next_segment = FileNumber::segment(number.number() + 1);
            let created = SegmentWriter::create(&self.disk, self.options.directory.clone(), number);
            self.writer = Some(created?);
        }
        Ok(())
    }

    fn write<T>(
        &mut self,
        write: impl FnOnce(&mut SegmentWriter) -> Result<T, SegmentError>,
    ) -> Result<T, ReclaimError> {
        let Some(writer) = self.writer.as_mut() else {
            return Err(ReclaimError::FailedBefore);
        };
        Ok(write(writer)?)
    }

    /// Remembers where a piece went.
    fn note(&mut self, item: &Item, piece: Extent) {
        let (from, to) = (item.extent.location.file, piece.location.file);
        let of_queue = self.moves.iter().rposition(|known| known.queue != self.queue).map_or(0, |before| before + 1);
        let known = self.moves.get(of_queue..).unwrap_or_default();
        let at = known.iter().position(|known| (known.from, known.to) == (from, to)).map(|at| at + of_queue);
        let at = at.unwrap_or_else(|| {
            self.moves.push(Move { queue: self.queue, from, to, extents: Vec::new(), singles: Vec::new() });
            self.moves.len() - 1
        });
        let Some(known) = self.moves.get_mut(at) else { return };
        if item.single {
            known.singles.push((piece.first, piece.location));
            return;
        }
        // A piece begins with its run: a run that the queue has taken up meanwhile must not stop the others.
        let begins = piece.first == item.extent.first;
        match known.extents.last_mut().filter(|_| !begins).and_then(|last| Some((joined_pieces(last, &piece)?, last))) {
            Some((whole, last)) => *last = whole,
            None => known.extents.push(piece),
        }
    }
}

/// The record in front of `bytes`, if it is what was written.
fn intact(bytes: &[u8]) -> Option<(Raw<'_>, Record<'_>, &[u8])> {
    let (raw, behind) = Raw::split(bytes).ok()?;
    let record = raw.verifies().then(|| raw.parse().ok())??;
    Some((raw, record, behind))
}

/// Both places in one read.
fn joined(span: Location, next: Location) -> Option<Location> {
    let end = span.offset.checked_add(span.length)?;
    let gap = next.offset.checked_sub(end)?;
    let length = span.length.checked_add(gap)?.checked_add(next.length)?;
    (span.file == next.file && gap <= GAP_MAX && length <= EXTENT_MAX).then_some(Location { length, ..span })
}

fn joined_pieces(last: &Extent, next: &Extent) -> Option<Extent> {
    let length = last.location.length.checked_add(next.location.length)?;
    let location = Location { length, ..last.location };
    (length <= EXTENT_MAX).then_some(Extent { first: last.first, count: last.count + next.count, location })
}
