//! redb's file, reached through the store's own disk. Owns one rule beyond passing on: after a write or sync failed
//! nothing is tried again, since a second sync may report success for data that is lost. (Where there was no room, the
//! database may be opened anew.)

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;

use crate::store::disk::{File, is_full};

#[derive(Debug)]
pub(super) struct Backend {
    file: Arc<dyn File>,
    failed: AtomicBool,
    /// What failed was a write or growth that found no room, which leaves everything that was synced as it was.
    full: Arc<AtomicBool>,
}

impl Backend {
    pub(super) fn new(file: Arc<dyn File>, full: Arc<AtomicBool>) -> Self {
        Self { file, failed: AtomicBool::new(false), full }
    }

    fn grow(&self, change: impl FnOnce(&dyn File) -> io::Result<()>) -> io::Result<()> {
        self.change(|file| {
            change(file).inspect_err(|error| {
                self.full.store(is_full(error), Ordering::Release);
            })
        })
    }

    fn change(&self, change: impl FnOnce(&dyn File) -> io::Result<()>) -> io::Result<()> {
        if self.failed.load(Ordering::Acquire) {
            return Err(io::Error::other("an earlier write or sync failed"));
        }
        change(&*self.file).inspect_err(|_| self.failed.store(true, Ordering::Release))
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut count = 0;
        while let Some(rest) = out.get_mut(count..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(offset.saturating_add(count as u64), rest)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => count += read,
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.grow(|file| file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(|file| file.sync())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.grow(|file| file.write_at(offset, &[data]))
    }
}
