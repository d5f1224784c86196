//! Opening the log: finds its files, tells a torn tail from damage, replays what is there into what is live, and copies
//! the tail that may not have been synced into a file of its own before anything is served.
//!
//! It writes nothing but that copy, whose header goes last: however often it is cut short, it begins again from the
//! same log.

mod chain;
mod check;
mod cut;
mod discover;
mod error;
mod frames;
mod queue;
pub(super) mod ranges;
mod replay;
mod tail;
#[cfg(test)]
mod tests;
mod tolerance;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use self::chain::Chain;
pub use self::check::{CheckReport, CheckedFile, CheckedQueue, check_log};
use self::cut::Unreadable;
pub use self::error::{Damage, DamageKind, Lost, OpenError};
use self::frames::Scan;
use self::replay::Replay;
use self::tail::Tail;
use self::tolerance::Tolerance;
use super::aside;
use super::checkpoint::Checkpoint;
use super::disk::{Disk, File};
use super::log::{FileTable, Log, Slots, StoredFile, Writer};
use super::options::Options;
use super::place::{Extent, FileNumber, Position, QueueKey};

/// See [`Log::append`].
const RECORD_BOUND: usize = 64;
/// See [`Log::append`].
const RANGE_BOUND: usize = 24;

/// A segment as its own directory describes it.
#[derive(Debug)]
pub struct OpenSegment {
    /// Which segment.
    pub number: FileNumber,
    /// The open file.
    pub file: Arc<dyn File>,
    /// Every extent in it, settled ones too.
    pub extents: Vec<(QueueKey, Extent)>,
}

/// What the log held.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The queues that are known and have records or a checkpoint.
    pub queues: BTreeMap<QueueKey, RecoveredQueue>,
    /// What was found on the way.
    pub report: RecoveryReport,
}

/// What is left of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveredQueue {
    /// The live messages by sequence number.
    pub extents: Vec<Extent>,
    /// Numbers from here on were never used, in any lane: the lanes of a queue share one counter.
    pub next_sequence: u64,
    /// Messages of which the log says that they were delivered before. After a stop that was not clean any may have been.
    pub redelivered: Vec<RangeInclusive<u64>>,
    /// How often live messages were delivered, by sequence number: of those that `Batch::requeue` told of.
    pub deliveries: BTreeMap<u64, u64>,
}

/// Figures for the log message at start.
#[derive(Debug, Default)]
pub struct RecoveryReport {
    /// Files of the log that were replayed.
    pub files: u64,
    /// Frames replayed.
    pub frames: u64,
    /// Records replayed.
    pub records: u64,
    /// Bytes of frames replayed.
    pub bytes: u64,
    /// Where the log ended, if it had begun: behind its last record, whatever idle seals come after it.
    pub end: Option<Position>,
    /// Bytes of frames copied since they may not have been synced.
    pub copied: u64,
    /// What was skipped; always empty unless salvaging.
    pub damage: Vec<Damage>,
    /// What was skipped since an earlier start was asked to, in files that are still there.
    pub given_up: Vec<Damage>,
}

/// Opens the log in `options.directory`: what it held, and the log, which goes on behind it. Queues that are not `known`
/// are ignored.
///
/// # Errors
/// The system's, and damage to what had been made durable, which is never cut off silently: only salvaging skips it.
pub fn open_log(
    disk: &Arc<dyn Disk>,
    options: &Options,
    checkpoint: &Checkpoint,
    segments: Vec<OpenSegment>,
    known: &dyn Fn(QueueKey) -> bool,
) -> Result<(Arc<Log>, Writer, Recovered), OpenError> {
    let found = discover::slots(&**disk, options)?;
    let headless: Vec<_> = found.headless.into_iter().map(|slot| slot.path).collect();
    let renamed = aside::rename(&**disk, &options.directory, &headless);
    renamed.map_err(|source| OpenError::io(&options.directory, "rename what is damaged", source))?;
    let mut report = RecoveryReport { damage: found.damage, ..RecoveryReport::default() };
    let tolerance = Tolerance::new(options, checkpoint);
    let mut chain = Chain::link(found.slots, checkpoint, &mut |number| {
        tolerance.pass(chain::missing(&options.directory, number), &mut report.damage)
    })?;
    let tail = chain.find_ends(options, tolerance, checkpoint.reached, &mut report.damage)?;
    let files = FileTable::default();
    let mut replay = Replay::new(checkpoint, known);
    replay_files(&chain, tail.as_ref(), &mut replay, tolerance, &mut report)?;
    let slots = Slots::new(Arc::clone(disk), options, std::mem::take(&mut chain.free), found.next_name);
    let how = (options, tolerance);
    let (current, superseded) = tail::rewrite(&mut chain, tail.as_ref(), &slots, &mut replay, how, &mut report)?;
    for file in chain.files {
        files.insert(StoredFile::log(file.header.number, file.slot));
    }
    for segment in segments {
        replay.segment(&segment.extents);
        files.insert(StoredFile::segment(segment.number, segment.file, 0));
    }
    let end = current.end;
    let current = files.insert(StoredFile::log(end.file(), current.slot));
    let mut unreadable = Unreadable::default();
    let queues = replay.finish(&files, options.salvage, &mut unreadable)?;
    report.damage.append(&mut unreadable.damage);
    if let Some(slot) = superseded {
        slots.release(slot.clone()).map_err(|source| OpenError::io(&slot.path, "cut back", source))?;
    }
    // The last file is gone through twice.
    let mut seen = BTreeSet::new();
    report.damage.retain(|damage| seen.insert((damage.path.clone(), damage.offset, damage.position)));
    report.given_up = report.damage.extract_if(.., |damage| tolerance.is_given_up(damage)).collect();
    let (log, writer) = Log::new(&current, end, files, slots);
    settle_lost(&log, &unreadable);
    Ok((log, writer, Recovered { queues, report }))
}

/// Settles messages that are lost, so that the next start does not look for them.
fn settle_lost(log: &Log, unreadable: &Unreadable) {
    for (queue, lost) in &unreadable.lost {
        let ranges: Vec<_> = lost.iter().collect();
        log.append(RECORD_BOUND + ranges.len() * RANGE_BOUND, false, |batch| batch.settle(*queue, &ranges));
    }
}

/// Replays what stays where it is: all files, the last one up to where its copy begins.
fn replay_files(
    chain: &Chain,
    tail: Option<&Tail>,
    replay: &mut Replay<'_>,
    tolerance: Tolerance<'_>,
    report: &mut RecoveryReport,
) -> Result<(), OpenError> {
    report.end = chain.files.last().zip(tail).map(|(last, tail)| Position::new(last.header.number, tail.content_end));
    for file in &chain.files {
        let Some(end) = file.end.or_else(|| Some(tail?.copy_from)) else { continue };
        let mut scan = Scan::new(file, tolerance)?;
        report.files += 1;
        while let Some((frame, body)) = scan.next(end, &mut report.damage)? {
            replay.frame(&frame, frame.position, body).map_err(|offset| file.damage(offset, DamageKind::Record))?;
            report.count(&frame);
        }
    }
    Ok(())
}
