//! What was appended and not yet taken by the writer: one active group, and before it those that are complete because
//! their file or their measure was full.

use std::collections::VecDeque;
use std::sync::Arc;

use super::batch::Batch;
use super::files::StoredFile;
use crate::store::format::{CONTENT_START, FRAME_HEADER, padded};
use crate::store::place::{FileNumber, Position};

/// A group that has grown so long is complete: what one write takes. A sync for so much costs little for each message.
const GROUP_MAX: usize = 4 << 20;
/// A buffer that needs more gets room for a whole group at once: what it does not touch takes no memory, and one that
/// grew by doubling would leave all its smaller selves with the allocator. Measured: tests/it/paged.rs.
const BUFFER_SMALL: usize = 64 << 10;
/// One gathers, one is written.
const BUFFERS_KEPT: usize = 1;

/// Appends that become one frame.
#[derive(Debug)]
pub(super) struct Group {
    /// The file that it is written to.
    pub(super) file: Arc<StoredFile>,
    /// Where its frame begins.
    pub(super) base: u32,
    /// When it is the first of its file: where the log's content before ends.
    pub(super) previous_end: Option<Position>,
    /// The records.
    pub(super) body: Vec<u8>,
    /// How many there are.
    pub(super) records: u32,
    /// Whether one of them is a put.
    pub(super) puts: bool,
    /// Whether somebody waits for it.
    pub(super) sync: bool,
    /// Bytes appended to the log since it was opened, up to the end of this group; set when it is complete.
    pub(super) appended_bytes: u64,
}

impl Group {
    fn new(file: Arc<StoredFile>, base: u32, previous_end: Option<Position>, body: Vec<u8>) -> Self {
        Self { file, base, previous_end, body, records: 0, puts: false, sync: false, appended_bytes: 0 }
    }

    /// Where in the file the next record will be.
    #[inline]
    pub(super) fn offset(&self) -> u32 {
        offset(u64::from(self.base + FRAME_HEADER) + self.body.len() as u64)
    }

    /// Where the frame ends; where it begins when there is nothing in it.
    pub(super) fn end(&self) -> u32 {
        if self.body.is_empty() {
            return self.base;
        }
        offset(u64::from(self.base + FRAME_HEADER) + padded(self.body.len()) as u64)
    }
}

/// Groups in the making.
#[derive(Debug)]
pub(super) struct Gathering {
    complete: VecDeque<Group>,
    active: Group,
    spare: Vec<Vec<u8>>,
    file_size: usize,
    appended_bytes: u64,
    appended: Position,
}

impl Gathering {
    pub(super) fn new(file: Arc<StoredFile>, end: Position, file_size: u32) -> Self {
        Self {
            complete: VecDeque::new(),
            active: Group::new(file, end.offset(), None, Vec::new()),
            spare: Vec::new(),
            file_size: usize::try_from(file_size).unwrap_or(usize::MAX),
            appended_bytes: 0,
            appended: end,
        }
    }

    /// Sees to it that the active group can take `bound` more bytes, in a later file if need be. An append that no file
    /// can take gets the whole of a new one, which grows.
    #[inline]
    pub(super) fn make_room(&mut self, bound: usize, open: impl FnOnce(FileNumber) -> Arc<StoredFile>) {
        let gathered = self.active.body.len();
        // An idle seal always fits behind.
        let end = self.active.offset() as usize + bound + 8 + FRAME_HEADER as usize;
        let untouched = gathered == 0 && self.active.previous_end.is_some();
        if end > self.file_size && !untouched {
            self.open_next(open);
        } else if gathered > 0 && gathered + bound > GROUP_MAX {
            let (file, end) = (Arc::clone(&self.active.file), self.active.end());
            self.replace_active(file, end, None);
        }
    }

    /// Appends to the active group, which has room.
    #[inline]
    pub(super) fn append<T>(
        &mut self,
        bound: usize,
        sync: bool,
        write: impl FnOnce(&mut Batch<'_>) -> T,
    ) -> (T, Position) {
        reserve(&mut self.active.body, bound);
        let mut batch = Batch::new(&mut self.active);
        let value = write(&mut batch);
        let added = batch.finish();
        if added > 0 {
            self.appended_bytes += added;
            self.appended = self.active_end();
            self.active.sync |= sync;
        }
        (value, self.appended)
    }

    /// The end of everything appended. Idle seals come behind it.
    pub(super) fn appended(&self) -> Position {
        self.appended
    }

    pub(super) fn appended_bytes(&self) -> u64 {
        self.appended_bytes
    }

    /// Whether there is something for the writer.
    pub(super) fn is_empty(&self) -> bool {
        self.complete.is_empty() && self.active.body.is_empty()
    }

    /// The first file that something may still be written to.
    pub(super) fn oldest_unwritten(&self) -> FileNumber {
        self.complete.front().unwrap_or(&self.active).file.number
    }

    /// The oldest group, for the writer.
    pub(super) fn take(&mut self) -> Option<Group> {
        if let Some(group) = self.complete.pop_front() {
            return Some(group);
        }
        if self.active.body.is_empty() {
            return None;
        }
        let (file, end) = (Arc::clone(&self.active.file), self.active.end());
        self.replace_active(file, end, None);
        self.complete.pop_front()
    }

    /// A place for a frame without records behind everything written, when nothing has gathered.
    pub(super) fn take_seal(&mut self) -> Option<Group> {
        if !self.is_empty() || self.active.previous_end.is_some() {
            return None;
        }
        let mut seal = Group::new(Arc::clone(&self.active.file), self.active.base, None, Vec::new());
        seal.appended_bytes = self.appended_bytes;
        self.active.base += FRAME_HEADER;
        // The log is idle: buffers are for those who write.
        self.active.body = Vec::new();
        self.spare.clear();
        Some(seal)
    }

    /// Takes a written buffer back to be used again.
    pub(super) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if (1..=GROUP_MAX).contains(&buffer.capacity()) && self.spare.len() < BUFFERS_KEPT {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    fn active_end(&self) -> Position {
        Position::new(self.active.file.number, self.active.end())
    }

    fn open_next(&mut self, open: impl FnOnce(FileNumber) -> Arc<StoredFile>) {
        let previous_end = self.active_end();
        let file = open(FileNumber(previous_end.file().0 + 1));
        self.replace_active(file, CONTENT_START, Some(previous_end));
    }

    fn replace_active(&mut self, file: Arc<StoredFile>, base: u32, previous_end: Option<Position>) {
        let body = self.spare.pop().unwrap_or_default();
        let mut group = std::mem::replace(&mut self.active, Group::new(file, base, previous_end, body));
        group.appended_bytes = self.appended_bytes;
        if group.body.is_empty() {
            self.recycle(group.body);
        } else {
            self.complete.push_back(group);
        }
    }
}

/// Makes room, never for more than a group takes unless a single append is larger.
#[inline]
fn reserve(buffer: &mut Vec<u8>, bound: usize) {
    // The writer pads it.
    let needed = buffer.len() + bound + 8;
    if needed > buffer.capacity() {
        let usual = if needed > BUFFER_SMALL { GROUP_MAX } else { BUFFER_SMALL };
        buffer.reserve_exact(usual.max(needed) - buffer.len());
    }
}

/// Offsets are 32 bits: files are far smaller, and appends bounded.
fn offset(offset: u64) -> u32 {
    debug_assert!(u32::try_from(offset).is_ok(), "an append beyond all bounds");
    u32::try_from(offset).unwrap_or(u32::MAX)
}
