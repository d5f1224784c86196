//! What can go wrong with the log while it runs.

use std::io;

use crate::store::disk::is_full;
use crate::store::place::FileNumber;

/// A write or a sync failed: nothing is known of what it covered, and the process has to end.
#[derive(Debug, thiserror::Error)]
#[error("log file {} at offset {offset}: {operation} failed: {source}{}", .file.0, advice(source))]
pub struct WriteError {
    /// Which file of the log.
    pub file: FileNumber,
    /// From which byte.
    pub offset: u64,
    /// What was tried.
    pub operation: WriteOperation,
    /// What the system said.
    pub source: io::Error,
}

/// What to do about it, where anything can be done.
fn advice(source: &io::Error) -> &'static str {
    if is_full(source) {
        return "; the disk is full: the server has to end. Make room and start it again: what was confirmed is there";
    }
    ""
}

/// What the writer does with files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOperation {
    /// Getting a file for a number.
    Open,
    /// Writing a frame.
    Write,
    /// Making it last.
    Sync,
}

impl std::fmt::Display for WriteOperation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Write => "write",
            Self::Sync => "sync",
        })
    }
}

/// Records could not be read back.
#[derive(Debug, thiserror::Error)]
#[error("{} {} at offset {offset}: {problem}", if .file.is_segment() { "segment" } else { "log file" }, .file.number())]
pub struct ReadError {
    /// Which file.
    pub file: FileNumber,
    /// From which byte.
    pub offset: u64,
    /// What is wrong.
    pub problem: ReadProblem,
}

/// What is wrong with records.
#[derive(Debug, thiserror::Error)]
pub enum ReadProblem {
    /// The system cannot read.
    #[error("read failed: {0}")]
    Io(#[from] io::Error),
    /// The bytes are not the records that were written.
    #[error("the record is damaged")]
    Damaged,
    /// The file is not there any longer: its records were moved or settled.
    #[error("the file was given up")]
    Gone,
    /// The writer failed before it wrote them.
    #[error("the log cannot be written")]
    Failed,
}
