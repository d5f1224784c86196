//! The one that writes: takes what has gathered, writes it as a frame, syncs for everybody, tells who waits.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Log;
use super::error::{WriteError, WriteOperation};
use super::files::StoredFile;
use super::gathering::Group;
use super::waiters::Waiter;
use crate::store::disk::File;
use crate::store::format::{CONTENT_START, FRAME_HEADER, FileHeader, FrameHeader, IDLE_SEAL, SETTLES_ONLY, padded};
use crate::store::place::Position;

/// How long settles, which nobody waits for, stay unsynced; and how long after a sync the seal is written.
const PATIENCE: Duration = Duration::from_millis(100);

/// The log's writer, owned by its thread.
#[derive(Debug)]
pub struct Writer {
    log: Arc<Log>,
    file: Arc<StoredFile>,
    salt: u64,
    /// The end of what was written.
    written: Position,
    written_bytes: u64,
    /// Since when records have been written that were not synced.
    dirty_since: Option<Duration>,
    /// Whether anything was written that was not synced; seals too.
    unsynced: bool,
    last_sync: Duration,
    /// The durable position that the last frame tells of.
    witnessed: Position,
    failed: bool,
    woken: Vec<Arc<dyn Waiter>>,
}

impl Writer {
    pub(super) fn new(log: Arc<Log>, file: Arc<StoredFile>) -> Self {
        let written = log.durable();
        let salt = log.slots.salt(file.number);
        Self {
            log,
            file,
            salt,
            written,
            written_bytes: 0,
            dirty_since: None,
            unsynced: false,
            last_sync: Duration::ZERO,
            witnessed: Position::default(),
            failed: false,
            woken: Vec::new(),
        }
    }

    /// When `step` has to come at the latest, for settles that nobody waits for.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        self.dirty_since.map(|since| since.saturating_add(PATIENCE))
    }

    /// Blocks until there is something to write, which makes it true, or `patience` is over: no later than `due`. The idle
    /// seal waits for a `step` that nothing here announces: a patience of 50 ms serves it.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> bool {
        let mut gathering = self.log.gathering.lock();
        if gathering.is_empty() {
            self.log.gathered.wait_for(&mut gathering, patience);
        }
        !gathering.is_empty()
    }

    /// Whether everything that was written is also synced.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.dirty_since.is_none()
    }

    /// Writes what has gathered, up to 4 MiB, syncs if anyone waits for it or if settles have waited 100 ms, moves the
    /// durable position and wakes those who wait for it. True when there was something to write.
    ///
    /// `now` is the time of a clock that never goes back.
    ///
    /// # Errors
    /// Final: the durable position does not move any more, and each further call fails.
    pub fn step(&mut self, now: Duration) -> Result<bool, WriteError> {
        if self.failed {
            let source = std::io::Error::other("it failed before");
            return Err(self.error(WriteOperation::Write, self.written.offset(), source));
        }
        let done = self.try_step(now);
        if done.is_err() {
            self.failed = true;
            self.log.failed();
        }
        done
    }

    /// Writes and syncs everything that was appended so far, and the seal: the last thing before a clean end.
    ///
    /// # Errors
    /// Those of `step`.
    pub fn finish(&mut self, now: Duration) -> Result<(), WriteError> {
        while self.step(now)? {}
        if self.dirty_since.is_some() {
            self.sync(now)?;
        }
        self.seal(now)?;
        self.sync(now)
    }

    fn try_step(&mut self, now: Duration) -> Result<bool, WriteError> {
        let group = self.log.gathering.lock().take();
        let something = group.is_some();
        let mut wanted = false;
        if let Some(group) = group {
            wanted = group.sync;
            self.write_group(group, now)?;
            self.dirty_since.get_or_insert(now);
        }
        let waited = |since: Duration| now.saturating_sub(since) >= PATIENCE;
        if wanted || self.dirty_since.is_some_and(waited) {
            self.sync(now)?;
        } else if self.dirty_since.is_none() && self.witnessed < self.log.durable() && waited(self.last_sync) {
            self.seal(now)?;
        }
        Ok(something)
    }

    fn write_group(&mut self, group: Group, now: Duration) -> Result<(), WriteError> {
        let mut body = group.body;
        let switched = group.file.number != self.file.number;
        if switched {
            self.switch(group.file, now)?;
        }
        let durable = self.log.durable();
        body.resize(padded(body.len()), 0);
        let body_length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let frame = FrameHeader {
            position: Position::new(self.file.number, group.base),
            durable,
            body_length,
            records: group.records,
            body_crc: crc32c::crc32c(&body),
            flags: match (group.records, group.puts) {
                (0, _) => IDLE_SEAL,
                (_, false) => SETTLES_ONLY,
                (_, true) => 0,
            },
        };
        let frame = frame.encode(self.salt);
        let header = group.previous_end.map(|previous_end| {
            debug_assert!(switched && group.base == CONTENT_START && previous_end == durable, "not a file's first");
            FileHeader { number: self.file.number, salt: self.salt, previous_end, durable }.page()
        });
        // What was cut short for want of room is written again from its beginning.
        let outcome = self.log.slots.with_room(|| match &header {
            Some(header) => self.open_file()?.write_at(0, &[header, &frame, &body]),
            None => self.open_file()?.write_at(u64::from(group.base), &[&frame, &body]),
        });
        outcome.map_err(|source| self.error(WriteOperation::Write, group.base, source))?;
        self.unsynced = true;
        self.witnessed = durable;
        self.written = Position::new(self.file.number, group.base + FRAME_HEADER + body_length);
        self.written_bytes = group.appended_bytes;
        self.log.moved_written(self.written);
        self.log.gathering.lock().recycle(body);
        Ok(())
    }

    /// Goes on in another file. All of the one before is synced first, so that the new one's header is a witness of it.
    fn switch(&mut self, file: Arc<StoredFile>, now: Duration) -> Result<(), WriteError> {
        if self.unsynced {
            self.sync(now)?;
        }
        self.file = file;
        let slot = self.log.slots.take().map_err(|source| self.error(WriteOperation::Open, 0, source))?;
        self.file.place_in(slot);
        self.salt = self.log.slots.salt(self.file.number);
        Ok(())
    }

    fn sync(&mut self, now: Duration) -> Result<(), WriteError> {
        let synced = self.open_file().and_then(|file| file.sync());
        synced.map_err(|source| self.error(WriteOperation::Sync, self.written.offset(), source))?;
        (self.unsynced, self.dirty_since, self.last_sync) = (false, None, now);
        self.log.durable_bytes.store(self.written_bytes, Ordering::Relaxed);
        self.log.durable.store(self.written.0, Ordering::Release);
        self.log.waiters.collect(self.written, &mut self.woken);
        for waiter in self.woken.drain(..) {
            waiter.wake();
        }
        Ok(())
    }

    /// Writes a frame that tells of the durable position, since no other follows that would.
    fn seal(&mut self, now: Duration) -> Result<(), WriteError> {
        let seal = self.log.gathering.lock().take_seal();
        seal.map_or(Ok(()), |seal| self.write_group(seal, now))
    }

    fn open_file(&self) -> std::io::Result<&Arc<dyn File>> {
        self.file.file().ok_or_else(|| std::io::Error::other("the file has no slot"))
    }

    fn error(&self, operation: WriteOperation, offset: u32, source: std::io::Error) -> WriteError {
        WriteError { file: self.file.number, offset: u64::from(offset), operation, source }
    }
}
