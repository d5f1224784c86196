//! The table of files that records can be read from, and how many records of each are live.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

use super::FileUse;
use super::slots::Slot;
use crate::store::disk::File;
use crate::store::place::FileNumber;
use crate::store::segment::usual_path;

/// A file of records: of the log, or a segment.
#[derive(Debug)]
pub(in crate::store) struct StoredFile {
    /// Which one.
    pub(in crate::store) number: FileNumber,
    live: AtomicU64,
    place: OnceLock<Place>,
}

/// Where the bytes are. A file of the log has none until the writer comes to it.
#[derive(Debug)]
enum Place {
    Log(Slot),
    Segment(Arc<dyn File>),
}

impl StoredFile {
    /// A file of the log that nothing was written to.
    fn unwritten(number: FileNumber) -> Self {
        Self { number, live: AtomicU64::new(0), place: OnceLock::new() }
    }

    /// A file of the log in its slot.
    pub(in crate::store) fn log(number: FileNumber, slot: Slot) -> Self {
        Self { number, live: AtomicU64::new(0), place: Place::Log(slot).into() }
    }

    /// A segment.
    pub(in crate::store) fn segment(number: FileNumber, file: Arc<dyn File>, live: u64) -> Self {
        Self { number, live: AtomicU64::new(live), place: Place::Segment(file).into() }
    }

    /// Gives it the slot that it is written to, once.
    pub(super) fn place_in(&self, slot: Slot) {
        let _ = self.place.set(Place::Log(slot));
    }

    pub(super) fn slot(&self) -> Option<Slot> {
        match self.place.get()? {
            Place::Log(slot) => Some(slot.clone()),
            Place::Segment(_) => None,
        }
    }

    /// The open file, once something was written.
    pub(in crate::store) fn file(&self) -> Option<&Arc<dyn File>> {
        match self.place.get()? {
            Place::Log(slot) => Some(&slot.file),
            Place::Segment(file) => Some(file),
        }
    }

    /// So many more records are live.
    pub(in crate::store) fn add_live(&self, count: u64) {
        self.live.fetch_add(count, Ordering::Relaxed);
    }

    /// So many fewer are; below none is none.
    pub(super) fn release(&self, count: u32) {
        let less = |live: u64| Some(live.saturating_sub(u64::from(count)));
        let before = self.live.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        debug_assert!(before.is_ok_and(|live| live >= u64::from(count)), "more released than was live");
    }
}

/// Files by number.
#[derive(Debug, Default)]
pub(in crate::store) struct FileTable {
    files: RwLock<BTreeMap<FileNumber, Arc<StoredFile>>>,
    /// Files of the log that were given up, until nobody reads them any more.
    retired: Mutex<Vec<Arc<StoredFile>>>,
}

impl FileTable {
    /// Adds a file.
    pub(in crate::store) fn insert(&self, file: StoredFile) -> Arc<StoredFile> {
        let file = Arc::new(file);
        self.files.write().insert(file.number, Arc::clone(&file));
        file
    }

    /// The file of that number, if it has not been given up.
    pub(in crate::store) fn get(&self, number: FileNumber) -> Option<Arc<StoredFile>> {
        self.files.read().get(&number).cloned()
    }

    /// The name of a file.
    pub(in crate::store) fn path(&self, number: FileNumber) -> Option<PathBuf> {
        if number.is_segment() {
            return Some(usual_path(number));
        }
        self.get(number)?.slot().map(|slot| slot.path)
    }

    /// The next file of the log, which has no slot yet.
    pub(super) fn open_next(&self, number: FileNumber) -> Arc<StoredFile> {
        self.insert(StoredFile::unwritten(number))
    }

    /// Gives a file up: whoever is reading it goes on, nobody begins.
    pub(super) fn retire(&self, number: FileNumber) {
        let file = self.files.write().remove(&number);
        self.retired.lock().extend(file.filter(|file| file.slot().is_some()));
    }

    /// The slots of files that were given up and that nobody uses any more. Nobody can come to use them again: this is
    /// the only place that knows them.
    pub(super) fn take_unread(&self) -> Vec<Slot> {
        let mut retired = self.retired.lock();
        retired.extract_if(.., |file| Arc::strong_count(file) == 1).filter_map(|file| file.slot()).collect()
    }

    pub(super) fn usage(&self) -> Vec<FileUse> {
        let usage = |file: &Arc<StoredFile>| FileUse { number: file.number, live: file.live.load(Ordering::Relaxed) };
        self.files.read().values().map(usage).collect()
    }

    /// How many files of the log are in use.
    pub(super) fn log_files(&self) -> usize {
        self.files.read().keys().filter(|number| !number.is_segment()).count()
    }
}
