//! Looking through a log without opening it: what is in its files, what of it is live, what is damaged. Writes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::chain::{self, Chain};
use super::cut::Unreadable;
use super::discover;
use super::error::{Damage, DamageKind, OpenError};
use super::frames::Scan;
use super::replay::Replay;
use super::tail::Tail;
use super::tolerance::Tolerance;
use super::{OpenSegment, RecoveryReport};
use crate::store::checkpoint::Checkpoint;
use crate::store::disk::Disk;
use crate::store::format::CONTENT_START;
use crate::store::log::{FileTable, StoredFile};
use crate::store::options::Options;
use crate::store::place::{Extent, FileNumber, QueueKey};

/// What was found in a log.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// The files that make up the log, in order.
    pub files: Vec<CheckedFile>,
    /// Files that hold nothing of it and will be used again.
    pub free: Vec<PathBuf>,
    /// Every queue that the log or the checkpoint knows, whether or not there are definitions for it.
    pub queues: BTreeMap<QueueKey, CheckedQueue>,
    /// What had been made durable and is not what was written, or cannot be read. Empty in a sound log.
    pub damage: Vec<Damage>,
}

/// A file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedFile {
    /// Its name.
    pub path: PathBuf,
    /// Which file of the log it holds.
    pub number: FileNumber,
    /// Frames that verify.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Where its content ends.
    pub end: u64,
}

/// What a queue has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckedQueue {
    /// Live messages.
    pub messages: u64,
    /// Bytes of their records.
    pub bytes: u64,
    /// Runs that they lie in.
    pub extents: u64,
    /// Numbers from here on were never used, in any lane.
    pub next_sequence: u64,
}

/// Looks through the log in `options.directory`, damaged or not. No server may have it open meanwhile.
///
/// # Errors
/// The system's, and files of which nothing can be said: of another version, or in no order.
pub fn check_log(
    disk: &dyn Disk,
    options: &Options,
    checkpoint: &Checkpoint,
    segments: Vec<OpenSegment>,
) -> Result<CheckReport, OpenError> {
    let options = Options { salvage: true, ..options.clone() };
    let found = discover::slots(disk, &options)?;
    let mut report = CheckReport { damage: found.damage, ..CheckReport::default() };
    let chain = Chain::link(found.slots, checkpoint, &mut |number| {
        report.damage.push(chain::missing(&options.directory, number));
        Ok(())
    })?;
    let mut replay = Replay::new(checkpoint, &|_| true);
    frames(&chain, &options, checkpoint, &mut replay, &mut report)?;
    report.free = chain.free.into_iter().map(|slot| slot.path).collect();
    let files = FileTable::default();
    for file in chain.files {
        files.insert(StoredFile::log(file.header.number, file.slot));
    }
    for segment in segments {
        replay.segment(&segment.extents);
        files.insert(StoredFile::segment(segment.number, segment.file, 0));
    }
    let mut unreadable = Unreadable::default();
    let queues = replay.finish(&files, true, &mut unreadable)?;
    report.damage.append(&mut unreadable.damage);
    for (key, queue) in queues {
        let mut checked = CheckedQueue { next_sequence: queue.next_sequence, ..CheckedQueue::default() };
        for extent in &queue.extents {
            verify_moved(&files, key, extent, &mut report.damage);
            checked.messages += u64::from(extent.count);
            checked.bytes += u64::from(extent.location.length);
            checked.extents += 1;
        }
        report.queues.insert(key, checked);
    }
    Ok(report)
}

/// Reads live records of a segment. Those in the log have been verified with their frames.
fn verify_moved(files: &FileTable, queue: QueueKey, extent: &Extent, damage: &mut Vec<Damage>) {
    let file = extent.location.file;
    if !file.is_segment() {
        return;
    }
    if let Err(error) = files.read(queue, extent, &mut |_, _, _| ()) {
        let path = files.path(file).unwrap_or_default();
        damage.push(Damage { path, position: None, offset: error.offset, kind: DamageKind::Record, lost: None });
    }
}

/// Replays all files where they are, the last one up to its end.
fn frames(
    chain: &Chain,
    options: &Options,
    checkpoint: &Checkpoint,
    replay: &mut Replay<'_>,
    report: &mut CheckReport,
) -> Result<(), OpenError> {
    let tolerance = Tolerance::new(options, checkpoint);
    for file in &chain.files {
        let end = match file.end {
            Some(end) => end,
            // The damage that this meets is met again below.
            None => Tail::examine(file, options, tolerance, checkpoint.reached, &mut Vec::new())?.end,
        };
        let mut counts = RecoveryReport::default();
        let mut scan = Scan::new(file, tolerance)?;
        while let Some((frame, body)) = scan.next(end, &mut report.damage)? {
            match replay.frame(&frame, frame.position, body) {
                Ok(()) => counts.count(&frame),
                Err(offset) => report.damage.push(file.damage(offset, DamageKind::Record)),
            }
        }
        report.files.push(CheckedFile {
            path: file.slot.path.clone(),
            number: file.header.number,
            frames: counts.frames,
            records: counts.records,
            bytes: counts.bytes,
            end: u64::from(end.max(CONTENT_START)),
        });
    }
    Ok(())
}
