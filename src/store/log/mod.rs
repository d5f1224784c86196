//! The log: appends gather in memory, one writer puts them on the disk and syncs for everybody, and then they are
//! durable. Owns the log's files while they are in use; knows nothing of what is in a payload.

mod batch;
mod error;
mod files;
#[cfg(test)]
mod full_disk_tests;
mod gathering;
mod read;
mod slots;
#[cfg(test)]
mod tests;
mod waiters;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

pub use self::batch::Batch;
pub use self::error::{ReadError, ReadProblem, WriteError, WriteOperation};
pub(super) use self::files::{FileTable, StoredFile};
use self::gathering::Gathering;
pub(super) use self::read::read_fully;
pub(super) use self::slots::{Slot, Slots, slot_name};
pub use self::waiters::Waiter;
use self::waiters::Waiters;
pub use self::writer::Writer;
use super::disk::File;
use super::format::CONTENT_START;
use super::place::{FileNumber, Position};

/// The log, shared by all who append to it and read from it.
pub struct Log {
    gathering: Mutex<Gathering>,
    gathered: Condvar,
    written: Mutex<Written>,
    written_more: Condvar,
    written_position: AtomicU64,
    durable: AtomicU64,
    appended_bytes: AtomicU64,
    durable_bytes: AtomicU64,
    waiters: Waiters,
    files: FileTable,
    slots: Slots,
}

/// Whether the writer still works, for those who wait for what it writes.
#[derive(Debug, Default)]
struct Written {
    failed: bool,
}

/// What is in use of a file of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileUse {
    /// The file.
    pub number: FileNumber,
    /// How many records in it are live, each counted once for every queue that has it.
    pub live: u64,
}

impl Log {
    /// A log that goes on at the end of `file`, and its writer.
    pub(super) fn new(file: &Arc<StoredFile>, end: Position, files: FileTable, slots: Slots) -> (Arc<Self>, Writer) {
        let log = Arc::new(Self {
            gathering: Mutex::new(Gathering::new(Arc::clone(file), end, slots.file_size())),
            gathered: Condvar::new(),
            written: Mutex::default(),
            written_more: Condvar::new(),
            written_position: AtomicU64::new(end.0),
            durable: AtomicU64::new(end.0),
            appended_bytes: AtomicU64::new(0),
            durable_bytes: AtomicU64::new(0),
            waiters: Waiters::default(),
            files,
            slots,
        });
        let writer = Writer::new(Arc::clone(&log), Arc::clone(file));
        (log, writer)
    }

    /// Appends what `write` puts into the batch, atomically: after a crash all of it is there or nothing.
    ///
    /// `bound` is at least the encoded size: the payloads, and 64 bytes a record, and 24 for each target and range; below
    /// 1 GiB. `sync` says that a confirm will wait; otherwise it is synced at most 100 ms later. Never blocks on the
    /// disk: whoever appends looks at `lag` before. Returns the end of this append, to be compared with `durable`.
    pub fn append<T>(&self, bound: usize, sync: bool, write: impl FnOnce(&mut Batch<'_>) -> T) -> (T, Position) {
        let mut gathering = self.gathering.lock();
        gathering.make_room(bound, |number| self.files.open_next(number));
        let (value, position) = gathering.append(bound, sync, write);
        self.appended_bytes.store(gathering.appended_bytes(), Ordering::Relaxed);
        drop(gathering);
        self.gathered.notify_one();
        (value, position)
    }

    /// Everything before this position is on the disk.
    pub fn durable(&self) -> Position {
        Position(self.durable.load(Ordering::Acquire))
    }

    /// Bytes appended and not yet durable.
    pub fn lag(&self) -> usize {
        let durable = self.durable_bytes.load(Ordering::Relaxed);
        let lag = self.appended_bytes.load(Ordering::Relaxed).saturating_sub(durable);
        usize::try_from(lag).unwrap_or(usize::MAX)
    }

    /// Wakes `waiter` once, as soon as everything before `position` is durable; false when it is already.
    pub fn wake_when_durable(&self, position: Position, waiter: &Arc<dyn Waiter>) -> bool {
        self.waiters.add(position, waiter, || self.durable())
    }

    /// So many records of a file are no longer live. Puts are counted up by their targets.
    pub fn release(&self, file: FileNumber, count: u32) {
        if let Some(file) = self.files.get(file) {
            file.release(count);
        }
    }

    /// The files that hold records, with how much of them is live: the log's in order, then segments.
    pub fn usage(&self) -> Vec<FileUse> {
        self.files.usage()
    }

    /// Where everything appended so far ends: once it is durable, all of it is.
    pub fn end(&self) -> Position {
        self.gathering.lock().appended()
    }

    /// Makes a segment known, so that its records can be read.
    pub fn add_segment(&self, number: FileNumber, file: Arc<dyn File>, live: u64) {
        self.files.insert(StoredFile::segment(number, file, live));
    }

    /// Files of the log before this one are not written to any more, and everything in them was appended.
    pub(super) fn first_unsealed(&self) -> FileNumber {
        let gathering = self.gathering.lock();
        // The file of the last append may not be the current one, when nothing has come to that yet.
        gathering.oldest_unwritten().min(gathering.appended().file())
    }

    /// Forgets a file; reads of it fail from now on. A file of the log becomes free to hold a later number, as soon as
    /// reads under way are over: only after a checkpoint that begins behind it was committed. The file being written
    /// stays.
    ///
    /// # Errors
    /// What the system says of cutting a long file back.
    pub fn forget(&self, number: FileNumber) -> std::io::Result<()> {
        if !number.is_segment() && number >= self.gathering.lock().oldest_unwritten() {
            return Ok(());
        }
        self.files.retire(number);
        self.free_unread()
    }

    fn free_unread(&self) -> std::io::Result<()> {
        self.files.take_unread().into_iter().try_for_each(|slot| self.slots.release(slot))
    }

    /// Has a file ready for the time when the current one is full, so that the writer need not make one: call it from a
    /// thread that may wait for the disk. True when it made one: call it again. Once a quarter of a file is used a second
    /// one is kept in reserve: on a full disk messages can still be settled, which is what makes room.
    ///
    /// # Errors
    /// What the system says; the log works without.
    pub fn prepare(&self) -> std::io::Result<bool> {
        self.free_unread()?;
        let (in_use, little) = (self.files.log_files(), CONTENT_START + self.slots.file_size() / 4);
        let wanted = if in_use > 1 || self.end().offset() > little { 2 } else { 1 };
        self.slots.prepare(in_use, wanted)
    }

    fn failed(&self) {
        self.written.lock().failed = true;
        self.written_more.notify_all();
    }

    fn moved_written(&self, position: Position) {
        let guard = self.written.lock();
        self.written_position.store(position.0, Ordering::Release);
        drop(guard);
        self.written_more.notify_all();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("durable", &self.durable()).field("lag", &self.lag()).finish_non_exhaustive()
    }
}
