//! Room on the disk that is kept back: a file that is there for being removed. On a full disk that lets go on what makes
//! room, and what cannot be refused. Owns the file; who may have its room is for those who ask.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::disk::Disk;

/// The name of the file in the data directory.
pub const RESERVE_FILE: &str = "reserve";

/// Room that is kept back.
#[derive(Debug)]
pub struct Reserve {
    disk: Arc<dyn Disk>,
    /// Bytes of the file.
    size: u64,
    state: Mutex<State>,
    /// What was kept back is in use, and the disk was not seen with room since.
    is_taken: AtomicBool,
    /// Somebody found no room, and nobody was told of it yet.
    found_full: AtomicBool,
}

#[derive(Debug)]
struct State {
    is_there: bool,
    /// How often it was taken.
    times: u64,
}

impl Reserve {
    /// The one of a data directory, which may be there from an earlier run.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(disk: &Arc<dyn Disk>, size: u64) -> io::Result<Self> {
        let is_there = match disk.open(Path::new(RESERVE_FILE), false) {
            Ok(file) => file.len()? >= size,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        Ok(Self {
            disk: Arc::clone(disk),
            size,
            state: Mutex::new(State { is_there, times: 0 }),
            is_taken: AtomicBool::new(false),
            found_full: AtomicBool::new(false),
        })
    }

    /// Bytes that are kept back where there is room for it.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Whether there is something to be taken.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.state.lock().is_there
    }

    /// Whether it was taken, and the disk is not known to have room since: what is left of it is for what makes room.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Acquire)
    }

    /// Somebody who is refused found no room.
    pub fn note_full(&self) {
        self.found_full.store(true, Ordering::Release);
    }

    /// Whether anybody found no room since it was asked last.
    pub fn take_found_full(&self) -> bool {
        self.found_full.swap(false, Ordering::AcqRel)
    }

    /// The disk has room again.
    pub fn note_room(&self) {
        self.is_taken.store(false, Ordering::Release);
    }

    /// Tries something; where there was no room, once more in that which was kept back.
    ///
    /// # Errors
    /// Those of the last attempt.
    pub fn with_room<T, E>(
        &self,
        is_full: impl Fn(&E) -> bool,
        mut attempt: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let before = self.state.lock().times;
        match attempt() {
            Err(error) if is_full(&error) => {
                self.note_full();
                if self.take(before) { attempt() } else { Err(error) }
            }
            outcome => outcome,
        }
    }

    /// Gives the room free, before anything was tried that may need it.
    pub fn release(&self) {
        let before = self.state.lock().times;
        self.take(before);
    }

    /// Gives the room free; whether there is more of it than there was `before`, when it had been taken so many times.
    fn take(&self, before: u64) -> bool {
        let mut state = self.state.lock();
        if !state.is_there {
            // Somebody else may have taken it meanwhile: that is room as well.
            return state.times > before;
        }
        let removed = self.disk.remove(Path::new(RESERVE_FILE));
        // Until then some file systems do not give the blocks to others.
        match removed.and_then(|()| self.disk.sync_directory(Path::new(""))) {
            Ok(()) => {
                *state = State { is_there: false, times: state.times + 1 };
                self.is_taken.store(true, Ordering::Release);
                tracing::warn!("the disk is full: {} MiB that were kept back are in use now", self.size >> 20);
                true
            }
            Err(error) => {
                tracing::error!("the disk is full, and the file {RESERVE_FILE} cannot be removed: {error}");
                false
            }
        }
    }

    /// Keeps room back, where it is not. What cannot be had as a whole is not kept at all.
    ///
    /// # Errors
    /// What the system says.
    pub fn make(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.is_there {
            return Ok(());
        }
        let path = Path::new(RESERVE_FILE);
        let made = self.disk.open(path, true).and_then(|file| file.allocate(self.size));
        if let Err(error) = made.and_then(|()| self.disk.sync_directory(Path::new(""))) {
            // One that stays is too short, and made again.
            let _ = self.disk.remove(path);
            return Err(error);
        }
        state.is_there = true;
        drop(state);
        self.note_room();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::faulty::Unsynced;
    use crate::store::disk::{FaultyDisk, is_full};

    const SIZE: u64 = 10_000;

    fn reserve(disk: &FaultyDisk) -> Reserve {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        Reserve::of(&disk, SIZE).unwrap()
    }

    /// Writes so many bytes into a new file.
    fn write(disk: &FaultyDisk, name: &str, bytes: usize) -> io::Result<()> {
        disk.open(Path::new(name), true)?.write_at(0, &[&vec![1; bytes]])
    }

    #[test]
    fn what_finds_no_room_goes_on_in_what_was_kept_back_once() {
        let disk = FaultyDisk::new();
        disk.capacity(SIZE + 100);
        let reserve = reserve(&disk);
        reserve.make().unwrap();
        reserve.with_room(is_full, || write(&disk, "fits", 100)).unwrap();
        assert!(reserve.is_there() && !reserve.is_taken() && !reserve.take_found_full());
        reserve.with_room(is_full, || write(&disk, "large", 9_000)).unwrap();
        assert!(!reserve.is_there() && reserve.is_taken());
        assert!(reserve.take_found_full() && !reserve.take_found_full());
        reserve.with_room(is_full, || write(&disk, "rest", 900)).unwrap();
        assert!(is_full(&reserve.with_room(is_full, || write(&disk, "too much", 200)).unwrap_err()));
    }

    #[test]
    fn who_was_refused_while_another_took_it_tries_again() {
        let disk = FaultyDisk::new();
        let reserve = reserve(&disk);
        reserve.make().unwrap();
        let mut attempts = 0;
        let done = reserve.with_room(is_full, || {
            attempts += 1;
            if attempts == 1 {
                reserve.release();
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            Ok(attempts)
        });
        assert_eq!(done.unwrap(), 2);
    }

    #[test]
    fn other_errors_take_nothing() {
        let disk = FaultyDisk::new();
        let reserve = reserve(&disk);
        reserve.make().unwrap();
        let broken = reserve.with_room(is_full, || Err::<(), _>(io::Error::other("broken")));
        assert_eq!(broken.unwrap_err().to_string(), "broken");
        assert!(reserve.is_there() && !reserve.take_found_full());
    }

    #[test]
    fn it_is_kept_as_a_whole_or_not_at_all_and_again_once_there_is_room() {
        let disk = FaultyDisk::new();
        disk.capacity(SIZE - 1);
        let reserve = reserve(&disk);
        assert!(is_full(&reserve.make().unwrap_err()));
        assert!(!reserve.is_there());
        write(&disk, "fits", 9_999).unwrap();
        disk.remove(Path::new("fits")).unwrap();
        disk.heal();
        reserve.make().unwrap();
        assert!(reserve.is_there());
        assert!(reserve_is_there_after_a_power_cut(&disk));
        reserve.release();
        assert!(reserve.is_taken() && !reserve_is_there_after_a_power_cut(&disk));
        reserve.make().unwrap();
        assert!(reserve.is_there() && !reserve.is_taken());
    }

    fn reserve_is_there_after_a_power_cut(disk: &FaultyDisk) -> bool {
        reserve(&disk.after_power_cut(Unsynced::Kept)).is_there()
    }

    #[test]
    fn one_that_is_too_short_is_none() {
        let disk = FaultyDisk::new();
        write(&disk, RESERVE_FILE, 9_999).unwrap();
        let reserve = reserve(&disk);
        assert!(!reserve.is_there());
        reserve.make().unwrap();
        assert_eq!(disk.open(Path::new(RESERVE_FILE), false).unwrap().len().unwrap(), SIZE);
    }
}
