//! Why a log cannot be opened.

use std::io;
use std::path::{Path, PathBuf};

use crate::store::log::ReadError;
use crate::store::place::{FileNumber, Position};

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system refused something.
    #[error("{}: cannot {operation}: {source}", .path.display())]
    Io {
        /// Of which file or directory.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Something that had been made durable is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Written by another version.
    #[error("{}: format {version} of log files is not known to this version", .path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// What it says.
        version: u16,
    },
    /// Live records cannot be read back.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Bytes that are not what was written, where they had been made durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", text(self))]
pub struct Damage {
    /// Which file; the directory where one is missing.
    pub path: PathBuf,
    /// The same place as a position of the log, where it is known.
    pub position: Option<Position>,
    /// From which byte.
    pub offset: u64,
    /// What is wrong there.
    pub kind: DamageKind,
    /// How much was passed over because of it, where something was and it is known.
    pub lost: Option<Lost>,
}

/// What was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Bytes of the file.
    pub bytes: u64,
    /// Records in them, where what is left tells.
    pub records: Option<u32>,
}

/// Names of files say nothing of the number that a file holds.
fn text(damage: &Damage) -> String {
    let (path, offset, kind) = (damage.path.display(), damage.offset, damage.kind);
    match kind {
        DamageKind::Missing(file) => {
            format!("{path}: {kind}: none of the files there has number {} in its first page", file.0)
        }
        DamageKind::Header | DamageKind::Order | DamageKind::Frame | DamageKind::Record => {
            format!("{path} is damaged at offset {offset}: {kind}{}", told(damage.lost.as_ref()))
        }
    }
}

fn told(lost: Option<&Lost>) -> String {
    match lost {
        None => String::new(),
        Some(Lost { bytes, records: None }) => format!(" ({bytes} bytes are lost)"),
        Some(Lost { bytes, records: Some(records) }) => format!(" ({records} records in {bytes} bytes are lost)"),
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    /// Neither copy of a file's header verifies.
    #[error("the file's header cannot be read")]
    Header,
    /// Two files say that they are the same one of the log, or the order of files contradicts itself.
    #[error("the file's header contradicts other files")]
    Order,
    /// A frame that had been made durable does not verify.
    #[error("what was durable there cannot be read")]
    Frame,
    /// A file of the log is not there.
    #[error("the log's file number {} is missing, with all that was in it", .0.0)]
    Missing(FileNumber),
    /// A frame verifies and a record in it makes no sense.
    #[error("a record there makes no sense")]
    Record,
}

impl OpenError {
    pub(super) fn io(path: &Path, operation: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), operation, source }
    }
}
