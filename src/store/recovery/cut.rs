//! The end of a replay: from the runs of records of a queue and what was settled, to what is live, by sequence number.

use super::RecoveredQueue;
use super::error::{Damage, DamageKind, OpenError};
use super::queue::{Queue, append, sequences};
use super::ranges::Share;
use crate::store::log::FileTable;
use crate::store::place::{Extent, QueueKey};

/// The end of the replay of a queue.
pub(super) struct Cut<'a> {
    pub(super) key: QueueKey,
    pub(super) files: &'a FileTable,
    pub(super) salvage: bool,
}

impl Cut<'_> {
    /// What is left of the queue; counts it in the files.
    pub(super) fn queue(&self, mut queue: Queue, damage: &mut Vec<Damage>) -> Result<RecoveredQueue, OpenError> {
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
                damage.push(Damage {
                    path,
                    position: None,
                    offset: error.offset,
                    kind: DamageKind::Record,
                    lost: None,
                });
                Ok(())
            }
            read => Ok(read?),
        }
    }
}
