//! Slots: files with fixed names that hold one number of the log after another. A slot is filled with zeros once, since
//! overwriting syncs 2 to 9 times faster than growing a file, and is never renamed.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::store::disk::{Disk, File, is_full};
use crate::store::options::Options;
use crate::store::place::FileNumber;
use crate::store::reserve::Reserve;

const ZEROS: &[u8] = &[0; 1 << 20];

/// Zeros are made to last after so many bytes.
const SYNCED_AT_ONCE: u64 = 4 << 20;

/// A file that holds one number of the log at a time.
#[derive(Clone, Debug)]
pub(in crate::store) struct Slot {
    /// Its name.
    pub(in crate::store) path: PathBuf,
    /// The open file.
    pub(in crate::store) file: Arc<dyn File>,
}

/// The slots that are free, and the making of more.
#[derive(Debug)]
pub(in crate::store) struct Slots {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    file_size: u32,
    regular: usize,
    salt: u64,
    reserve: Option<Arc<Reserve>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: Vec<Slot>,
    next_name: u32,
}

/// The number in a slot's name, if it is one.
pub(in crate::store) fn slot_name(path: &Path) -> Option<u32> {
    if path.extension()? != "log" {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok()
}

impl Slots {
    /// The slots of a directory. `next_name` is above the number in any slot's name there.
    pub(in crate::store) fn new(disk: Arc<dyn Disk>, options: &Options, free: Vec<Slot>, next_name: u32) -> Self {
        Self {
            disk,
            directory: options.directory.clone(),
            file_size: options.file_size,
            regular: options.files,
            salt: options.salt,
            reserve: options.reserve.clone(),
            state: Mutex::new(State { free, next_name }),
        }
    }

    /// The salt of a file of the log: as random as that of this start, and another for each number (splitmix64).
    pub(in crate::store) fn salt(&self, number: FileNumber) -> u64 {
        let mut salt = self.salt.wrapping_add(u64::from(number.0).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        salt = (salt ^ (salt >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        salt = (salt ^ (salt >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        salt ^ (salt >> 31)
    }

    pub(super) fn file_size(&self) -> u32 {
        self.file_size
    }

    /// Does what the log cannot go on without: on a full disk in the room that is kept back.
    pub(super) fn with_room<T>(&self, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        match &self.reserve {
            Some(reserve) => reserve.with_room(is_full, attempt),
            None => attempt(),
        }
    }

    /// A slot to write to: a free one, or else a new one that grows as it is written.
    pub(in crate::store) fn take(&self) -> io::Result<Slot> {
        self.with_room(|| self.try_to_take())
    }

    fn try_to_take(&self) -> io::Result<Slot> {
        if let Some(slot) = self.take_free() {
            return Ok(slot);
        }
        let slot = self.create()?;
        self.disk.sync_directory(&self.directory)?;
        Ok(slot)
    }

    /// A free slot, if there is one.
    pub(in crate::store) fn take_free(&self) -> Option<Slot> {
        self.state.lock().free.pop()
    }

    /// Adds a slot filled with zeros, when fewer than `wanted` are free and there are fewer than the regular number. What
    /// cannot be filled is removed again: on a full disk it would be in everybody's way.
    pub(in crate::store) fn prepare(&self, in_use: usize, wanted: usize) -> io::Result<bool> {
        let free = self.state.lock().free.len();
        if free >= wanted || in_use + free >= self.regular {
            return Ok(false);
        }
        let slot = self.create()?;
        if let Err(error) = self.fill(&*slot.file) {
            // One that stays has no header, so that the next start takes it for free.
            let _ = self.disk.remove(&slot.path);
            return Err(error);
        }
        self.disk.sync_directory(&self.directory)?;
        self.state.lock().free.push(slot);
        Ok(true)
    }

    /// Takes a slot back whose number is of no more use.
    pub(in crate::store) fn release(&self, slot: Slot) -> io::Result<()> {
        if slot.file.len()? > u64::from(self.file_size) {
            slot.file.set_len(u64::from(self.file_size))?;
        }
        self.state.lock().free.push(slot);
        Ok(())
    }

    fn create(&self) -> io::Result<Slot> {
        let mut state = self.state.lock();
        let mut name = String::new();
        let _ = write!(name, "{:02}.log", state.next_name);
        state.next_name += 1;
        drop(state);
        let path = self.directory.join(name);
        let file = self.disk.open(&path, true)?;
        Ok(Slot { path, file })
    }

    fn fill(&self, file: &dyn File) -> io::Result<()> {
        let size = u64::from(self.file_size);
        let mut offset = 0;
        while offset < size {
            let piece = usize::try_from(size - offset).map_or(ZEROS, |left| ZEROS.get(..left).unwrap_or(ZEROS));
            file.write_at(offset, &[piece])?;
            offset += piece.len() as u64;
            // In pieces: syncs of the log wait for what is on its way to the disk before them.
            if offset % SYNCED_AT_ONCE == 0 {
                file.sync()?;
            }
        }
        file.sync()
    }
}
