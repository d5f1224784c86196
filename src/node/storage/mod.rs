//! The store as the running node uses it: records of messages, the memory that ready messages may take, and what is read
//! back from disk. Decides nothing about queues.

mod accounts;
mod cells;
mod gone;
mod loader;
mod payload;
mod place;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use self::accounts::Accounts;
pub(super) use self::accounts::Holding;
pub(super) use self::cells::Cells;
pub(super) use self::gone::Gone;
pub(super) use self::loader::{Loader, LoaderThread};
pub(super) use self::payload::Payload;
pub(super) use self::place::{extent, key, location, place, run};
use crate::broker::queue::Arrival;
use crate::node::allocator;
use crate::node::cell::QueueCell;
use crate::node::finishers::Finishers;
use crate::node::watermarks::Watermarks;
use crate::store::{Log, Position};

/// Ready messages that one queue keeps in memory before those on disk stay there alone.
const QUEUE_MEMORY: usize = 4 * 1024 * 1024;

/// As `QUEUE_MEMORY`, once all queues together have used up the node's budget.
const SCARCE_QUEUE_MEMORY: usize = 64 * 1024;

/// What the process takes at full speed with hardly any messages: buffers of its threads, and the log on its way to the disk
/// (measured: tests/it/memory.rs).
const PROCESS: u64 = 64 * 1024 * 1024;

/// What a consumer may hold unacked while unacked messages are what makes memory short.
const SCARCE_HOLDING: usize = 4 * 1024 * 1024;

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
    pub(super) watermarks: Arc<Watermarks>,
    pub(super) accounts: Accounts,
    pub(super) finishers: Finishers,
    /// The process uses so much memory that the alarm is near.
    pressed: AtomicBool,
    /// Consumers are being held back.
    holding: AtomicBool,
    /// Bytes that messages in the making have let go of since memory was given back for them.
    let_go: AtomicUsize,
}

impl Storage {
    pub(super) fn new(log: Arc<Log>, loader: Loader, watermarks: Arc<Watermarks>) -> Self {
        Self {
            log,
            loader,
            cells: Cells::default(),
            watermarks,
            accounts: Accounts::default(),
            finishers: Finishers::default(),
            pressed: AtomicBool::new(false),
            holding: AtomicBool::new(false),
            let_go: AtomicUsize::new(0),
        }
    }

    /// Where everything that was written so far ends.
    pub(super) fn end(self: &Arc<Self>) -> Position {
        self.log.end()
    }

    /// Bytes that messages may take in memory, whole or not: half of what the alarm allows beyond what the process takes anyway.
    /// The other half is for what is on its way, for connections and for what the allocator loses.
    fn budget(&self) -> usize {
        let limit = self.watermarks.memory();
        let half = (limit.saturating_sub(PROCESS) / 2).max(limit / 4);
        usize::try_from(half).unwrap_or(usize::MAX)
    }

    /// Whether messages that are not complete take so much that a connection may have one of them only.
    pub(super) fn is_short_for_assembly(&self) -> bool {
        self.accounts.assembling() > self.budget() / 2
    }

    /// Bytes of ready messages that a queue may keep in memory now, beyond which new ones are left on disk.
    pub(super) fn queue_memory(&self) -> usize {
        if self.is_scarce() { SCARCE_QUEUE_MEMORY } else { QUEUE_MEMORY }
    }

    /// Whether memory is so short that even messages which need not be kept are written to disk.
    pub(super) fn is_scarce(&self) -> bool {
        self.pressed.load(Ordering::Relaxed) || self.accounts.total() > self.budget()
    }

    /// Bytes that a consumer may hold unacked before it has to settle some to get more; `None`: any number. Bodies of unacked
    /// messages stay in memory, so that nothing else bounds what a client takes that never settles.
    pub(super) fn holding_limit(&self) -> Option<usize> {
        if !self.is_scarce() || self.accounts.unacked() <= self.budget() / 2 {
            return None;
        }
        self.holding.store(true, Ordering::Relaxed);
        Some(SCARCE_HOLDING)
    }

    /// Messages in the making have let go of so much while memory is short: of large ones that are refused there may be more in
    /// a moment than is looked at, now and then, by who looks at memory.
    pub(super) fn let_go(&self, bytes: usize) {
        if self.let_go.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) >= self.budget() / 4 {
            self.let_go.store(0, Ordering::Relaxed);
            allocator::give_back();
        }
    }

    /// So much memory is used, or is not, that messages have to leave it.
    pub(super) fn press(&self, pressed: bool) {
        self.pressed.store(pressed, Ordering::Relaxed);
    }

    /// Lets consumers go on that were held back, once there is no need to.
    pub(super) fn relieve(&self) {
        if self.holding.load(Ordering::Relaxed) && self.holding_limit().is_none() {
            self.holding.store(false, Ordering::Relaxed);
            self.cells.each(QueueCell::relieve);
        }
    }
}

/// An upper bound on what records of these messages take, each for so many queues.
pub(super) fn bound<'a>(arrivals: impl IntoIterator<Item = &'a Arrival>, targets: usize) -> usize {
    let each = RECORD_BOUND + targets * TARGET_BOUND;
    arrivals.into_iter().map(|arrival| Payload::bound(&arrival.message) + each).sum()
}
