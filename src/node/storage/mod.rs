//! The store as the running node uses it: records of messages, the memory that ready messages may take, and what is read
//! back from disk. Decides nothing about queues.

mod cells;
mod gone;
mod loader;
mod payload;
mod place;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) use self::cells::Cells;
pub(super) use self::gone::Gone;
pub(super) use self::loader::{Loader, LoaderThread};
pub(super) use self::payload::Payload;
pub(super) use self::place::{extent, key, location, place, run};
use crate::broker::queue::Arrival;
use crate::store::Log;

/// Ready messages that one queue keeps in memory before those on disk stay there alone.
const QUEUE_MEMORY: usize = 4 * 1024 * 1024;

/// As `QUEUE_MEMORY`, once all queues together have used up the node's budget.
const SCARCE_QUEUE_MEMORY: usize = 64 * 1024;

/// An upper bound on what a record takes besides payload and targets.
const RECORD_BOUND: usize = 64;

/// An upper bound on what one target takes in a record.
const TARGET_BOUND: usize = 24;

/// The store and what goes with it.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) log: Arc<Log>,
    pub(super) loader: Loader,
    pub(super) cells: Cells,
    /// Bytes of ready messages in memory, of all queues.
    loaded: AtomicUsize,
    budget: usize,
}

impl Storage {
    pub(super) fn new(log: Arc<Log>, loader: Loader, budget: usize) -> Self {
        Self { log, loader, cells: Cells::default(), loaded: AtomicUsize::new(0), budget }
    }

    /// Bytes of ready messages that a queue may keep in memory now, beyond which new ones are left on disk.
    pub(super) fn queue_memory(&self) -> usize {
        if self.is_scarce() { SCARCE_QUEUE_MEMORY } else { QUEUE_MEMORY }
    }

    /// Whether memory is so short that even messages which need not be kept are written to disk.
    pub(super) fn is_scarce(&self) -> bool {
        self.loaded.load(Ordering::Relaxed) > self.budget
    }

    /// A queue's loaded bytes went from one number to another.
    pub(super) fn account(&self, before: usize, after: usize) {
        if after > before {
            self.loaded.fetch_add(after - before, Ordering::Relaxed);
        } else if after < before {
            self.loaded.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}

/// An upper bound on what records of these messages take, each for so many queues.
pub(super) fn bound<'a>(arrivals: impl IntoIterator<Item = &'a Arrival>, targets: usize) -> usize {
    let each = RECORD_BOUND + targets * TARGET_BOUND;
    arrivals.into_iter().map(|arrival| Payload::bound(&arrival.message) + each).sum()
}
