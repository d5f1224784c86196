//! Opening a node on its data directory: definitions and log are read, queues come back with their messages, and the
//! threads that the store needs are started. Everything is done before the first connection.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand::RngCore;
use thiserror::Error;

use super::cell::QueueCell;
use super::clock::Clock;
use super::disk_alarm::DiskAlarm;
use super::fail_stop::fail_stop;
use super::keeper::Keeper;
use super::memory_alarm::MemoryAlarm;
use super::remembered::{self, KeptKeys};
use super::storage::{self, Loader, Storage};
use super::threads::Threads;
use super::watermarks::Watermarks;
use super::{Definitions, LoadError, Node, NodeError};
use crate::broker::ids::QueueId;
use crate::broker::time::Timestamp;
use crate::config::Config;
use crate::store::aside;
use crate::store::directory::{DataDirectory, DirectoryError, NodeUuid};
use crate::store::disk::Disk;
use crate::store::meta::{CheckpointError, CleanStop, CommitError, Meta};
use crate::store::{
    Checkpoint, Log, NUMBER_BITS, OpenSegment, Options, Position, QueueKey, RESERVE_FILE, Reclaim, ReclaimOptions,
    Recovered, RecoveredQueue, Reserve, SegmentError, SegmentSizes, open_listed, open_log,
};

/// The log's directory in the data directory.
pub(super) const LOG_DIRECTORY: &str = "log";

/// The directory of segments in the data directory.
pub(super) const SEGMENTS: &str = "segments";

/// Why a node cannot start on its data directory.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it, or it is not ours.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The database cannot be opened.
    #[error(transparent)]
    Meta(#[from] crate::store::meta::OpenError),
    /// There is no database beside a log.
    #[error(
        "there is a log, and no meta.redb, which says what was declared and what the log is of; salvage can only start \
         with nothing, and moves all files aside"
    )]
    MetaMissing,
    /// The room that is kept back cannot be looked at.
    #[error("the file {RESERVE_FILE}: {0}")]
    Reserve(io::Error),
    /// Files cannot be moved aside.
    #[error("cannot move files aside: {0}")]
    Aside(io::Error),
    /// A definition cannot be read.
    #[error(transparent)]
    Definitions(#[from] LoadError),
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A segment cannot be read, or is damaged.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The log cannot be read, or is damaged.
    #[error(transparent)]
    Log(#[from] crate::store::OpenError),
    /// The system gives no more threads.
    #[error("cannot start a thread for the log: {0}")]
    Thread(io::Error),
}

impl OpenError {
    /// Whether files are not what was written, or are missing.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        use crate::store::OpenError as Log;
        match self {
            Self::Log(error) => matches!(error, Log::Damaged(_) | Log::Read(_)),
            Self::Segment(error) => matches!(error, SegmentError::Damaged { .. } | SegmentError::Missing(_)),
            Self::Meta(error) => error.is_damage(),
            Self::MetaMissing => true,
            Self::Directory(_)
            | Self::Definitions(_)
            | Self::Checkpoint(_)
            | Self::Reserve(_)
            | Self::Aside(_)
            | Self::Thread(_) => false,
        }
    }
}

/// What a node holds of its data directory while it runs.
#[derive(Debug)]
pub(super) struct Durable {
    threads: Threads,
    meta: Arc<Meta>,
    /// Held for as long as the node runs.
    directory: Option<DataDirectory>,
}

/// How large the store's files are: small ones let tests see many.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sizes {
    /// Bytes of a log file and of a segment; the usual where there is nothing.
    pub(super) file: Option<u32>,
}

impl Sizes {
    fn log(self, salt: u64) -> Options {
        let mut options = Options::new(LOG_DIRECTORY.into(), salt);
        options.file_size = self.file.unwrap_or(options.file_size);
        options
    }

    /// As much as a file of the log.
    fn reserve(self) -> u64 {
        self.log(0).file_size.into()
    }

    fn segments(self) -> ReclaimOptions {
        let mut options = ReclaimOptions::new(SEGMENTS.into());
        options.segment_size = self.file.unwrap_or(options.segment_size);
        options
    }
}

impl Node {
    /// A node on the configured data directory, with everything that it holds.
    ///
    /// # Errors
    /// See [`OpenError`], and when the configuration names what cannot be.
    pub fn open(config: &Config) -> Result<Self, NodeError> {
        let directory = DataDirectory::open(&config.data_dir, NodeUuid(random())).map_err(OpenError::from)?;
        let mut node = Self::open_on(config, &directory.disk, Sizes::default())?;
        if let Some(durable) = &mut node.durable {
            durable.directory = Some(directory);
        }
        Ok(node)
    }

