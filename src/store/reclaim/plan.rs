//! What to reclaim next: files of the log in their order, segments with little in them. Moves nothing.

use std::collections::BTreeMap;

use super::ReclaimOptions;
use crate::store::log::{FileUse, Log};
use crate::store::place::FileNumber;

/// Sparse segments emptied in one pass, at most.
const SPARSE_MAX: usize = 8;
/// Small segments emptied in one pass, at most.
const SMALL_MAX: usize = 64;

/// What a segment held when it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SegmentSize {
    pub(super) records: u64,
    pub(super) bytes: u64,
}

pub(super) type Segments = BTreeMap<FileNumber, SegmentSize>;

/// What one pass does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The file of the log that live records are moved out of.
    pub(super) source: Option<FileNumber>,
    /// Files of the log that become free; the source is one of them.
    pub(super) freed: Vec<FileNumber>,
    /// The first file of the log that counts afterwards.
    pub(super) first_file: FileNumber,
    /// Segments that live records are moved out of.
    pub(super) sparse: Vec<FileNumber>,
    /// Segments without live records.
    pub(super) dead: Vec<FileNumber>,
}

impl Plan {
    /// What is worth doing. Files of the log before `first_file` are done with. Without `copy` no file of the log is
    /// emptied, only given up when nothing in it is live.
    pub(super) fn make(
        log: &Log,
        segments: &Segments,
        first_file: FileNumber,
        options: &ReclaimOptions,
        copy: bool,
    ) -> Option<Self> {
        // Read before the use of files: what is sealed then stays so.
        let unsealed = log.first_unsealed();
        let usage = log.usage();
        let mut plan = Self::of_segments(&usage, segments, first_file, options);
        let files: Vec<_> =
            usage.iter().filter(|file| !file.number.is_segment() && file.number >= first_file).collect();
        let mut source = None;
        for (at, file) in files.iter().enumerate() {
            if file.number >= unsealed {
                break;
            }
            if file.live > 0 {
                if !copy || source.is_some() || files.len() - at <= options.log_files {
                    break;
                }
                source = Some(file.number);
            }
            plan.freed.push(file.number);
        }
        plan.source = source;
        plan.first_file = files.get(plan.freed.len()).map_or(first_file, |next| next.number);
        plan.is_worth_it().then_some(plan)
    }

    fn of_segments(usage: &[FileUse], segments: &Segments, first_file: FileNumber, options: &ReclaimOptions) -> Self {
        let known = || usage.iter().filter_map(|file| Some((file, segments.get(&file.number)?)));
        let dead = known().filter(|(file, _)| file.live == 0).map(|(file, _)| file.number).collect();
        let live = || known().filter(|(file, _)| file.live > 0);
        let is_sparse = |live: u64, size: &SegmentSize| live * 100 < size.records * options.sparse_percent;
        let sparse = live().filter(|(file, size)| is_sparse(file.live, size)).map(|(file, _)| file.number);
        let mut sparse: Vec<_> = sparse.take(SPARSE_MAX).collect();
        let is_small = |size: &SegmentSize| size.bytes < u64::from(options.segment_size / 16);
        let small: Vec<_> = live().filter(|(_, size)| is_small(size)).map(|(file, _)| file.number).collect();
        if small.len() >= options.small_segments {
            sparse.extend(small.into_iter().take(SMALL_MAX));
            sparse.sort_unstable();
            sparse.dedup();
        }
        Self { source: None, freed: Vec::new(), first_file, sparse, dead }
    }

    /// What of it needs no room, if that is worth doing.
    pub(super) fn without_copying(self) -> Option<Self> {
        debug_assert!(self.source.is_none(), "a file that is emptied");
        let plan = Self { sparse: Vec::new(), ..self };
        plan.is_worth_it().then_some(plan)
    }

    fn is_worth_it(&self) -> bool {
        !(self.freed.is_empty() && self.sparse.is_empty() && self.dead.is_empty())
    }

    /// Files that records are moved out of.
    pub(super) fn sources(&self) -> impl Iterator<Item = FileNumber> {
        self.source.into_iter().chain(self.sparse.iter().copied())
    }
}
