//! One pass: copy, wait until nothing that the checkpoint says rests on records that are not durable, commit, tell the
//! queues, and only then give up what was emptied.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::copy::Copier;
use super::holders::{Held, Holders};
use super::plan::Plan;
use crate::store::checkpoint::{Checkpoint, QueueCheckpoint};
use crate::store::log::{Log, ReadError};
use crate::store::meta::CheckpointChange;
use crate::store::place::{FileNumber, Position, QueueKey};
use crate::store::recovery::ranges::RangeSet;

use super::error::ReclaimError;

/// Bytes copied in one step.
const STEP_BYTES: u32 = 1 << 20;
/// Queues asked in one step.
const STEP_QUEUES: usize = 1000;

/// A pass under way.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) plan: Plan,
    pub(super) copier: Copier,
    pub(super) stage: Stage,
    /// The first segment number of this pass.
    pub(super) first_segment: FileNumber,
    /// Those that are still to be asked, the next one last.
    queues: Vec<QueueKey>,
    /// What the checkpoint is to say of queues, where it differs.
    changes: BTreeMap<QueueKey, Option<QueueCheckpoint>>,
}

/// How far a pass is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Records are copied.
    Copy,
    /// Everything before this position has to be durable before the checkpoint is written.
    Barrier(Position),
    /// Committed; queues were told so many times.
    Tell(u32),
}

/// What a pass did.
#[derive(Debug, Default)]
pub struct Reclaimed {
    /// Files of the log that became free.
    pub log_files: usize,
    /// Segments written.
    pub segments_written: usize,
    /// Segments removed.
    pub segments_removed: usize,
    /// Records copied.
    pub records: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Live records that are not what was written; their bytes were copied as they are.
    pub damaged: Vec<ReadError>,
    /// Files that some queue did not let go of: they are kept until the next start.
    pub kept: Vec<FileNumber>,
}

impl Pass {
    pub(super) fn new(plan: Plan, copier: Copier, queues: &BTreeSet<QueueKey>) -> Self {
        let first_segment = copier.next_segment();
        let queues = queues.iter().rev().copied().collect();
        Self { plan, copier, stage: Stage::Copy, first_segment, queues, changes: BTreeMap::new() }
    }

    /// Copies about a megabyte; true when everything has been copied and lasts.
    pub(super) fn copy(&mut self, holders: &dyn Holders, checkpoint: &Checkpoint) -> Result<bool, ReclaimError> {
        let (mut bytes, mut asked) = (0, 0);
        while bytes < STEP_BYTES && asked < STEP_QUEUES {
            if !self.copier.is_done() {
                bytes += self.copier.work()?;
                continue;
            }
            let Some(queue) = self.queues.pop() else {
                self.copier.finish()?;
                return Ok(true);
            };
            self.ask(queue, holders, checkpoint);
            asked += 1;
        }
        Ok(false)
    }

    /// What is the queue's to copy, and what the checkpoint is to say of it.
    ///
    /// What is held is asked first and may be settled by the time of the snapshot: that settle is in a file of the log
    /// that stays, and a restart replays it.
    fn ask(&mut self, queue: QueueKey, holders: &dyn Holders, checkpoint: &Checkpoint) {
        let held: Vec<Held> = self.plan.sources().map(|file| holders.held(queue, file)).collect();
        let snapshot = holders.snapshot(queue).map(|snapshot| QueueCheckpoint {
            live: held.iter().flat_map(ranges).chain(snapshot.live).collect::<RangeSet>().iter().collect(),
            ..snapshot
        });
        if snapshot.as_ref() != checkpoint.queues.get(&queue) {
            self.changes.insert(queue, snapshot);
        }
        self.copier.take(queue, held.into_iter());
    }

    /// What the checkpoint has to become.
    pub(super) fn change(&mut self) -> CheckpointChange {
        CheckpointChange {
            first_file: self.plan.first_file,
            segments_added: self.copier.targets.iter().map(|target| target.number).collect(),
            segments_removed: self.plan.sparse.iter().chain(&self.plan.dead).copied().collect(),
            queues: std::mem::take(&mut self.changes),
        }
    }

    /// Tells the queues the new places; true when none holds an old one.
    pub(super) fn tell(&mut self, round: u32, log: &Log, holders: &dyn Holders) -> bool {
        if round == 0 {
            self.copier.tell(log, holders);
        }
        self.copier.tell_the_rest(log, holders) == 0
    }

    pub(super) fn report(&mut self) -> Reclaimed {
        Reclaimed {
            log_files: self.plan.freed.len(),
            segments_written: self.copier.targets.len(),
            segments_removed: self.plan.sparse.len() + self.plan.dead.len(),
            records: self.copier.targets.iter().map(|target| target.size.records).sum(),
            bytes: self.copier.targets.iter().map(|target| target.size.bytes).sum(),
            damaged: std::mem::take(&mut self.copier.damaged),
            kept: Vec::new(),
        }
    }
}

fn ranges(held: &Held) -> impl Iterator<Item = RangeInclusive<u64>> {
    let extents = held.extents.iter().filter(|extent| extent.count > 0);
    let extents = extents.map(|extent| extent.first..=extent.first.saturating_add(u64::from(extent.count) - 1));
    extents.chain(held.singles.iter().map(|(sequence, _)| *sequence..=*sequence))
}
