//! The end of a replay: from the runs of records of a queue and what was settled, to what is live, by sequence number.

use std::collections::BTreeMap;

use super::RecoveredQueue;
use super::error::{Damage, DamageKind, OpenError};
use super::queue::{Queue, append, sequences};
use super::ranges::{RangeSet, Share};
use crate::store::log::FileTable;
use crate::store::place::{Extent, QueueKey};

/// What the cuts came upon that cannot be read.
#[derive(Debug, Default)]
pub(super) struct Unreadable {
    pub(super) damage: Vec<Damage>,
    /// Live messages that are not kept because of it.
    pub(super) lost: BTreeMap<QueueKey, RangeSet>,
}

/// The end of the replay of a queue.
pub(super) struct Cut<'a> {
    pub(super) key: QueueKey,
    pub(super) files: &'a FileTable,
    pub(super) salvage: bool,
}

impl Cut<'_> {
    /// What is left of the queue; counts it in the files.
    pub(super) fn queue(&self, mut queue: Queue, unreadable: &mut Unreadable) -> Result<RecoveredQueue, OpenError> {
        let mut kept = Vec::new();
        for extent in &queue.segments {
            let range = sequences(extent);
            let part = match (queue.live.share(&range), queue.settled.share(&range)) {
                (Share::All, settled) => settled.of_the_rest(),
                (Share::None, _) | (_, Share::All) => Share::None,
                (Share::Some, Share::None | Share::Some) => Share::Some,
            };
            let keep = |sequence| queue.live.contains(sequence) && !queue.settled.contains(sequence);
            self.extent(extent, part, &keep, &mut kept, unreadable)?;
        }
        for extent in &queue.extents {
            let part = queue.settled.share(&sequences(extent)).of_the_rest();
            self.extent(extent, part, &|sequence| !queue.settled.contains(sequence), &mut kept, unreadable)?;
        }
        queue.extents = self.in_order(kept, unreadable)?;
        self.count_live(&queue.extents);
        let delivered = queue.redelivered.iter().filter(|range| !queue.settled.covers(range)).collect();
        queue.deliveries.retain(|sequence, _| is_in(&queue.extents, *sequence));
        Ok(RecoveredQueue {
            extents: queue.extents,
            next_sequence: queue.next_sequence,
            redelivered: delivered,
            deliveries: queue.deliveries,
        })
    }

    /// By sequence number, each number once: the first place of it counts.
    fn in_order(&self, mut extents: Vec<Extent>, unreadable: &mut Unreadable) -> Result<Vec<Extent>, OpenError> {
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
            self.extent(extent, part, &|sequence| taken < Some(sequence), &mut ordered, unreadable)?;
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
        unreadable: &mut Unreadable,
    ) -> Result<(), OpenError> {
        match part {
            Share::None => return Ok(()),
            Share::All => {
                kept.push(*extent);
                return Ok(());
            }
            Share::Some => {}
        }
        let mut read = RangeSet::default();
        let outcome = self.files.read(self.key, extent, &mut |sequence, place, _| {
            if keep(sequence) {
                read.insert(&(sequence..=sequence));
                append(kept, sequence, place);
            }
        });
        let Err(error) = outcome else { return Ok(()) };
        let mut missing = sequences(extent).filter(|sequence| keep(*sequence) && !read.contains(*sequence)).peekable();
        // A message that was settled need not be whole.
        if missing.peek().is_none() {
            return Ok(());
        }
        if !self.salvage {
            return Err(error.into());
        }
        let lost = unreadable.lost.entry(self.key).or_default();
        missing.for_each(|sequence| lost.insert(&(sequence..=sequence)));
        let path = self.files.path(error.file).unwrap_or_default();
        unreadable.damage.push(Damage {
            path,
            position: None,
            offset: error.offset,
            kind: DamageKind::Record,
            lost: None,
        });
        Ok(())
    }
}

/// Whether a message is in one of the extents, which are in order.
fn is_in(extents: &[Extent], sequence: u64) -> bool {
    let before = extents.partition_point(|extent| extent.first <= sequence);
    before.checked_sub(1).and_then(|at| extents.get(at)).is_some_and(|extent| sequences(extent).contains(&sequence))
}