    /// A node on a disk that nobody else has.
    pub(super) fn open_on(config: &Config, disk: &Arc<dyn Disk>, sizes: Sizes) -> Result<Self, NodeError> {
        let clock = Clock::start();
        let begun = clock.now();
        let reserve = open_reserve(disk, sizes).map_err(OpenError::Reserve)?;
        let meta = Arc::new(open_meta(&**disk, config.salvage)?.with_reserve(Arc::clone(&reserve)));
        let (definitions, stored) = Definitions::load(Arc::clone(&meta))?;
        let checkpoint = meta.checkpoint().map_err(OpenError::from)?;
        let salvage = config.salvage;
        let options = Options { salvage, reserve: Some(Arc::clone(&reserve)), ..sizes.log(rand::rng().next_u64()) };
        let queues = stored.queues();
        let known = |queue: QueueKey| queues.contains(&QueueId(queue.0));
        let mut given_up = BTreeSet::new();
        let segments = open_segments(&**disk, &checkpoint, salvage, &mut given_up).map_err(OpenError::from)?;
        let segment_sizes = SegmentSizes::of(&segments);
        let (log, writer, recovered) =
            open_log(disk, &options, &checkpoint, segments, &known).map_err(OpenError::from)?;
        let mut recovered = recovered;
        apply_clean_stop(&mut recovered, meta.take_clean_stop().map_err(OpenError::from)?);
        note_start(&meta, &log, &checkpoint, &recovered, given_up).map_err(LoadError::from)?;
        report(&recovered, begun.until(clock.now()));
        let (loader, loader_thread) = Loader::new(Arc::clone(&log), clock);
        let watermarks = Arc::new(Watermarks::new(config));
        let storage = Arc::new(Storage::new(Arc::clone(&log), loader, Arc::clone(&watermarks)));
        let mut queues = recovered.queues;
        let kept_keys = KeptKeys::of(&queues);
        let mut cell = move |entry: Arc<_>, settings, surroundings| {
            QueueCell::restored(entry, settings, surroundings, &mut queues)
        };
        let mut node = Self::restore(config, clock, definitions, stored, Some(Arc::clone(&storage)), &mut cell)?;
        kept_keys.recall(&node);
        remembered::take(&node, &meta).map_err(LoadError::from)?;
        let reclaim = Reclaim::new(Arc::clone(disk), log, sizes.segments(), checkpoint, segment_sizes);
        let mut keeper = Keeper {
            noted: storage.log.durable().file(),
            storage,
            reclaim,
            meta: Arc::clone(&meta),
            clock,
            disk: Arc::clone(disk),
            reserve,
            alarm: DiskAlarm::new(watermarks.disk()),
            memory_alarm: MemoryAlarm::every(config.memory_monitor_interval),
            gives_back_at: Duration::ZERO,
            board: Arc::clone(&node.alarms),
            reserves_at: None,
        };
        // Before the first connection: it must not publish what there is no room for.
        keeper.measure(Timestamp::ZERO.until(clock.now()));
        let threads = Threads::start(writer, loader_thread, keeper).map_err(OpenError::Thread)?;
        node.durable = Some(Durable { threads, meta, directory: None });
        Ok(node)
    }

    /// Writes what is left to write. `orderly`: every connection has ended, so that it is known which messages were
    /// delivered before; the next start then need not suspect all of them.
    pub fn close(&self, orderly: bool) {
        self.moves.stop();
        let (Some(durable), Some(storage)) = (&self.durable, &self.storage) else { return };
        durable.threads.stop();
        if !orderly {
            return;
        }
        let or_warn = |left: Result<(), CommitError>, lost: &str| match left {
            Ok(()) => {}
            Err(CommitError::NoSpace) => tracing::warn!("{lost}, as there is no room for it on the disk"),
            Err(error @ CommitError::Fatal(_)) => fail_stop(&error),
        };
        let noted = durable.meta.note_reached(storage.log.durable());
        or_warn(noted, "where the log ends is not noted");
        let mut stop = CleanStop { end: storage.log.end(), delivered: BTreeMap::new() };
        for vhost in &self.vhosts {
            vhost.each_cell(|cell| {
                let delivered = cell.delivered();
                if !delivered.is_empty() {
                    stop.delivered.insert(storage::key(cell.entry.id), delivered);
                }
            });
        }
        or_warn(remembered::leave(self, &durable.meta), "what exchanges and queues remember is lost");
        or_warn(durable.meta.leave_clean_stop(&stop), "which messages were delivered is not noted");
    }
}

