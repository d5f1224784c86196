//! Reading what a segment says of itself: header, footer and directory, all verified before any of it is believed.

use std::path::Path;
use std::sync::Arc;

use super::error::{SegmentDamage, SegmentError, SegmentOperation};
use super::layout::{CONTENT_START, ENTRY, Entry, FOOTER, Footer, Unusable, read_header};
use super::{is_unfinished, number_in, path_of};
use crate::store::disk::{Disk, File};
use crate::store::log::read_fully;
use crate::store::place::{FileNumber, QueueKey};
use crate::store::recovery::OpenSegment;

/// Asked whether to go on without a segment that is damaged or missing: an error says no.
pub type Passes<'a> = &'a mut dyn FnMut(FileNumber, SegmentError) -> Result<(), SegmentError>;

/// Opens the segments that a checkpoint lists, for the log to be recovered upon, and removes all others from the
/// directory: a crash left them behind. Extents of records that a restart forgets are left out.
///
/// Whether a segment that is damaged or missing is an error is for `passes` to say.
///
/// # Errors
/// The system's, and what `passes` makes of a segment that is missing, and of damage, with file and offset.
pub fn open_listed(
    disk: &dyn Disk,
    directory: &Path,
    listed: &[FileNumber],
    passes: Passes<'_>,
) -> Result<Vec<OpenSegment>, SegmentError> {
    remove_others(disk, directory, listed)?;
    look_at_listed(disk, directory, listed, passes)
}

/// As [`open_listed`], but removes nothing.
///
/// # Errors
/// Those of [`open_listed`].
pub fn look_at_listed(
    disk: &dyn Disk,
    directory: &Path,
    listed: &[FileNumber],
    passes: Passes<'_>,
) -> Result<Vec<OpenSegment>, SegmentError> {
    let mut segments = Vec::with_capacity(listed.len());
    for number in listed {
        match open(disk, directory, *number) {
            Ok(segment) => segments.push(segment),
            Err(error @ SegmentError::Io { .. }) => return Err(error),
            Err(error) => passes(*number, error)?,
        }
    }
    Ok(segments)
}

fn remove_others(disk: &dyn Disk, directory: &Path, listed: &[FileNumber]) -> Result<(), SegmentError> {
    let names = disk.list(directory).map_err(SegmentError::io(directory, SegmentOperation::List))?;
    for name in names {
        if is_unfinished(&name) || number_in(&name).is_some_and(|number| !listed.contains(&number)) {
            let path = directory.join(name);
            disk.remove(&path).map_err(SegmentError::io(&path, SegmentOperation::Remove))?;
        }
    }
    Ok(())
}

/// Opens a segment and verifies all but its records.
fn open(disk: &dyn Disk, directory: &Path, number: FileNumber) -> Result<OpenSegment, SegmentError> {
    let path = path_of(directory, number);
    let file = disk.open(&path, false).map_err(|source| {
        let missing = source.kind() == std::io::ErrorKind::NotFound;
        if missing {
            SegmentError::Missing(path.clone())
        } else {
            SegmentError::io(&path, SegmentOperation::Open)(source)
        }
    })?;
    let entries = Reading { path: &path, file: &file, number }.entries()?;
    let lasting = entries.iter().filter(|entry| !entry.transient);
    let extents = lasting.map(|entry| (entry.queue, entry.extent(number))).collect();
    Ok(OpenSegment { number, file, extents })
}

struct Reading<'a> {
    path: &'a Path,
    file: &'a Arc<dyn File>,
    number: FileNumber,
}

impl Reading<'_> {
    fn entries(&self) -> Result<Vec<Entry>, SegmentError> {
        let length = self.file.len().map_err(SegmentError::io(self.path, SegmentOperation::Read))?;
        let header = self.bytes(0, u64::from(CONTENT_START))?;
        let named = read_header(&header).map_err(|unusable| self.unusable(unusable, 0, SegmentDamage::Header))?;
        let no_header = self.damaged(0, SegmentDamage::Header);
        if named != self.number {
            return Err(no_header);
        }
        let footer_at = length.saturating_sub(u64::from(FOOTER));
        let footer = Footer::decode(&self.bytes(footer_at, u64::from(FOOTER))?);
        let footer = footer.map_err(|unusable| self.unusable(unusable, footer_at, SegmentDamage::Footer))?;
        let directory_length = u64::from(footer.entries) * u64::from(ENTRY);
        if footer.number != self.number || u64::from(footer.directory) + directory_length != footer_at {
            return Err(self.damaged(footer_at, SegmentDamage::Footer));
        }
        let bytes = self.bytes(u64::from(footer.directory), directory_length)?;
        let entries = (crc32c::crc32c(&bytes) == footer.directory_crc).then(|| sound_entries(&bytes, &footer));
        entries.flatten().ok_or_else(|| self.damaged(u64::from(footer.directory), SegmentDamage::Directory))
    }

    /// Fewer when the file is shorter.
    fn bytes(&self, offset: u64, length: u64) -> Result<Vec<u8>, SegmentError> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let read = read_fully(&**self.file, offset, &mut bytes);
        bytes.truncate(read.map_err(SegmentError::io(self.path, SegmentOperation::Read))?);
        Ok(bytes)
    }

    fn unusable(&self, unusable: Unusable, offset: u64, damage: SegmentDamage) -> SegmentError {
        match unusable {
            Unusable::Damaged => self.damaged(offset, damage),
            Unusable::Version(version) => SegmentError::Version { path: self.path.to_owned(), version },
        }
    }

    fn damaged(&self, offset: u64, damage: SegmentDamage) -> SegmentError {
        SegmentError::Damaged { path: self.path.to_owned(), offset, damage }
    }
}

/// The entries, if they are in order and one behind the other from the header to the directory.
fn sound_entries(mut bytes: &[u8], footer: &Footer) -> Option<Vec<Entry>> {
    let mut entries = Vec::with_capacity(bytes.len() / 32);
    let (mut next, mut offset, mut records) = ((QueueKey(0), 0), CONTENT_START, 0_u64);
    while !bytes.is_empty() {
        let entry = Entry::decode(&mut bytes)?;
        if entry.count == 0 || (entry.queue, entry.first) < next || entry.offset != offset {
            return None;
        }
        next = (entry.queue, entry.first.checked_add(u64::from(entry.count))?);
        offset = offset.checked_add(entry.length)?;
        records += u64::from(entry.count);
        entries.push(entry);
    }
    (offset == footer.directory && records == footer.records).then_some(entries)
}
