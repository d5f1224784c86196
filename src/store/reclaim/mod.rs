//! Reclamation: the oldest file of the log is emptied into segments and becomes free, segments without much in them are
//! emptied, too, and those without anything are removed. Owns the order in which that is safe; the log's files and the
//! format of segments are others'.

mod copy;
mod error;
mod holders;
mod landed;
mod options;
mod pass;
mod plan;
mod relocate;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use self::copy::Copier;
pub use self::error::ReclaimError;
pub use self::holders::{Held, Holders};
use self::landed::{Unexplained, all_landed};
pub use self::options::ReclaimOptions;
pub use self::pass::Reclaimed;
use self::pass::{Pass, Stage};
use self::plan::{Plan, SegmentSize, Segments};
use super::checkpoint::Checkpoint;
use super::disk::Disk;
use super::log::Log;
use super::meta::{CheckpointChange, Meta};
use super::place::{FileNumber, Position, QueueKey};
use super::recovery::OpenSegment;
use super::segment::{SegmentError, SegmentOperation, discard, path_of};

/// So many times the queues are told new places before a file is kept for those who do not take them.
const ROUNDS: u32 = 100;

/// Empties files, step by step, on a thread that may wait for the disk. One for a log.
#[derive(Debug)]
pub struct Reclaim {
    disk: Arc<dyn Disk>,
    log: Arc<Log>,
    options: ReclaimOptions,
    /// The last one committed.
    checkpoint: Checkpoint,
    segments: Segments,
    next_segment: FileNumber,
    unexplained: Option<Unexplained>,
    pass: Option<Pass>,
    /// The last pass found no room to copy to: what needs none goes first.
    full: bool,
    failed: bool,
}

/// What a step came to.
#[derive(Debug)]
pub enum Progress {
    /// There is nothing to do.
    Idle,
    /// There is more to do at once.
    Working,
    /// Nothing can be done until the log is durable up to there.
    Waiting(Position),
    /// The oldest file cannot be emptied yet, since something that was appended to it has not come to its queue.
    Later,
    /// A pass is over.
    Done(Reclaimed),
}

impl Reclaim {
    /// For a log that was recovered upon `checkpoint` and the segments that it lists.
    #[must_use]
    pub fn new(
        disk: Arc<dyn Disk>,
        log: Arc<Log>,
        options: ReclaimOptions,
        checkpoint: Checkpoint,
        segments: SegmentSizes,
    ) -> Self {
        let last = segments.0.keys().chain(&checkpoint.segments).max();
        let next_segment = FileNumber::segment(last.map_or(1, |last| last.number() + 1));
        Self {
            disk,
            log,
            options,
            checkpoint,
            segments: segments.0,
            next_segment,
            unexplained: None,
            pass: None,
            full: false,
            failed: false,
        }
    }

    /// Whether a step would find something to do. Cheap enough to be asked every 100 ms.
    #[must_use]
    pub fn needs_work(&self) -> bool {
        self.pass.is_some() || self.plan(true).is_some()
    }

    /// Does a part of the work that takes some milliseconds: about a megabyte is copied, or a file is made to last, or
    /// the queues are told new places.
    ///
    /// `now` is the time of a clock that never goes back.
    ///
    /// # Errors
    /// When `is_fatal`, the process has to end. Otherwise the pass was given up with nothing changed: call again later.
    pub fn step(&mut self, now: Duration, holders: &dyn Holders, meta: &Meta) -> Result<Progress, ReclaimError> {
        if self.failed {
            return Err(ReclaimError::FailedBefore);
        }
        let Some(mut pass) = self.pass.take() else { return Ok(self.begin(now, holders)) };
        match self.advance(&mut pass, holders, meta) {
            Ok(progress @ Progress::Done(_)) => Ok(progress),
            Ok(progress) => {
                self.pass = Some(pass);
                Ok(progress)
            }
            Err(error) => {
                self.failed = error.is_fatal();
                self.full = matches!(error, ReclaimError::NoSpace(_));
                if !self.failed {
                    self.give_up(&pass);
                }
                Err(error)
            }
        }
    }

    fn plan(&self, copy: bool) -> Option<Plan> {
        Plan::make(&self.log, &self.segments, self.checkpoint.first_file, &self.options, copy)
    }

