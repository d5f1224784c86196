//! What the store is opened with.

use std::path::PathBuf;
use std::sync::Arc;

use super::reserve::Reserve;

/// How to open the log.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory of the log's files, `<data>/log`.
    pub directory: PathBuf,
    /// Bytes of a log file; a larger append gets a file of its own.
    pub file_size: u32,
    /// How many log files are kept ready to be written or hold the log in regular use.
    pub files: usize,
    /// Random, and another at each start: log files are salted with it, so that frames of an earlier use of a file,
    /// or of a start that failed, are never taken for new ones.
    pub salt: u64,
    /// Skip what is damaged and say so, instead of refusing to open.
    pub salvage: bool,
    /// Room for the log to go on in on a full disk.
    pub reserve: Option<Arc<Reserve>>,
}

impl Options {
    /// The usual options: eight files of 64 MiB, no salvage.
    #[must_use]
    pub const fn new(directory: PathBuf, salt: u64) -> Self {
        Self { directory, file_size: 64 << 20, files: 8, salt, salvage: false, reserve: None }
    }
}
