//! The one door to files. Everything that the store does to a disk goes through these two traits, so that tests own the
//! disk: `real` is the operating system's, `memory` keeps nothing, `faulty` loses what was not synced and fails at will.

mod content;
pub mod faulty;
pub mod memory;
pub mod real;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::faulty::FaultyDisk;
pub use self::memory::MemoryDisk;
pub use self::real::RealDisk;

/// Whether there is no room for something, whatever bounds it.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// A directory tree.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Opens a file for reading and writing; makes it, empty, when `create` is set and it is not there.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn File>>;

    /// The names of the files in a directory, in order. Makes the directory when it is not there.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;

    /// Gives a file another name, replacing what has it. Lasting after `sync_directory`.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Lasting after `sync_directory`.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes names in a directory last: after files in it were made, renamed or removed.
    ///
    /// # Errors
    /// What the system says; nothing may be believed to last then.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;

    /// Bytes that are free for us.
    ///
    /// # Errors
    /// What the system says.
    fn free_space(&self) -> io::Result<u64>;
}

/// An open file, shared by those who use it.
#[expect(clippy::len_without_is_empty, reason = "asking the system may fail, and nothing asks whether a file is empty")]
pub trait File: fmt::Debug + Send + Sync {
    /// Reads up to the end of `buffer` or of the file; how many bytes came.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all of the parts, one behind the other, or fails.
    ///
    /// # Errors
    /// What the system says, and `WriteZero` for a write that stopped short: nothing is known of the bytes then.
    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()>;

    /// Returns once everything written so far is on the disk (fdatasync).
    ///
    /// # Errors
    /// What the system says. Never to be tried again on this file: a second try may report success for data that is lost.
    fn sync(&self) -> io::Result<()>;

    /// Bytes in the file.
    ///
    /// # Errors
    /// What the system says.
    fn len(&self) -> io::Result<u64>;

    /// Cuts the file off or fills it up with zeros.
    ///
    /// # Errors
    /// What the system says.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// Makes the file at least so long, and has the disk set room aside for all of it.
    ///
    /// # Errors
    /// What the system says.
    fn allocate(&self, length: u64) -> io::Result<()>;
}
