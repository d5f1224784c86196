//! What a connection waits for the store for: its log to catch up, a commit to be on disk, a message to be read back.
//! The store wakes the outbox; nothing here blocks.

use std::sync::Arc;

use bytes::BytesMut;
use leveret_protocol::ShortString;

use super::{Session, Workspace};
use crate::broker::connection::{Reply, Request};
use crate::broker::time::Timestamp;
use crate::store::{Log, Position, Waiter};

/// Bytes in the log that are not on disk from which on connections that add to them are not read. On a slow disk that
/// is some tens of milliseconds; twice as much is in memory while it is written.
pub(super) const LOG_LAG_LIMIT: usize = 8 * 1024 * 1024;

/// A request that is answered later.
#[derive(Debug)]
pub(super) enum Later {
    /// tx.commit, once the log is durable up to the position.
    Commit { channel: u16, position: Position },
    /// basic.get of a message that is being read from disk.
    Get { channel: u16, queue: ShortString, no_ack: bool },
}

impl Later {
    /// Whether it is a basic.get on that channel.
    pub(super) const fn is_get_of(&self, of: u16) -> bool {
        matches!(self, Self::Get { channel, .. } if *channel == of)
    }
}

impl Session {
    /// Whether this connection waits for the disk to take what it has put into the log. It does only where the log has been
    /// asked to wake it: how far the log is behind changes with what others do, and must not be asked about again.
    pub(super) fn outruns_the_log(&self) -> bool {
        self.catches_up_at.is_some_and(|position| position > self.node.durable())
    }

    /// Up to where the log has to be on the disk before this connection may put more into it.
    fn has_to_wait_for(&self, log: &Log) -> Option<Position> {
        let logged = self.logged();
        (logged > log.durable() && log.lag() > LOG_LAG_LIMIT).then_some(logged)
    }

    /// The end of what this connection put into the log, whether or not anybody waits for it.
    fn logged(&self) -> Position {
        self.appended.max(self.written_out)
    }

    /// Messages went to the disk that need not survive, since memory is short: the disk has to keep up with these, too.
    pub(super) fn note_written_out(&mut self) {
        if let Some(storage) = self.node.storage.as_ref().filter(|storage| storage.is_scarce()) {
            self.written_out = storage.log.end();
        }
    }

    /// Asks the log to wake this connection for what it waits for.
    pub(super) fn await_the_log(&mut self) {
        let Some(storage) = &self.node.storage else { return };
        self.catches_up_at = self.has_to_wait_for(&storage.log);
        let commit = match self.later {
            Some(Later::Commit { position, .. }) => Some(position),
            Some(Later::Get { .. }) | None => None,
        };
        let Some(position) = self.confirms.last_position().max(commit).max(self.catches_up_at) else { return };
        let waiter: Arc<dyn Waiter> = Arc::clone(&self.outbox) as Arc<dyn Waiter>;
        if !storage.log.wake_when_durable(position, &waiter) {
            // It became durable meanwhile: the next turn sees it.
            waiter.wake();
        }
    }

    /// Writes what has become safe, and answers what was waited for.
    pub(super) fn hear_from_the_store(&mut self, now: Timestamp, work: &mut Workspace, out: &mut BytesMut) {
        let durable = self.node.durable();
        self.confirms.release(durable, out);
        match self.later.take() {
            Some(Later::Commit { channel, position }) if position <= durable => {
                self.connection.answer(now, channel, Ok(Reply::Done), &mut work.effects);
            }
            Some(Later::Get { channel, queue, no_ack }) => {
                let mut answers = std::mem::take(&mut work.effects);
                self.request(now, channel, Request::Get { queue, no_ack }, &mut answers, out);
                work.effects = answers;
            }
            waiting @ (Some(Later::Commit { .. }) | None) => self.later = waiting,
        }
        self.execute(now, &mut work.effects, out);
    }
}
