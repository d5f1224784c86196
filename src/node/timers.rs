//! Wakes queues when the time has come that they asked for. One thread, which starts with the first such queue.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};
use std::thread;

use parking_lot::{Condvar, Mutex};

use super::cell::QueueCell;
use super::clock::Clock;
use crate::broker::ids::QueueId;
use crate::broker::time::Timestamp;

/// Queues with the times at which they are to be looked at.
#[derive(Debug)]
pub(super) struct Timers {
    pub(super) clock: Clock,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    queues: BinaryHeap<Entry>,
    running: bool,
    stopped: bool,
}

/// The earliest is the greatest.
#[derive(Debug)]
struct Entry {
    due: Reverse<Timestamp>,
    id: QueueId,
    cell: Weak<QueueCell>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.id).cmp(&(other.due, other.id))
    }
}

impl Timers {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, shared: Arc::default() }
    }

    /// Looks at a queue once the time has come.
    pub(super) fn at(&self, due: Timestamp, cell: &Arc<QueueCell>) {
        let entry = Entry { due: Reverse(due), id: cell.entry.id, cell: Arc::downgrade(cell) };
        let mut waiting = self.shared.waiting.lock();
        let first = waiting.queues.peek().is_none_or(|first| first.due < entry.due);
        waiting.queues.push(entry);
        if !waiting.running {
            waiting.running = self.start();
        }
        drop(waiting);
        if first {
            self.shared.changed.notify_one();
        }
    }

    fn start(&self) -> bool {
        let (shared, clock) = (Arc::clone(&self.shared), self.clock);
        let started = thread::Builder::new().name("leveret-timers".to_owned()).spawn(move || run(&shared, clock));
        if let Err(error) = &started {
            tracing::error!("cannot start a thread for timers, so that messages expire late: {error}");
        }
        started.is_ok()
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.shared.waiting.lock().stopped = true;
        self.shared.changed.notify_one();
    }
}

fn run(shared: &Shared, clock: Clock) {
    let mut waiting = shared.waiting.lock();
    while !waiting.stopped {
        let now = clock.now();
        match waiting.queues.peek().map(|entry| entry.due.0) {
            None => shared.changed.wait(&mut waiting),
            Some(due) if due > now => {
                shared.changed.wait_until(&mut waiting, clock.instant(due));
            }
            Some(_) => {
                let cell = waiting.queues.pop().and_then(|entry| entry.cell.upgrade());
                drop(waiting);
                if let Some(cell) = cell {
                    cell.tick(now);
                }
                waiting = shared.waiting.lock();
            }
        }
    }
}
