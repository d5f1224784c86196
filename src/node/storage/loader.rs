//! Reads messages back for queues that keep them on disk. A thread of its own, so that a slow disk holds up nobody but
//! who waits for it.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Payload, extent, key, place};
use crate::broker::ids::SequenceNumber;
use crate::broker::message::{Message, MessageArena};
use crate::broker::queue::{Place, Run};
use crate::broker::time::Timestamp;
use crate::node::cell::QueueCell;
use crate::node::clock::Clock;
use crate::store::{Log, ReadProblem};

/// How long a disk that cannot be read is left alone. Its queue waits so long; others do not.
const PAUSE: Duration = Duration::from_millis(500);

/// What a queue wants in memory. A queue asks for one of each kind, and in each of its lanes, at a time, which bounds what is
/// under way.
#[derive(Debug)]
struct Load {
    cell: Weak<QueueCell>,
    wanted: Wanted,
}

#[derive(Debug)]
enum Wanted {
    /// Messages that are ready.
    Ready(Run),
    /// Messages that wait, here and there.
    Waiting(Vec<Run>),
}

/// Where queues ask for what they want read.
#[derive(Debug)]
pub(in crate::node) struct Loader {
    loads: Sender<Load>,
}

/// The other end: what the thread runs.
#[derive(Debug)]
pub(in crate::node) struct LoaderThread {
    loads: Receiver<Load>,
    log: Arc<Log>,
    clock: Clock,
}

/// Bytes in the log that are not on disk from which on nothing is fetched.
const LOG_LAG_LIMIT: usize = 64 * 1024 * 1024;

/// How long a fetch waits for the log.
const LAG_PAUSE: Duration = Duration::from_millis(5);

type Messages = Vec<(SequenceNumber, Place, Message)>;

impl Loader {
    pub(in crate::node) fn new(log: Arc<Log>, clock: Clock) -> (Self, LoaderThread) {
        let (sender, receiver) = channel();
        (Self { loads: sender }, LoaderThread { loads: receiver, log, clock })
    }

    /// Asks for a run; its queue is told when it is there.
    pub(in crate::node) fn load(&self, cell: &Arc<QueueCell>, run: Run) {
        // The thread ends with the node, when nobody waits any more.
        let _ended = self.loads.send(Load { cell: Arc::downgrade(cell), wanted: Wanted::Ready(run) });
    }

    /// Asks for messages that wait; as `load`.
    pub(in crate::node) fn fetch(&self, cell: &Arc<QueueCell>, runs: Vec<Run>) {
        let _ended = self.loads.send(Load { cell: Arc::downgrade(cell), wanted: Wanted::Waiting(runs) });
    }
}

impl LoaderThread {
    /// Serves until the node is gone.
    pub(in crate::node) fn run(self) {
        let mut arena = MessageArena::default();
        let mut messages = Messages::new();
        let mut again = VecDeque::new();
        while let Some(load) = self.next(&mut again) {
            let Some(cell) = load.cell.upgrade() else { continue };
            let again_after = match &load.wanted {
                Wanted::Ready(run) => self.load(&cell, *run, &mut arena, &mut messages),
                Wanted::Waiting(runs) => self.fetch(&cell, runs, &mut arena, &mut messages),
            };
            if let Some(pause) = again_after {
                again.push_back((self.clock.now().after(pause), load));
            }
            messages.clear();
        }
    }

    /// What is to be read now: what somebody asks for, or what could not be read before and is due again.
    fn next(&self, again: &mut VecDeque<(Timestamp, Load)>) -> Option<Load> {
        let Some((due, _)) = again.front() else { return self.loads.recv().ok() };
        match self.loads.recv_timeout(self.clock.now().until(*due)) {
            Ok(load) => Some(load),
            Err(RecvTimeoutError::Timeout) => again.pop_front().map(|(_, load)| load),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Loads a run; or after which time to try again.
    fn load(
        &self,
        cell: &Arc<QueueCell>,
        run: Run,
        arena: &mut MessageArena,
        messages: &mut Messages,
    ) -> Option<Duration> {
        if !self.read(cell, run, arena, messages) {
            return Some(PAUSE);
        }
        cell.loaded(self.clock.now(), run, messages);
        None
    }

    /// Fetches runs; or after which time to try again. What has moved is left out, so that the queue asks for it anew.
    fn fetch(
        &self,
        cell: &Arc<QueueCell>,
        runs: &[Run],
        arena: &mut MessageArena,
        messages: &mut Messages,
    ) -> Option<Duration> {
        // What is overdue leaves as soon as it is here, and comes into the log again.
        if self.log.lag() > LOG_LAG_LIMIT {
            return Some(LAG_PAUSE);
        }
        let mut read = Vec::with_capacity(runs.len());
        for run in runs {
            let before = messages.len();
            match self.try_read(cell, *run, arena, messages) {
                Ok(()) => read.push(*run),
                Err(ReadProblem::Gone) => messages.truncate(before),
                Err(_) => return Some(PAUSE),
            }
        }
        if read.is_empty() && self.still_held(cell, runs) {
            return Some(PAUSE);
        }
        cell.fetched(self.clock.now(), &read, messages);
        None
    }

    /// Whether the queue takes any of these for what is there.
    fn still_held(&self, cell: &QueueCell, runs: &[Run]) -> bool {
        runs.iter().any(|run| {
            let held = cell.held_in(run.place.file);
            held.runs.contains(run) || held.singles.contains(&(run.first, run.place))
        })
    }

    /// Reads a run. False: it has to be tried again, since nothing says that its messages are not there. What is damaged
    /// is missing from `messages`, and the queue gives it up.
    fn read(&self, cell: &QueueCell, run: Run, arena: &mut MessageArena, messages: &mut Messages) -> bool {
        match self.try_read(cell, run, arena, messages) {
            Ok(()) => true,
            // The queue knows a new place, and asks for it when it hears of the old one.
            Err(ReadProblem::Gone) => !self.still_held(cell, &[run]),
            Err(ReadProblem::Damaged | ReadProblem::Io(_) | ReadProblem::Failed) => false,
        }
    }

    /// Reads a run; what is damaged in it is missing from `messages`.
    fn try_read(
        &self,
        cell: &QueueCell,
        run: Run,
        arena: &mut MessageArena,
        messages: &mut Messages,
    ) -> Result<(), ReadProblem> {
        let read = self.log.read(key(cell.entry.id), &extent(run), &mut |sequence, location, payload| {
            if let (Some(place), Some(message)) = (place(location), Payload::read(payload, arena)) {
                messages.push((SequenceNumber(sequence), place, message));
            }
        });
        let Err(error) = read else { return Ok(()) };
        if !matches!(error.problem, ReadProblem::Gone) || self.still_held(cell, &[run]) {
            tracing::error!("messages of queue '{}' cannot be read from disk: {error}", cell.entry.name);
        }
        if matches!(error.problem, ReadProblem::Damaged) { Ok(()) } else { Err(error.problem) }
    }
}
