//! Where workers count: once for each batch, so that counting costs nothing for each message.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use hdrhistogram::CreationError;
use parking_lot::Mutex;

use super::{Latencies, Recording, Schema};

/// The most meters that a run has. Each has a histogram of 200 KiB for each latency, so a thousand workers share some.
const MOST: usize = 16;

/// Counters and latencies of one worker, or of a few.
#[derive(Debug)]
pub(in crate::cli::perf) struct Meter {
    counters: Box<[Counter]>,
    latencies: Box<[Mutex<Latencies>]>,
}

#[derive(Debug, Default)]
struct Counter {
    count: AtomicU64,
    /// When it last moved, in nanoseconds.
    moved: AtomicU64,
}

impl Meter {
    fn new(schema: &Schema, empty: &Latencies) -> Self {
        Self {
            counters: schema.counters.iter().map(|_| Counter::default()).collect(),
            latencies: schema.latencies.iter().map(|_| Mutex::new(empty.clone())).collect(),
        }
    }

    /// Counts so many of what the schema has at this place.
    #[inline]
    pub(in crate::cli::perf) fn count(&self, place: usize, count: u64, now: u64) {
        if count == 0 {
            return;
        }
        if let Some(counter) = self.counters.get(place) {
            counter.count.fetch_add(count, Relaxed);
            counter.moved.fetch_max(now, Relaxed);
        }
    }

    /// Records latencies of what the schema has at this place; nobody else of this meter can meanwhile.
    pub(in crate::cli::perf) fn record(&self, place: usize) -> Option<Recording<'_>> {
        self.latencies.get(place).map(|latencies| Recording::new(latencies.lock()))
    }
}

/// All meters of a run.
#[derive(Clone, Debug)]
pub(in crate::cli::perf) struct Meters {
    pub(in crate::cli::perf) schema: &'static Schema,
    first: Arc<Meter>,
    others: Arc<[Arc<Meter>]>,
    blocked: Arc<Blocked>,
}

/// How many connections the broker has blocked, and why the last of them.
#[derive(Debug, Default)]
struct Blocked {
    connections: AtomicUsize,
    reason: Mutex<String>,
}

impl Meters {
    pub(in crate::cli::perf) fn new(schema: &'static Schema, workers: usize) -> Result<Self, CreationError> {
        let empty = Latencies::new()?;
        let meter = || Arc::new(Meter::new(schema, &empty));
        let others = (1..workers.min(MOST)).map(|_| meter()).collect();
        Ok(Self { schema, first: meter(), others, blocked: Arc::default() })
    }

    /// The meter of a worker.
    pub(in crate::cli::perf) fn of(&self, worker: usize) -> Arc<Meter> {
        let place = worker % (self.others.len() + 1);
        Arc::clone(self.others.get(place).unwrap_or(&self.first))
    }

    fn all(&self) -> impl Iterator<Item = &Meter> {
        iter::once(&self.first).chain(self.others.iter()).map(Arc::as_ref)
    }

    pub(in crate::cli::perf) fn total(&self, place: usize) -> u64 {
        self.counters(place).map(|counter| counter.count.load(Relaxed)).sum()
    }

    /// When the counter last moved, in nanoseconds.
    pub(in crate::cli::perf) fn moved(&self, place: usize) -> u64 {
        self.counters(place).map(|counter| counter.moved.load(Relaxed)).max().unwrap_or_default()
    }

    fn counters(&self, place: usize) -> impl Iterator<Item = &Counter> {
        self.all().filter_map(move |meter| meter.counters.get(place))
    }

    /// Moves what was recorded at this place since the last time.
    pub(in crate::cli::perf) fn take(&self, place: usize, into: &mut Latencies) {
        into.clear();
        for latencies in self.all().filter_map(|meter| meter.latencies.get(place)) {
            let mut latencies = latencies.lock();
            into.add(&latencies);
            latencies.clear();
        }
    }

    pub(in crate::cli::perf) fn block(&self, reason: String) {
        *self.blocked.reason.lock() = reason;
        self.blocked.connections.fetch_add(1, Relaxed);
    }

    pub(in crate::cli::perf) fn unblock(&self) {
        self.blocked.connections.fetch_sub(1, Relaxed);
    }

    /// How many connections are blocked, and why.
    pub(in crate::cli::perf) fn blocked(&self) -> Option<(usize, String)> {
        let connections = self.blocked.connections.load(Relaxed);
        (connections > 0).then(|| (connections, self.blocked.reason.lock().clone()))
    }
}
