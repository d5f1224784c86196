//! Writing a segment: records in their order, a megabyte at a time, so that memory stays small however much is written.
//! Until it has its name and that lasts, it does not count.

use std::path::PathBuf;
use std::sync::Arc;

use super::error::{SegmentError, SegmentOperation};
use super::layout::{Entry, Footer, header};
use super::{EXTENT_MAX, path_of, unfinished_path};
use crate::store::disk::{Disk, File};
use crate::store::place::{FileNumber, Location, QueueKey};

/// Bytes of one write.
const PIECE: usize = 1 << 20;
/// After so many bytes they are made to last: a sync of the log waits for what is on its way to the disk before it, and a
/// whole segment takes a disk as long as all syncs of the log in a tenth of a second.
const SYNCED_AT_ONCE: u32 = 4 << 20;
/// What the directory may grow to: 4 MiB.
const ENTRIES_MAX: usize = 1 << 17;

/// A segment in the making.
#[derive(Debug)]
pub(in crate::store) struct SegmentWriter {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    number: FileNumber,
    file: Arc<dyn File>,
    /// Bytes up to here are with the system, the buffer's come behind.
    written: u32,
    /// Bytes up to here last.
    synced: u32,
    buffer: Vec<u8>,
    entries: Vec<Entry>,
    records: u64,
}

/// A segment that lasts.
#[derive(Debug)]
pub(in crate::store) struct Finished {
    pub(in crate::store) number: FileNumber,
    pub(in crate::store) file: Arc<dyn File>,
    /// Records in it.
    pub(in crate::store) records: u64,
}

impl SegmentWriter {
    /// Begins a segment, in place of what an earlier attempt may have left.
    pub(in crate::store) fn create(
        disk: &Arc<dyn Disk>,
        directory: PathBuf,
        number: FileNumber,
    ) -> Result<Self, SegmentError> {
        let path = unfinished_path(&directory, number);
        let file = disk.open(&path, true).map_err(SegmentError::io(&path, SegmentOperation::Open))?;
        file.set_len(0).map_err(SegmentError::io(&path, SegmentOperation::Write))?;
        let buffer = header(number).to_vec();
        let disk = Arc::clone(disk);
        Ok(Self { disk, directory, number, file, written: 0, synced: 0, buffer, entries: Vec::new(), records: 0 })
    }

    /// Bytes of header and records so far.
    pub(in crate::store) fn length(&self) -> u32 {
        self.written.saturating_add(u32::try_from(self.buffer.len()).unwrap_or(u32::MAX))
    }

    /// Whether so many bytes more, which are at most one extent, go well with what is there in a file of `limit` bytes.
    /// Into an empty one everything goes.
    pub(in crate::store) fn has_room(&self, bytes: u32, limit: u32) -> bool {
        self.records == 0 || (self.length().saturating_add(bytes) <= limit && self.entries.len() < ENTRIES_MAX)
    }

    /// Adds the record of one sequence number; records come sorted by queue and number.
    pub(in crate::store) fn append(
        &mut self,
        queue: QueueKey,
        sequence: u64,
        transient: bool,
        record: &[u8],
    ) -> Result<Location, SegmentError> {
        self.append_many(queue, sequence, 1, transient, record)
    }

    /// Adds records of consecutive numbers that are not to be told apart.
    pub(in crate::store) fn append_many(
        &mut self,
        queue: QueueKey,
        first: u64,
        count: u32,
        transient: bool,
        bytes: &[u8],
    ) -> Result<Location, SegmentError> {
        let offset = self.length();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.enter(Entry { queue, first, count, offset, length, transient });
        self.records += u64::from(count);
        if self.buffer.len() + bytes.len() < PIECE {
            self.buffer.extend_from_slice(bytes);
        } else {
            self.write_with(bytes)?;
        }
        Ok(Location { file: self.number, offset, length })
    }

    /// Writes the rest and the directory, makes the bytes last, then the name.
    pub(in crate::store) fn finish(mut self) -> Result<Finished, SegmentError> {
        let directory = self.length();
        let mut bytes = Vec::with_capacity(self.entries.len() * 32);
        self.entries.iter().for_each(|entry| entry.encode(&mut bytes));
        let footer = Footer {
            number: self.number,
            records: self.records,
            entries: u32::try_from(self.entries.len()).unwrap_or(u32::MAX),
            directory,
            directory_crc: crc32c::crc32c(&bytes),
        };
        let unfinished = unfinished_path(&self.directory, self.number);
        let parts: [&[u8]; 3] = [&self.buffer, &bytes, &footer.encode()];
        let written = self.file.write_at(u64::from(self.written), &parts);
        written.map_err(SegmentError::io(&unfinished, SegmentOperation::Write))?;
        self.file.sync().map_err(SegmentError::io(&unfinished, SegmentOperation::Sync))?;
        let renamed = self.disk.rename(&unfinished, &path_of(&self.directory, self.number));
        renamed.map_err(SegmentError::io(&unfinished, SegmentOperation::Rename))?;
        let synced = self.disk.sync_directory(&self.directory);
        synced.map_err(SegmentError::io(&self.directory, SegmentOperation::SyncDirectory))?;
        self.buffer.clear();
        Ok(Finished { number: self.number, file: self.file, records: self.records })
    }

    /// Makes the last entry longer where the new one goes on, unless an extent became too long.
    fn enter(&mut self, entry: Entry) {
        if let Some(last) = self.entries.last_mut() {
            let length = last.length.saturating_add(entry.length);
            let next = last.first.checked_add(u64::from(last.count));
            let goes_on = last.queue == entry.queue && next == Some(entry.first) && last.transient == entry.transient;
            if goes_on && length <= EXTENT_MAX {
                last.count = last.count.saturating_add(entry.count);
                last.length = length;
                return;
            }
        }
        self.entries.push(entry);
    }

    /// Writes what has gathered and, uncopied, what comes behind it.
    fn write_with(&mut self, bytes: &[u8]) -> Result<(), SegmentError> {
        let path = unfinished_path(&self.directory, self.number);
        let written = self.file.write_at(u64::from(self.written), &[&self.buffer, bytes]);
        written.map_err(SegmentError::io(&path, SegmentOperation::Write))?;
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.written = self.length().saturating_add(length);
        self.buffer.clear();
        if self.written - self.synced >= SYNCED_AT_ONCE {
            self.file.sync().map_err(SegmentError::io(&path, SegmentOperation::Sync))?;
            self.synced = self.written;
        }
        Ok(())
    }
}
