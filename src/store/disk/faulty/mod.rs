//! A disk in memory that behaves as badly as real ones may: it forgets what was not synced when the power goes, tears
//! writes, reads short, fails, fills up, and lies after a sync that failed. For tests; a seed repeats everything.
//!
//! - *Making it:* [`FaultyDisk::new`], [`FaultyDisk::after_power_cut`].
//! - *Telling it what is to go wrong:* [`FaultyDisk::power_cut_at`], [`FaultyDisk::fail_read`],
//!   [`FaultyDisk::fail_write`], [`FaultyDisk::fail_sync`], [`FaultyDisk::full_from_write`], [`FaultyDisk::capacity`],
//!   [`FaultyDisk::short_reads`], [`FaultyDisk::heal`].
//! - *Asking it what was done:* [`FaultyDisk::operations`], [`FaultyDisk::trace`].

mod chance;
mod faults;
mod inode;
mod names;
mod trace;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use self::chance::Chance;
use self::faults::{Countdown, Faults};
use self::inode::Inode;
use self::names::{Directory, InodeNumber};
pub use self::trace::Operation;
use super::memory::{names_in, not_found};
use super::{Disk, File};

/// What becomes, at a power cut, of everything that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// All of it is lost.
    Lost,
    /// All of it lasted, as if the system had just written everything back.
    Kept,
    /// The seed decides for every 512-byte sector, for the length of every file, and how many changes of names last.
    Chance(u64),
}

/// A disk with faults. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    names: Directory,
    inodes: Vec<Inode>,
    faults: Faults,
    trace: Vec<Operation>,
}

#[derive(Debug)]
struct FaultyFile {
    state: Arc<Mutex<State>>,
    inode: InodeNumber,
    /// As opened, for the trace.
    path: PathBuf,
}

impl FaultyDisk {
    /// An empty disk without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk as the machine finds it when the power is back: a new one without faults, whose operations count from
    /// 1 again. The old one and its files stay as they are.
    #[must_use]
    pub fn after_power_cut(&self, fate: Unsynced) -> Self {
        let mut chance = Chance(if let Unsynced::Chance(seed) = fate { seed } else { 0 });
        let state = self.state.lock();
        let names = state.names.after_power_cut(fate, &mut chance);
        let inodes = state.inodes.iter().map(|inode| inode.after_power_cut(fate, &mut chance)).collect();
        Self { state: Arc::new(Mutex::new(State { names, inodes, ..State::default() })) }
    }

    /// The power goes during the `number`-th operation of this disk, counted from 1 since it was made: that one
    /// fails, though what it wrote may last, and so do all later ones.
    pub fn power_cut_at(&self, number: u64) {
        self.state.lock().faults.power_cut_at = Some(number);
    }

    /// The n-th read from now fails with EIO.
    pub fn fail_read(&self, n: u64) {
        self.state.lock().faults.reads = Countdown::at(n);
    }

    /// The n-th write from now fails with EIO, with half of it written.
    pub fn fail_write(&self, n: u64) {
        self.state.lock().faults.writes = Countdown::at(n);
    }

    /// The n-th sync from now, of a file or a directory, fails with EIO. Of a file, what it should have written is
    /// lost at a power cut, though reads still see it and later syncs succeed: as Linux does it.
    pub fn fail_sync(&self, n: u64) {
        self.state.lock().faults.syncs = Countdown::at(n);
    }

    /// The n-th write from now and all after it fail with ENOSPC.
    pub fn full_from_write(&self, n: u64) {
        self.state.lock().faults.full = Countdown::at(n);
    }

    /// Writes and growth that would take the files' lengths together above so many bytes fail with ENOSPC; of such a
    /// write, what fits is written.
    pub fn capacity(&self, bytes: u64) {
        self.state.lock().faults.capacity = Some(bytes);
    }

    /// No file can grow, nor a new one, before one is removed or cut off.
    pub fn fill_up(&self) {
        self.leave(0);
    }

    /// So many bytes are left for files to grow by.
    pub fn leave(&self, bytes: u64) {
        let mut state = self.state.lock();
        state.faults.capacity = Some(state.used().saturating_add(bytes));
    }

    /// Every read may stop short, but brings at least a byte where there is one.
    pub fn short_reads(&self) {
        self.state.lock().faults.short_reads = true;
    }

    /// Takes all faults away that have not happened yet; a power that was cut stays so no longer either.
    pub fn heal(&self) {
        self.state.lock().faults = Faults::default();
    }

    /// Operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state.lock().trace.len() as u64
    }

    /// All operations so far, in order.
    #[must_use]
    pub fn trace(&self) -> Vec<Operation> {
        self.state.lock().trace.clone()
    }
}

impl State {
    /// Counts an operation.
    fn begin(&mut self, operation: Operation) -> io::Result<()> {
        self.trace.push(operation);
        let before = self.trace.len() as u64 - 1;
        if self.faults.power_cut_at.is_some_and(|cut| before >= cut) { Err(power_is_cut()) } else { Ok(()) }
    }

    /// Whether the power goes during the operation that has begun.
    fn power_goes(&self) -> bool {
        self.faults.power_cut_at.is_some_and(|cut| self.trace.len() as u64 >= cut)
    }

