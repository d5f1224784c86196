//! What keeps the log going in the background: files made ready before they are needed, and old ones emptied. Runs on a
//! thread of its own, step by step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::clock::Clock;
use super::fail_stop::fail_stop;
use super::storage::Storage;
use crate::broker::time::Timestamp;
use crate::store::meta::Meta;
use crate::store::{Progress, Reclaim, Reclaimed};

/// How often it is looked whether there is something to do.
const PERIOD: Duration = Duration::from_millis(100);

/// How long to wait for the log to become durable.
const SHORT: Duration = Duration::from_millis(2);

/// The keeper of the log.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) storage: Arc<Storage>,
    pub(super) reclaim: Reclaim,
    pub(super) meta: Arc<Meta>,
    pub(super) clock: Clock,
}

impl Keeper {
    /// Keeps until told to stop.
    pub(super) fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            if let Some(pause) = self.turn() {
                thread::sleep(pause);
            }
        }
    }

    /// One piece of work; how long to pause after it.
    fn turn(&mut self) -> Option<Duration> {
        match self.storage.log.prepare() {
            Ok(true) => return None,
            Ok(false) => {}
            Err(error) => tracing::warn!("no log file can be made ready, which makes confirms slower: {error}"),
        }
        if !self.reclaim.needs_work() {
            return Some(PERIOD);
        }
        let now = Timestamp::ZERO.until(self.clock.now());
        match self.reclaim.step(now, &self.storage.cells, &self.meta) {
            Ok(Progress::Working) => None,
            Ok(Progress::Waiting(_)) => Some(SHORT),
            Ok(Progress::Idle | Progress::Later) => Some(PERIOD),
            Ok(Progress::Done(done)) => {
                report(&done);
                None
            }
            Err(error) if error.is_fatal() => fail_stop(&error),
            Err(error) => {
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
