//! What keeps the log going in the background: files made ready before they are needed, old ones emptied, and an eye on
//! the room on the disk. Runs on a thread of its own, step by step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::alarms::{AlarmBoard, Change};
use super::allocator;
use super::clock::Clock;
use super::disk_alarm::DiskAlarm;
use super::fail_stop::fail_stop;
use super::memory;
use super::memory_alarm::MemoryAlarm;
use super::storage::Storage;
use crate::broker::alarm::Alarm;
use crate::broker::time::Timestamp;
use crate::store::disk::{Disk, is_full};
use crate::store::meta::{CommitError, Meta};
use crate::store::{FileNumber, Progress, Reclaim, ReclaimError, Reclaimed, Reserve};

/// How often it is looked whether there is something to do.
const PERIOD: Duration = Duration::from_millis(100);

/// How often free memory goes back to the system where there is enough of it. What is wanted again costs a little more then.
const GIVE_BACK_PERIOD: Duration = Duration::from_secs(1);

/// How long after room could not be kept back it is tried again.
const RESERVE_PERIOD: Duration = Duration::from_secs(60);

/// How long to wait for the log to become durable.
const SHORT: Duration = Duration::from_millis(2);

/// The keeper of the log.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) storage: Arc<Storage>,
    pub(super) reclaim: Reclaim,
    pub(super) meta: Arc<Meta>,
    pub(super) clock: Clock,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) reserve: Arc<Reserve>,
    pub(super) alarm: DiskAlarm,
    pub(super) memory_alarm: MemoryAlarm,
    /// When free memory goes back to the system at the latest.
    pub(super) gives_back_at: Duration,
    pub(super) board: Arc<AlarmBoard>,
    /// The file of the log that the database knows the log to have come to.
    pub(super) noted: FileNumber,
    /// When room is kept back at the soonest, where it is not; none before the log has the files that it wants.
    pub(super) reserves_at: Option<Duration>,
}

