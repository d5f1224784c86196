//! Why a pass stopped, and whether the process may go on.

use std::io;

use crate::store::log::ReadError;
use crate::store::meta::{CommitError, Fatal};
use crate::store::place::FileNumber;
use crate::store::segment::SegmentError;

/// Why a pass stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReclaimError {
    /// The disk is full. Nothing was freed, what was written is removed; to be tried again later.
    #[error("no space to move records out of the log: {0}")]
    NoSpace(#[source] SegmentError),
    /// As `NoSpace`, of the checkpoint.
    #[error("no space for a checkpoint: {0}")]
    NoSpaceToCommit(#[source] CommitError),
    /// Live records cannot be read. Nothing was freed; to be tried again later.
    #[error("cannot move records out of the log: {0}")]
    Read(#[source] ReadError),
    /// A segment cannot be written or made to last: the process has to end.
    #[error(transparent)]
    Segment(SegmentError),
    /// The checkpoint may be the old or the new one: the process has to end.
    #[error(transparent)]
    Commit(#[from] Fatal),
    /// A file of the log that is free cannot be cut back: the process has to end.
    #[error("log file {}: cannot cut it back: {source}", .file.number())]
    Free {
        /// Which file.
        file: FileNumber,
        /// What the system said.
        source: io::Error,
    },
    /// It was called again after an error that has to end the process.
    #[error("reclaiming failed before")]
    FailedBefore,
}

impl ReclaimError {
    /// Whether the process has to end.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        match self {
            Self::NoSpace(_) | Self::NoSpaceToCommit(_) | Self::Read(_) => false,
            Self::Segment(_) | Self::Commit(_) | Self::Free { .. } | Self::FailedBefore => true,
        }
    }
}

impl From<SegmentError> for ReclaimError {
    fn from(error: SegmentError) -> Self {
        if error.is_no_space() { Self::NoSpace(error) } else { Self::Segment(error) }
    }
}

impl From<CommitError> for ReclaimError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::NoSpace => Self::NoSpaceToCommit(error),
            CommitError::Fatal(error) => Self::Commit(error),
        }
    }
}

impl From<ReadError> for ReclaimError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}
