//! The queues that have messages in the store, for whoever moves records from file to file.

use std::num::NonZeroU32;
use std::sync::{Arc, Weak};

use dashmap::DashMap;
use parking_lot::{RwLock, RwLockReadGuard};

use super::{extent, key, location, place, run};
use crate::broker::ids::{QueueId, SequenceNumber};
use crate::node::cell::QueueCell;
use crate::store::{Extent, FileNumber, Held, Holders, Location, QueueCheckpoint, QueueKey};

/// Queues by their keys.
#[derive(Debug, Default)]
pub(in crate::node) struct Cells {
    cells: DashMap<QueueId, Weak<QueueCell>>,
    /// Held by whoever takes messages out of queues and only then writes that down.
    moves: RwLock<()>,
}

impl Cells {
    /// A queue that has, or may have, messages in the store.
    pub(in crate::node) fn add(&self, cell: &Arc<QueueCell>) {
        self.cells.entry(cell.entry.id).or_insert_with(|| Arc::downgrade(cell));
    }

    /// From before messages are taken out of queues until the log has been told.
    pub(in crate::node) fn moving(&self) -> RwLockReadGuard<'_, ()> {
        // A commit that rejects messages moves some in the middle of it.
        self.moves.read_recursive()
    }

    /// Does something with each of them.
    pub(in crate::node) fn each(&self, act: impl Fn(&Arc<QueueCell>)) {
        // Not while the map is locked: a queue that acts may add others.
        let cells: Vec<_> = self.cells.iter().filter_map(|cell| cell.value().upgrade()).collect();
        cells.iter().for_each(act);
    }

    fn get(&self, queue: QueueKey) -> Option<Arc<QueueCell>> {
        self.cells.get(&QueueId(queue.0))?.upgrade()
    }
}

impl Holders for Cells {
    fn holders(&self) -> Vec<QueueKey> {
        self.cells.retain(|_, cell| cell.strong_count() > 0);
        self.cells.iter().map(|cell| key(*cell.key())).collect()
    }

    fn held(&self, queue: QueueKey, file: FileNumber) -> Held {
        let Some((cell, file)) = self.get(queue).zip(NonZeroU32::new(file.0)) else { return Held::default() };
        let contents = cell.held_in(file);
        Held {
            extents: contents.runs.into_iter().map(extent).collect(),
            singles: contents.singles.into_iter().map(|(sequence, place)| (sequence.0, location(place))).collect(),
        }
    }

    fn snapshot(&self, queue: QueueKey) -> Option<QueueCheckpoint> {
        let (next_sequence, live, deliveries) = self.get(queue)?.snapshot()?;
        let live = live.into_iter().map(|range| range.start().0..=range.end().0).collect();
        Some(QueueCheckpoint { next_sequence: next_sequence.0, live, deliveries })
    }

    fn settled(&self) {
        drop(self.moves.write());
    }

    fn relocate(&self, queue: QueueKey, from: FileNumber, extents: &[Extent], singles: &[(u64, Location)]) -> u64 {
        let Some((cell, from)) = self.get(queue).zip(NonZeroU32::new(from.0)) else { return 0 };
        let runs: Vec<_> = extents.iter().filter_map(|extent| run(*extent)).collect();
        let singles: Vec<_> = singles
            .iter()
            .filter_map(|(sequence, location)| Some((SequenceNumber(*sequence), place(*location)?)))
            .collect();
        cell.relocate(from, &runs, &singles)
    }
}