    fn begin(&mut self, now: Duration, holders: &dyn Holders) -> Progress {
        let frees_alone =
            if std::mem::take(&mut self.full) { self.plan(false).and_then(Plan::without_copying) } else { None };
        let Some(mut plan) = frees_alone.or_else(|| self.plan(true)) else { return Progress::Idle };
        let mut queues: BTreeSet<QueueKey> = holders.holders().into_iter().collect();
        queues.extend(self.checkpoint.queues.keys());
        if let Some(source) = plan.source
            && !all_landed(&self.log, holders, &queues, source, &mut self.unexplained, now)
        {
            match self.plan(false) {
                Some(rest) => plan = rest,
                None => return Progress::Later,
            }
        }
        let copier = Copier::new(&self.disk, &self.log, &self.options, self.next_segment);
        self.pass = Some(Pass::new(plan, copier, &queues));
        Progress::Working
    }

    fn advance(&mut self, pass: &mut Pass, holders: &dyn Holders, meta: &Meta) -> Result<Progress, ReclaimError> {
        match pass.stage {
            Stage::Copy => {
                if pass.copy(holders, &self.checkpoint)? {
                    holders.settled();
                    pass.stage = Stage::Barrier(self.log.end());
                }
                Ok(Progress::Working)
            }
            // A message may have moved from a queue, whose part in the checkpoint is without it, to another one by an
            // append that is not durable: its old record may go only when the new one lasts.
            Stage::Barrier(position) if self.log.durable() < position => Ok(Progress::Waiting(position)),
            Stage::Barrier(_) => {
                let change = pass.change();
                meta.commit_checkpoint(&change)?;
                self.committed(pass, change);
                pass.stage = Stage::Tell(0);
                Ok(Progress::Working)
            }
            Stage::Tell(round) => {
                let told = pass.tell(round, &self.log, holders);
                if told || round >= ROUNDS {
                    return self.end(pass, holders);
                }
                pass.stage = Stage::Tell(round + 1);
                Ok(Progress::Working)
            }
        }
    }

    fn committed(&mut self, pass: &Pass, change: CheckpointChange) {
        self.next_segment = pass.copier.next_segment();
        self.checkpoint.first_file = change.first_file;
        let listed = |number: &FileNumber| !change.segments_removed.contains(number);
        self.checkpoint.segments.retain(listed);
        self.checkpoint.segments.extend(change.segments_added);
        for (queue, state) in change.queues {
            match state {
                Some(state) => self.checkpoint.queues.insert(queue, state),
                None => self.checkpoint.queues.remove(&queue),
            };
        }
        self.segments.retain(|number, _| listed(number));
        self.segments.extend(pass.copier.targets.iter().map(|target| (target.number, target.size)));
    }

    /// Gives up the files that nobody points to any more.
    fn end(&self, pass: &mut Pass, holders: &dyn Holders) -> Result<Progress, ReclaimError> {
        pass.copier.settle_counts(&self.log);
        let mut report = pass.report();
        let moves = &pass.copier.moves;
        let in_use = |file: FileNumber| {
            moves.iter().any(|known| known.from == file && !holders.held(known.queue, file).is_empty())
        };
        for file in pass.plan.freed.iter().chain(&pass.plan.sparse).chain(&pass.plan.dead) {
            if in_use(*file) {
                report.kept.push(*file);
                continue;
            }
            self.log.forget(*file).map_err(|source| ReclaimError::Free { file: *file, source })?;
            if file.is_segment() {
                self.remove(*file).map_err(ReclaimError::Segment)?;
            }
        }
        Ok(Progress::Done(report))
    }

    fn remove(&self, segment: FileNumber) -> Result<(), SegmentError> {
        let path = path_of(&self.options.directory, segment);
        match self.disk.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(SegmentError::io(&path, SegmentOperation::Remove)(error))
            }
            _ => Ok(()),
        }
    }

    /// Takes back what a pass has written that will not be committed.
    fn give_up(&mut self, pass: &Pass) {
        for number in pass.first_segment.number()..pass.copier.next_segment().number() {
            let number = FileNumber::segment(number);
            let _ = self.log.forget(number);
            discard(&*self.disk, &self.options.directory, number);
        }
        self.next_segment = pass.copier.next_segment();
    }
}

/// What the segments of a checkpoint held when they were written.
#[derive(Clone, Debug, Default)]
pub struct SegmentSizes(Segments);

impl SegmentSizes {
    /// Of segments as they were opened.
    #[must_use]
    pub fn of(segments: &[OpenSegment]) -> Self {
        let size = |segment: &OpenSegment| SegmentSize {
            records: segment.extents.iter().map(|(_, extent)| u64::from(extent.count)).sum(),
            bytes: segment.extents.iter().map(|(_, extent)| u64::from(extent.location.length)).sum(),
        };
        Self(segments.iter().map(|segment| (segment.number, size(segment))).collect())
    }
}
