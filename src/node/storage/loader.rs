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

/// A run that a queue wants in memory. A queue asks for one at a time in each of its lanes, which bounds what is under way.
#[derive(Debug)]
struct Load {
    cell: Weak<QueueCell>,
    run: Run,
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

type Messages = Vec<(SequenceNumber, Place, Message)>;

impl Loader {
    pub(in crate::node) fn new(log: Arc<Log>, clock: Clock) -> (Self, LoaderThread) {
        let (sender, receiver) = channel();
        (Self { loads: sender }, LoaderThread { loads: receiver, log, clock })
    }

    /// Asks for a run; its queue is told when it is there.
    pub(in crate::node) fn load(&self, cell: &Arc<QueueCell>, run: Run) {
        // The thread ends with the node, when nobody waits any more.
        let _ended = self.loads.send(Load { cell: Arc::downgrade(cell), run });
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
            let read = self.read(&cell, load.run, &mut arena, &mut messages);
            if read {
                cell.loaded(self.clock.now(), load.run, &mut messages);
            } else {
                again.push_back((self.clock.now().after(PAUSE), load));
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

    /// Reads a run. False: it has to be tried again, since nothing says that its messages are not there. What is damaged
    /// is missing from `messages`, and the queue gives it up.
    fn read(&self, cell: &QueueCell, run: Run, arena: &mut MessageArena, messages: &mut Messages) -> bool {
        let wanted = extent(run);
        let read = self.log.read(key(cell.entry.id), &wanted, &mut |sequence, location, payload| {
            if let (Some(place), Some(message)) = (place(location), Payload::read(payload, arena)) {
                messages.push((SequenceNumber(sequence), place, message));
            }
        });
        let Err(error) = read else { return true };
        let done = match error.problem {
            ReadProblem::Damaged => true,
            // The queue knows a new place, and asks for it when it hears of the old one.
            ReadProblem::Gone => !cell.held_in(run.place.file).runs.contains(&run),
            ReadProblem::Io(_) | ReadProblem::Failed => false,
        };
        if !done || matches!(error.problem, ReadProblem::Damaged) {
            tracing::error!("messages of queue '{}' cannot be read from disk: {error}", cell.entry.name);
        }
        done
    }
}
