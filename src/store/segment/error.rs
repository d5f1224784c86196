//! What can go wrong with segments.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::store::disk::is_full;

/// A segment cannot be used or written.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The system refused something.
    #[error("{}: {operation} failed: {source}", .path.display())]
    Io {
        /// Of which file or directory.
        path: PathBuf,
        /// What was tried.
        operation: SegmentOperation,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes are not what was written.
    #[error("{} is damaged at offset {offset}: {damage}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// From which byte.
        offset: u64,
        /// What is wrong there.
        damage: SegmentDamage,
    },
    /// The checkpoint lists it, and it is not there.
    #[error("the segment {} is missing", .0.display())]
    Missing(PathBuf),
    /// Written by another version.
    #[error("{}: format {version} of segments is not known to this version", .path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// What it says.
        version: u16,
    },
}

/// What is wrong with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentDamage {
    /// The header does not verify or is another segment's.
    #[error("the file's header cannot be read")]
    Header,
    /// The footer does not verify, is another segment's, or contradicts the length of the file.
    #[error("the file's footer cannot be read")]
    Footer,
    /// The directory does not verify or contradicts itself.
    #[error("the directory of extents cannot be read")]
    Directory,
}

/// What is done to files of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentOperation {
    /// Making or opening it.
    Open,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Making its bytes last.
    Sync,
    /// Giving it its name.
    Rename,
    /// Making its name last.
    SyncDirectory,
    /// Removing it.
    Remove,
    /// Asking for the names in the directory.
    List,
}

impl SegmentError {
    pub(in crate::store) fn io(path: &Path, operation: SegmentOperation) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), operation, source }
    }

    /// Whether there was no room, and nothing worse: of a sync that fails nothing is known, whatever the error says.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        let Self::Io { operation, source, .. } = self else { return false };
        is_full(source) && !matches!(operation, SegmentOperation::Sync | SegmentOperation::SyncDirectory)
    }
}

impl fmt::Display for SegmentOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Rename => "rename",
            Self::SyncDirectory => "sync of the directory",
            Self::Remove => "remove",
            Self::List => "list",
        })
    }
}
