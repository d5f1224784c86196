//! When the log's files are emptied, and into what.

use std::path::PathBuf;

/// How to reclaim.
#[derive(Clone, Debug)]
pub struct ReclaimOptions {
    /// The directory of segments, `<data>/segments`.
    pub directory: PathBuf,
    /// Bytes of a segment, directory and footer apart; one larger record makes a larger one.
    pub segment_size: u32,
    /// With more files of the log than this in use, the oldest is emptied.
    pub log_files: usize,
    /// Segments of which less than this part of the records is live are emptied, in percent.
    pub sparse_percent: u64,
    /// When there are so many segments of less than a sixteenth of the size, they are made into fewer.
    pub small_segments: usize,
}

impl ReclaimOptions {
    /// The usual options: segments of 64 MiB; six of the eight log files stay in use.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        Self { directory, segment_size: 64 << 20, log_files: 6, sparse_percent: 30, small_segments: 16 }
    }
}