/// The room that is kept back. Where there is hardly any other, the start has it: what it writes cannot be refused.
fn open_reserve(disk: &Arc<dyn Disk>, sizes: Sizes) -> io::Result<Arc<Reserve>> {
    let reserve = Reserve::of(disk, sizes.reserve())?;
    if disk.free_space()? < reserve.size() {
        reserve.release();
    }
    Ok(Arc::new(reserve))
}

/// The database. Without it nobody can tell what the log is of: when salvaging, everything is moved aside.
fn open_meta(disk: &dyn Disk, salvage: bool) -> Result<Meta, OpenError> {
    let directories = [Path::new(LOG_DIRECTORY), Path::new(SEGMENTS)];
    let opened = match Meta::is_there(disk)? {
        false if directories.iter().any(|directory| disk.list(directory).is_ok_and(|names| !names.is_empty())) => {
            Err(OpenError::MetaMissing)
        }
        _ => Meta::open(disk).map_err(OpenError::from),
    };
    match opened {
        Err(error) if salvage && error.is_damage() => {
            let place = aside::everything(disk, &directories).map_err(OpenError::Aside)?;
            tracing::error!(
                "lost with everything that was declared and all messages: {error}. All files are in {} now, as they \
                 were",
                place.display()
            );
            Ok(Meta::open(disk)?)
        }
        opened => opened,
    }
}

/// The segments; when salvaging without those that are damaged, which are told of.
fn open_segments(
    disk: &dyn Disk,
    checkpoint: &Checkpoint,
    salvage: bool,
    given_up: &mut BTreeSet<Position>,
) -> Result<Vec<OpenSegment>, SegmentError> {
    let mut passes = |segment, error| {
        let position = Position::new(segment, 0);
        if checkpoint.given_up.contains(&position) {
            tracing::warn!("given up at an earlier start: {error}");
        } else if salvage {
            tracing::error!("lost with all messages in it: {error}");
        } else {
            return Err(error);
        }
        given_up.insert(position);
        Ok(())
    };
    open_listed(disk, Path::new(SEGMENTS), &checkpoint.segments, &mut passes)
}

/// Leaves word of how far the log has come, so that it cannot be lost unnoticed, and of what this start went on without,
/// so that the next one need not be asked to. What recovery was asked to pass over does not count before: where this is
/// cut short, the next start meets the same.
fn note_start(
    meta: &Meta,
    log: &Log,
    checkpoint: &Checkpoint,
    recovered: &Recovered,
    mut given_up: BTreeSet<Position>,
) -> Result<(), CommitError> {
    let report = &recovered.report;
    given_up.extend(report.damage.iter().chain(&report.given_up).filter_map(|damage| damage.position));
    meta.note_start(log.durable(), &checkpoint.given_up, &given_up)
}

/// After a stop in order it is known which messages were delivered before. After any other, all may have been.
fn apply_clean_stop(recovered: &mut Recovered, stop: Option<CleanStop>) {
    let clean = stop.filter(|stop| recovered.report.end == Some(stop.end));
    for (key, queue) in &mut recovered.queues {
        queue.redelivered = match &clean {
            Some(stop) => stop.delivered.get(key).cloned().unwrap_or_default(),
            None => numbers_so_far(queue),
        };
    }
}

/// The numbers that a queue has given out, in those lanes that have messages: later ones are of new messages.
fn numbers_so_far(queue: &RecoveredQueue) -> Vec<RangeInclusive<u64>> {
    let mut lanes: Vec<u64> = queue.extents.iter().map(|extent| extent.first >> NUMBER_BITS).collect();
    lanes.dedup();
    let last = queue.next_sequence.saturating_sub(1);
    lanes.into_iter().map(|lane| (lane << NUMBER_BITS)..=((lane << NUMBER_BITS) | last)).collect()
}

fn random() -> u128 {
    let mut random = rand::rng();
    u128::from(random.next_u64()) << 64 | u128::from(random.next_u64())
}

fn report(recovered: &Recovered, took: Duration) {
    let report = &recovered.report;
    let messages: u64 =
        recovered.queues.values().flat_map(|queue| &queue.extents).map(|extent| u64::from(extent.count)).sum();
    if report.records > 0 || messages > 0 {
        tracing::info!(
            "recovered {messages} messages in {} queues from {} log files ({} records, {} MiB) in {} ms",
            recovered.queues.len(),
            report.files,
            report.records,
            report.bytes >> 20,
            took.as_millis()
        );
    }
    for damage in &report.given_up {
        tracing::warn!("given up at an earlier start: {damage}");
    }
    for damage in &report.damage {
        tracing::error!("lost, since this start was asked to go on without it: {damage}");
    }
}
