//! Opening a node on its data directory: definitions and log are read, queues come back with their messages, and the
//! threads that the store needs are started. Everything is done before the first connection.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rand::RngCore;
use thiserror::Error;

use super::cell::QueueCell;
use super::clock::Clock;
use super::disk_alarm::{self, DiskAlarm};
use super::fail_stop::fail_stop;
use super::keeper::Keeper;
use super::memory;
use super::storage::{self, Loader, Storage};
use super::threads::Threads;
use super::{Definitions, LoadError, Node, NodeError};
use crate::broker::ids::QueueId;
use crate::broker::time::Timestamp;
use crate::config::Config;
use crate::store::directory::{DataDirectory, DirectoryError, NodeUuid};
use crate::store::disk::Disk;
use crate::store::meta::{CheckpointError, CleanStop, Meta};
use crate::store::{
    Checkpoint, OpenSegment, Options, QueueKey, Reclaim, ReclaimOptions, Recovered, SegmentError, SegmentSizes,
    open_listed, open_log,
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
    pub const fn is_damage(&self) -> bool {
        use crate::store::OpenError as Log;
        match self {
            Self::Log(error) => matches!(error, Log::Damaged(_) | Log::Missing(_) | Log::Read(_)),
            Self::Segment(error) => matches!(error, SegmentError::Damaged { .. } | SegmentError::Missing(_)),
            Self::Directory(_) | Self::Meta(_) | Self::Definitions(_) | Self::Checkpoint(_) | Self::Thread(_) => false,
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
        let meta = Arc::new(Meta::open(&**disk).map_err(OpenError::from)?);
        let (definitions, stored) = Definitions::load(Arc::clone(&meta))?;
        let checkpoint = meta.checkpoint().map_err(OpenError::from)?;
        let options = Options { salvage: config.salvage, ..sizes.log(rand::rng().next_u64()) };
        let queues = stored.queues();
        let known = |queue: QueueKey| queues.contains(&QueueId(queue.0));
        let segments = open_segments(&**disk, &checkpoint, config.salvage).map_err(OpenError::from)?;
        let segment_sizes = SegmentSizes::of(&segments);
        let (log, writer, recovered) =
            open_log(disk, &options, &checkpoint, segments, &known).map_err(OpenError::from)?;
        let mut recovered = recovered;
        apply_clean_stop(&mut recovered, meta.take_clean_stop().map_err(OpenError::from)?);
        report(&recovered, clock);
        let (loader, loader_thread) = Loader::new(Arc::clone(&log), clock);
        let storage = Arc::new(Storage::new(Arc::clone(&log), loader, memory::budget()));
        let mut queues = recovered.queues;
        let mut cell = move |entry: Arc<_>, settings, surroundings| {
            QueueCell::restored(entry, settings, surroundings, &mut queues)
        };
        let mut node = Self::restore(config, clock, definitions, stored, Some(Arc::clone(&storage)), &mut cell)?;
        let reclaim = Reclaim::new(Arc::clone(disk), log, sizes.segments(), checkpoint, segment_sizes);
        let alarm = DiskAlarm::new(disk_alarm::limit(config.disk_free_limit, memory::total()));
        let board = Arc::clone(&node.alarms);
        let disk = Arc::clone(disk);
        let mut keeper = Keeper { storage, reclaim, meta: Arc::clone(&meta), clock, disk, alarm, board };
        // Before the first connection: it must not publish what there is no room for.
        keeper.measure(Timestamp::ZERO.until(clock.now()));
        let threads = Threads::start(writer, loader_thread, keeper).map_err(OpenError::Thread)?;
        node.durable = Some(Durable { threads, meta, directory: None });
        Ok(node)
    }

    /// Writes what is left to write. `orderly`: every connection has ended, so that it is known which messages were
    /// delivered before; the next start then need not suspect all of them.
    pub fn close(&self, orderly: bool) {
        let (Some(durable), Some(storage)) = (&self.durable, &self.storage) else { return };
        durable.threads.stop();
        if !orderly {
            return;
        }
        let mut stop = CleanStop { end: storage.log.end(), delivered: BTreeMap::new() };
        for vhost in &self.vhosts {
            vhost.each_cell(|cell| {
                let delivered = cell.delivered();
                if !delivered.is_empty() {
                    stop.delivered.insert(storage::key(cell.entry.id), delivered);
                }
            });
        }
        durable.meta.leave_clean_stop(&stop).unwrap_or_else(|error| fail_stop(&error));
    }
}

/// The segments; when salvaging without those that are damaged, which are told of.
fn open_segments(disk: &dyn Disk, checkpoint: &Checkpoint, salvage: bool) -> Result<Vec<OpenSegment>, SegmentError> {
    let mut skip = |error| tracing::error!("lost with all messages in it: {error}");
    let damaged = salvage.then_some(&mut skip as &mut dyn FnMut(SegmentError));
    open_listed(disk, Path::new(SEGMENTS), &checkpoint.segments, damaged)
}

/// After a stop in order it is known which messages were delivered before. After any other, all may have been.
fn apply_clean_stop(recovered: &mut Recovered, stop: Option<CleanStop>) {
    let clean = stop.filter(|stop| recovered.report.end.is_none_or(|end| end == stop.end));
    for (key, queue) in &mut recovered.queues {
        queue.redelivered = match &clean {
            Some(stop) => stop.delivered.get(key).cloned().unwrap_or_default(),
            None => vec![0..=queue.next_sequence.saturating_sub(1)],
        };
    }
}

fn random() -> u128 {
    let mut random = rand::rng();
    u128::from(random.next_u64()) << 64 | u128::from(random.next_u64())
}

fn report(recovered: &Recovered, clock: Clock) {
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
            clock.now().as_millis()
        );
    }
    for damage in &report.damage {
        tracing::error!("lost, since this start was asked to go on without it: {damage}");
    }
}
