//! Reading records back, from the log's files and from segments alike.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::error::{ReadError, ReadProblem};
use super::{FileTable, Log, StoredFile};
use crate::store::disk::File;
use crate::store::format::{Put, Raw, Record};
use crate::store::place::{Extent, Location, Position, QueueKey};

impl Log {
    /// Reads the records of an extent and gives `each` of them with its sequence number, its own place and its payload, which
    /// is part of all that was read.
    /// Waits until they are written, which does not mean durable.
    ///
    /// # Errors
    /// `Gone` when the file was given up meanwhile: the queue knows a new place or has settled them. `Damaged` when the
    /// bytes are not the records; those that are whole have been given to `each`.
    pub fn read(
        &self,
        queue: QueueKey,
        extent: &Extent,
        each: &mut dyn FnMut(u64, Location, &Bytes),
    ) -> Result<(), ReadError> {
        let place = extent.location;
        let error = |offset, problem| ReadError { file: place.file, offset: u64::from(offset), problem };
        let file = self.files.get(place.file).ok_or_else(|| error(place.offset, ReadProblem::Gone))?;
        if !place.file.is_segment() {
            let end = Position::new(place.file, place.offset.saturating_add(place.length));
            self.wait_until_written(end).map_err(|problem| error(place.offset, problem))?;
        }
        read_extent(&file, queue, extent, each).map_err(|(offset, problem)| {
            // The slot may have been given another number while it was read.
            let gone = self.files.get(place.file).is_none_or(|still| !Arc::ptr_eq(&still, &file));
            error(offset, if gone { ReadProblem::Gone } else { problem })
        })
    }

    /// Reads bytes as they are into `buffer`, in place of what is there. Waits until they are written.
    ///
    /// # Errors
    /// `Gone` when the file was given up, `Damaged` when it ends before, and the system's.
    pub(in crate::store) fn read_raw(&self, place: Location, buffer: &mut Vec<u8>) -> Result<(), ReadError> {
        let error = |problem| ReadError { file: place.file, offset: u64::from(place.offset), problem };
        let file = self.files.get(place.file).ok_or_else(|| error(ReadProblem::Gone))?;
        if !place.file.is_segment() {
            let end = Position::new(place.file, place.offset.saturating_add(place.length));
            self.wait_until_written(end).map_err(error)?;
        }
        buffer.clear();
        buffer.resize(usize::try_from(place.length).unwrap_or(usize::MAX), 0);
        fill(&file, place, buffer).map_err(error)
    }

    fn wait_until_written(&self, end: Position) -> Result<(), ReadProblem> {
        if self.written_position.load(Ordering::Acquire) >= end.0 {
            return Ok(());
        }
        let mut written = self.written.lock();
        while self.written_position.load(Ordering::Acquire) < end.0 {
            if written.failed {
                return Err(ReadProblem::Failed);
            }
            self.written_more.wait(&mut written);
        }
        Ok(())
    }
}

impl FileTable {
    /// Reads an extent of a file that is in the table and nobody writes to.
    pub(in crate::store) fn read(
        &self,
        queue: QueueKey,
        extent: &Extent,
        each: &mut dyn FnMut(u64, Location, &Bytes),
    ) -> Result<(), ReadError> {
        let place = extent.location;
        let error = |(offset, problem)| ReadError { file: place.file, offset: u64::from(offset), problem };
        let file = self.get(place.file).ok_or_else(|| error((place.offset, ReadProblem::Gone)))?;
        read_extent(&file, queue, extent, each).map_err(error)
    }
}

fn read_extent(
    file: &StoredFile,
    queue: QueueKey,
    extent: &Extent,
    each: &mut dyn FnMut(u64, Location, &Bytes),
) -> Result<(), (u32, ReadProblem)> {
    let place = extent.location;
    let bytes = Bytes::from(read_bytes(file, place).map_err(|problem| (place.offset, problem))?);
    let mut rest = &bytes[..];
    let mut offset = place.offset;
    let mut next = extent.first;
    let mut missing = u64::from(extent.count);
    let mut damaged = None;
    while missing > 0 {
        let here = (offset, ReadProblem::Damaged);
        let Ok((raw, behind)) = Raw::split(rest) else { return Err(damaged.unwrap_or(here)) };
        let length = raw.len();
        match raw.verifies().then(|| raw.parse().ok()).flatten() {
            // Records of other queues and settles may lie between; they are not ours to give.
            Some(Record::Put(put)) => {
                if let Some(sequence) = wanted(&put, queue, next, missing) {
                    each(sequence, Location { file: file.number, offset, length }, &bytes.slice_ref(put.payload));
                    missing -= sequence.wrapping_sub(next) + 1;
                    next = sequence.wrapping_add(1);
                }
            }
            Some(Record::Settle(_) | Record::Requeue(_)) => {}
            // Its length may still be right, and then those behind it are whole.
            None => damaged = damaged.or(Some(here)),
        }
        offset = offset.saturating_add(length);
        rest = behind;
    }
    damaged.map_or(Ok(()), Err)
}

/// The number that a record has in the queue, if it is one of the next so many.
fn wanted(put: &Put<'_>, queue: QueueKey, next: u64, missing: u64) -> Option<u64> {
    let mut targets = put.targets().filter(|(of, sequence)| *of == queue && sequence.wrapping_sub(next) < missing);
    targets.next().map(|(_, sequence)| sequence)
}

fn read_bytes(file: &StoredFile, place: Location) -> Result<Vec<u8>, ReadProblem> {
    let mut bytes = vec![0; usize::try_from(place.length).unwrap_or(usize::MAX)];
    fill(file, place, &mut bytes)?;
    Ok(bytes)
}

fn fill(file: &StoredFile, place: Location, bytes: &mut [u8]) -> Result<(), ReadProblem> {
    let file = file.file().ok_or(ReadProblem::Gone)?;
    let read = read_fully(&**file, u64::from(place.offset), bytes)?;
    if read < bytes.len() { Err(ReadProblem::Damaged) } else { Ok(()) }
}

/// Reads until the buffer is full or the file ends; how many bytes came.
pub(in crate::store) fn read_fully(file: &dyn File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(offset + filled as u64, rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
