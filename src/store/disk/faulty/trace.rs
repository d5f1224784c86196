//! What was done to a faulty disk, for the messages of tests. Owns no bytes.

use std::fmt;
use std::path::PathBuf;

/// One operation on a disk or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opened, or made.
    Open(PathBuf),
    /// The names of a directory were asked for.
    List(PathBuf),
    /// Renamed, from and to.
    Rename(PathBuf, PathBuf),
    /// Removed.
    Remove(PathBuf),
    /// The names of a directory were synced.
    SyncDirectory(PathBuf),
    /// The free space was asked for.
    FreeSpace,
    /// Read: path, offset, bytes asked for.
    Read(PathBuf, u64, u64),
    /// Written: path, offset, bytes.
    Write(PathBuf, u64, u64),
    /// Synced.
    Sync(PathBuf),
    /// The length was asked for.
    Length(PathBuf),
    /// Cut off or grown to that many bytes.
    SetLength(PathBuf, u64),
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(path) => write!(f, "open {}", path.display()),
            Self::List(path) => write!(f, "list '{}'", path.display()),
            Self::Rename(from, to) => write!(f, "rename {} to {}", from.display(), to.display()),
            Self::Remove(path) => write!(f, "remove {}", path.display()),
            Self::SyncDirectory(path) => write!(f, "sync directory '{}'", path.display()),
            Self::FreeSpace => write!(f, "free space"),
            Self::Read(path, offset, bytes) => write!(f, "read {} at {offset}, {bytes} bytes", path.display()),
            Self::Write(path, offset, bytes) => write!(f, "write {} at {offset}, {bytes} bytes", path.display()),
            Self::Sync(path) => write!(f, "sync {}", path.display()),
            Self::Length(path) => write!(f, "length of {}", path.display()),
            Self::SetLength(path, length) => write!(f, "set length of {} to {length}", path.display()),
        }
    }
}