impl Keeper {
    /// Keeps until told to stop.
    pub(super) fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            if let Some(pause) = self.turn() {
                // Not asleep, so that who ends the node can wake it.
                thread::park_timeout(pause);
            }
        }
    }

    /// Looks how much memory is in use and how much room there is, where it is time to.
    pub(super) fn measure(&mut self, now: Duration) {
        if self.memory_alarm.is_due(now) {
            self.measure_memory(now);
        }
        self.alarm.set_limit(self.storage.watermarks.disk());
        if self.reserve.take_found_full() {
            self.found_full("there was no room for something");
        }
        if !self.alarm.is_due(now) {
            return;
        }
        match self.disk.free_space() {
            Ok(free) => {
                self.storage.watermarks.note_free(free);
                let change = self.alarm.measured(now, free);
                self.announce(change, &format!("{free} bytes are free"));
                self.keep_reserve(now, free);
            }
            Err(error) => {
                self.alarm.not_measured(now);
                tracing::warn!("cannot find out how much room is on the disk: {error}");
            }
        }
    }

    fn measure_memory(&mut self, now: Duration) {
        let limit = self.storage.watermarks.memory();
        let Some(used) = self.memory_in_use(now, limit) else { return self.memory_alarm.not_measured(now) };
        let before = self.memory_alarm.is_pressed();
        let change = self.memory_alarm.measured(now, used, limit);
        let pressed = self.memory_alarm.is_pressed();
        if pressed != before {
            allocator::allow_huge_pages(!pressed);
        }
        self.storage.press(pressed);
        self.storage.relieve();
        self.storage.finishers.tick(now);
        let clear_at = MemoryAlarm::clear_at(limit);
        match change {
            None => return,
            Some(Change::On) => tracing::warn!(
                "memory resource limit alarm set: {used} bytes are in use, the limit is {limit} bytes \
                 (vm_memory_high_watermark). Publishers are blocked until {clear_at} bytes are; consumers go on"
            ),
            Some(Change::Off) => tracing::warn!("memory resource limit alarm cleared: {used} bytes are in use"),
        }
        self.board.set(Alarm::Memory, change == Some(Change::On));
    }

    /// What the process has in RAM, without what is free where that would matter.
    fn memory_in_use(&mut self, now: Duration, limit: u64) -> Option<u64> {
        let used = memory::resident()?;
        if now < self.gives_back_at && !self.memory_alarm.would_press(used, limit) {
            return Some(used);
        }
        allocator::give_back();
        self.gives_back_at = now.saturating_add(GIVE_BACK_PERIOD);
        memory::resident()
    }

    fn found_full(&mut self, why: &str) {
        let change = self.alarm.found_full();
        self.announce(change, why);
    }

    /// Keeps room back where that brings no alarm. What the log needs comes first: it is made ready sooner.
    fn keep_reserve(&mut self, now: Duration, free: u64) {
        let enough = self.alarm.limit().saturating_add(self.reserve.size());
        let due = self.reserves_at.is_some_and(|at| now >= at);
        if !due || self.alarm.is_on() || free < enough || self.reserve.is_there() {
            return;
        }
        if let Err(error) = self.reserve.make() {
            tracing::warn!("no room can be kept back for a full disk: {error}");
            self.reserves_at = Some(now.saturating_add(RESERVE_PERIOD));
        }
    }

    /// RabbitMQ: the first words are those that monitoring looks for in its log.
    fn announce(&self, change: Option<Change>, found: &str) {
        let (limit, clear_at) = (self.alarm.limit(), self.alarm.clear_at());
        match change {
            None => return,
            Some(Change::On) => tracing::warn!(
                "disk resource limit alarm set: {found}, the limit is {limit} bytes (disk_free_limit). Publishers are \
                 blocked until {clear_at} bytes are free; consumers go on"
            ),
            Some(Change::Off) => {
                self.reserve.note_room();
                tracing::warn!("disk resource limit alarm cleared: {found}");
            }
        }
        self.board.set(Alarm::Disk, change == Some(Change::On));
    }

    /// Leaves word of each file that the log comes to, so that none can be missing unnoticed.
    fn note_reached(&mut self) {
        let durable = self.storage.log.durable();
        if durable.file() > self.noted && !self.alarm.is_full() {
            match self.meta.note_reached(durable) {
                Ok(()) => self.noted = durable.file(),
                Err(error @ CommitError::NoSpace) => self.found_full(&error.to_string()),
                Err(CommitError::Fatal(error)) => fail_stop(&error),
            }
        }
    }

    /// How long there is nothing to look at.
    fn pause(&self) -> Duration {
        PERIOD.min(self.memory_alarm.period())
    }

    /// One piece of work; how long to pause after it.
    fn turn(&mut self) -> Option<Duration> {
        let now = Timestamp::ZERO.until(self.clock.now());
        self.measure(now);
        self.note_reached();
        if !self.alarm.is_full() {
            match self.storage.log.prepare() {
                Ok(true) => return None,
                Ok(false) => _ = self.reserves_at.get_or_insert(now),
                Err(error) if is_full(&error) => self.found_full(&error.to_string()),
                Err(error) => tracing::warn!("no log file can be made ready, which makes confirms slower: {error}"),
            }
        }
        if !self.reclaim.needs_work() {
            return Some(self.pause());
        }
        match self.reclaim.step(now, &self.storage.cells, &self.meta) {
            Ok(Progress::Working) => None,
            Ok(Progress::Waiting(_)) => Some(SHORT),
            Ok(Progress::Idle | Progress::Later) => Some(self.pause()),
            Ok(Progress::Done(done)) => {
                report(&done);
                None
            }
            Err(error) if error.is_fatal() => fail_stop(&error),
            Err(error) => {
                if matches!(error, ReclaimError::NoSpace(_) | ReclaimError::NoSpaceToCommit(_)) {
                    self.found_full(&error.to_string());
                }
                tracing::error!("{error}; the log grows until this is mended");
                Some(PERIOD * 10)
            }
        }
    }
}

fn report(done: &Reclaimed) {
    tracing::debug!(
        "{} log files are free; {} records moved, {} MiB; {} segments written, {} removed",
        done.log_files,
        done.records,
        done.bytes >> 20,
        done.segments_written,
        done.segments_removed
    );
    for damaged in &done.damaged {
        tracing::error!("moved as it is, though damaged: {damaged}");
    }
    for file in &done.kept {
        tracing::warn!("file {} of the log is kept until the next start: a queue still points to it", file.number());
    }
}
