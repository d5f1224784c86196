//! Reads messages back for queues that keep them on disk. A thread of its own, so that a slow disk holds up nobody but
//! who waits for it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};

use super::{Payload, extent, key, place};
use crate::broker::ids::SequenceNumber;
use crate::broker::message::{Message, MessageArena};
use crate::broker::queue::{Place, Run};
use crate::node::cell::QueueCell;
use crate::node::clock::Clock;
use crate::store::Log;

/// A run that a queue wants in memory. A queue asks for one at a time, which bounds what is under way.
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
        for Load { cell, run } in &self.loads {
            let Some(cell) = cell.upgrade() else { continue };
            self.read(&cell, run, &mut arena, &mut messages);
            cell.loaded(self.clock.now(), run, &mut messages);
            messages.clear();
        }
    }

    /// Reads what is there. What is missing the queue will notice and give up.
    fn read(&self, cell: &QueueCell, run: Run, arena: &mut MessageArena, messages: &mut Messages) {
        let wanted = extent(run);
        let read = self.log.read(key(cell.entry.id), &wanted, &mut |sequence, location, payload| {
            if let (Some(place), Some(message)) = (place(location), Payload::read(payload, arena)) {
                messages.push((SequenceNumber(sequence), place, message));
            }
        });
        if let Err(error) = read {
            tracing::error!("messages of queue '{}' cannot be read from disk: {error}", cell.entry.name);
        }
    }
}
