//! Segments: immutable files of records that outlived the log's files, sorted by queue and sequence number. Owns their
//! format, their writing and their names; reading records back is `log`'s. docs/storage-format.md describes every byte.

mod directory;
mod error;
mod layout;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};

pub use self::directory::{Passes, look_at_listed, open_listed};
pub use self::error::{SegmentDamage, SegmentError, SegmentOperation};
pub(super) use self::writer::SegmentWriter;
use super::disk::Disk;
use super::place::FileNumber;

/// Bytes of an extent, unless a single record is larger.
pub(super) const EXTENT_MAX: u32 = 1 << 20;

const EXTENSION: &str = "seg";
const UNFINISHED: &str = "tmp";

/// The name of a segment in its directory.
pub(super) fn path_of(directory: &Path, number: FileNumber) -> PathBuf {
    directory.join(format!("{:08}.{EXTENSION}", number.number()))
}

/// Where a segment is in a data directory, for texts.
pub(super) fn usual_path(number: FileNumber) -> PathBuf {
    path_of(Path::new("segments"), number)
}

/// The name it has while it is written.
fn unfinished_path(directory: &Path, number: FileNumber) -> PathBuf {
    directory.join(format!("{:08}.{UNFINISHED}", number.number()))
}

/// The segment of that name; none for names of other things.
fn number_in(name: &Path) -> Option<FileNumber> {
    let stem = name.extension().filter(|extension| *extension == EXTENSION).and_then(|_| name.file_stem())?;
    let number: u32 = stem.to_str()?.parse().ok()?;
    (number == FileNumber(number).number()).then_some(FileNumber::segment(number))
}

/// Removes a segment, finished or not, that no checkpoint lists. What cannot be removed goes at the next start.
pub(super) fn discard(disk: &dyn Disk, directory: &Path, number: FileNumber) {
    for path in [unfinished_path(directory, number), path_of(directory, number)] {
        let _ = disk.remove(&path);
    }
}

/// Whether the file is one of which nothing was promised yet.
fn is_unfinished(name: &Path) -> bool {
    name.extension().is_some_and(|extension| extension == UNFINISHED)
}