    /// The outcome of the operation that has begun.
    fn end<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        if self.power_goes() { Err(power_is_cut()) } else { outcome }
    }

    fn open(&mut self, path: &Path, create: bool) -> io::Result<InodeNumber> {
        if let Some(inode) = self.names.find(path) {
            return Ok(inode);
        }
        if !create {
            return Err(not_found(path));
        }
        let inode = self.inodes.len();
        self.inodes.push(Inode::default());
        self.names.make(path, inode);
        Ok(inode)
    }

    fn inode(&mut self, number: InodeNumber) -> io::Result<&mut Inode> {
        self.inodes.get_mut(number).ok_or_else(|| not_found(Path::new("?")))
    }

    fn read(&mut self, number: InodeNumber, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if self.faults.reads.fires() {
            return Err(broken());
        }
        let mut wanted = buffer.len();
        if self.faults.short_reads && wanted > 1 {
            wanted = 1 + Chance(self.trace.len() as u64).up_to(wanted - 1);
        }
        Ok(self.inode(number)?.now.read(offset, buffer.get_mut(..wanted).unwrap_or_default()))
    }

    fn write(&mut self, number: InodeNumber, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        if self.faults.full.fires_from_then_on() {
            return Err(full());
        }
        let bytes = parts.concat();
        if self.faults.writes.fires() {
            self.inode(number)?.write(offset, bytes.get(..bytes.len() / 2).unwrap_or_default());
            return Err(broken());
        }
        let room = self.room(number)?.saturating_sub(offset);
        let fitting = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        self.inode(number)?.write(offset, bytes.get(..fitting).unwrap_or_default());
        if fitting < bytes.len() { Err(full()) } else { Ok(()) }
    }

    fn set_length(&mut self, number: InodeNumber, length: u64) -> io::Result<()> {
        if length > self.room(number)? {
            return Err(full());
        }
        self.inode(number)?.set_length(length);
        Ok(())
    }

    /// The length to which a file may grow.
    fn room(&mut self, number: InodeNumber) -> io::Result<u64> {
        let length = self.inode(number)?.now.len();
        Ok(length.saturating_add(self.free()))
    }

    fn free(&self) -> u64 {
        let Some(capacity) = self.faults.capacity else { return u64::MAX };
        capacity.saturating_sub(self.used())
    }

    /// Bytes in all files that have a name.
    fn used(&self) -> u64 {
        let lengths = self.names.inodes().filter_map(|number| self.inodes.get(number)).map(|inode| inode.now.len());
        lengths.sum()
    }

    fn sync(&mut self, number: InodeNumber) -> io::Result<()> {
        let (fails, power_goes) = (self.faults.syncs.fires(), self.power_goes());
        let inode = self.inode(number)?;
        if fails {
            inode.forget_unsynced();
            return Err(broken());
        }
        if !power_goes {
            inode.sync();
        }
        Ok(())
    }

    fn sync_directory(&mut self, directory: &Path) -> io::Result<()> {
        if self.faults.syncs.fires() {
            return Err(broken());
        }
        if !self.power_goes() {
            self.names.sync(directory);
        }
        Ok(())
    }
}

fn run<T>(
    state: &Mutex<State>,
    operation: Operation,
    action: impl FnOnce(&mut State) -> io::Result<T>,
) -> io::Result<T> {
    let mut state = state.lock();
    state.begin(operation)?;
    let outcome = action(&mut state);
    state.end(outcome)
}

fn power_is_cut() -> io::Error {
    io::Error::other("the power is cut")
}

fn broken() -> io::Error {
    const EIO: i32 = 5;
    io::Error::from_raw_os_error(EIO)
}

fn full() -> io::Error {
    const ENOSPC: i32 = 28;
    io::Error::from_raw_os_error(ENOSPC)
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn File>> {
        let path = path.to_owned();
        let inode = run(&self.state, Operation::Open(path.clone()), |state| state.open(&path, create))?;
        Ok(Arc::new(FaultyFile { state: Arc::clone(&self.state), inode, path }))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let operation = Operation::List(directory.to_owned());
        run(&self.state, operation, |state| Ok(names_in(state.names.paths(), directory)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        run(&self.state, Operation::Rename(from.to_owned(), to.to_owned()), |state| {
            state.names.find(from).ok_or_else(|| not_found(from))?;
            state.names.rename(from, to);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        run(&self.state, Operation::Remove(path.to_owned()), |state| {
            state.names.find(path).ok_or_else(|| not_found(path))?;
            state.names.remove(path);
            Ok(())
        })
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let operation = Operation::SyncDirectory(directory.to_owned());
        run(&self.state, operation, |state| state.sync_directory(directory))
    }

    fn free_space(&self) -> io::Result<u64> {
        run(&self.state, Operation::FreeSpace, |state| Ok(state.free()))
    }
}

impl File for FaultyFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let operation = Operation::Read(self.path.clone(), offset, buffer.len() as u64);
        run(&self.state, operation, |state| state.read(self.inode, offset, buffer))
    }

    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let length = parts.iter().map(|part| part.len() as u64).sum();
        let operation = Operation::Write(self.path.clone(), offset, length);
        run(&self.state, operation, |state| state.write(self.inode, offset, parts))
    }

    fn sync(&self) -> io::Result<()> {
        run(&self.state, Operation::Sync(self.path.clone()), |state| state.sync(self.inode))
    }

    fn len(&self) -> io::Result<u64> {
        run(&self.state, Operation::Length(self.path.clone()), |state| Ok(state.inode(self.inode)?.now.len()))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let operation = Operation::SetLength(self.path.clone(), length);
        run(&self.state, operation, |state| state.set_length(self.inode, length))
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        if length > self.len()? { self.set_len(length) } else { Ok(()) }
    }
}
