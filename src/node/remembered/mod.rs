//! What exchanges and queues remember of messages, over a stop in order: left in the database when everything has ended,
//! taken out at the next start before anything is served. Without an orderly stop the keys are known of those messages that
//! were to survive, see `keys`, and histories are lost.

mod keys;
mod rows;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(super) use self::keys::KeptKeys;
use self::rows::{Content, Subject};
use super::Node;
use super::clock::Clock;
use super::vhost::RunningVhost;
use crate::broker::dedup::{Deduplicator, Seen};
use crate::broker::time::Timestamp;
use crate::store::meta::{Change, CommitError, Meta, Space};

/// Keys of duplicates in one row.
const KEYS_IN_A_ROW: usize = 4096;

/// Rows written at once.
const ROWS_AT_ONCE: usize = 1024;

/// The node's time and that of the world at one moment.
#[derive(Clone, Copy, Debug)]
struct Moment {
    now: Timestamp,
    unix_millis: u64,
}

impl Moment {
    fn of(clock: Clock) -> Self {
        Self { now: clock.now(), unix_millis: clock.unix_millis() }
    }

    fn unix_of(self, at: Timestamp) -> u64 {
        let ahead = u64::try_from(self.now.until(at).as_millis()).unwrap_or(u64::MAX);
        self.unix_millis.saturating_add(ahead)
    }

    /// `None` for a time that has passed.
    fn at_unix(self, millis: u64) -> Option<Timestamp> {
        let ahead = millis.checked_sub(self.unix_millis).filter(|ahead| *ahead > 0)?;
        Some(Timestamp::from_millis(self.now.as_millis().saturating_add(ahead)))
    }
}

/// Rows on their way into the database.
struct Writer<'a> {
    meta: &'a Meta,
    moment: Moment,
    changes: Vec<Change>,
}

impl Writer<'_> {
    fn put(&mut self, subject: &Subject, index: usize, content: &Content) -> Result<(), CommitError> {
        self.changes.push(Change::Put { key: subject.key(index), value: content.value() });
        if self.changes.len() < ROWS_AT_ONCE {
            return Ok(());
        }
        self.finish()
    }

    fn put_seen(&mut self, subject: &Subject, deduplicator: &Deduplicator) -> Result<(), CommitError> {
        let moment = self.moment;
        let unix = |seen: Seen| (seen.key, seen.expires.map(|at| moment.unix_of(at)));
        let all: Vec<_> = deduplicator.seen().map(unix).collect();
        for (index, keys) in all.chunks(KEYS_IN_A_ROW).enumerate() {
            self.put(subject, index, &Content::Seen(keys.to_vec()))?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), CommitError> {
        self.meta.commit(Space::Remembered, &self.changes)?;
        self.changes.clear();
        Ok(())
    }
}

/// Leaves what durable exchanges and queues remember. Nothing may be published any more.
pub(super) fn leave(node: &Node, meta: &Meta) -> Result<(), CommitError> {
    let mut writer = Writer { meta, moment: Moment::of(node.clock), changes: Vec::new() };
    let vhosts: Vec<Arc<RunningVhost>> = node.vhosts.iter().map(|vhost| Arc::clone(&vhost)).collect();
    for vhost in vhosts {
        leave_vhost(&vhost, &mut writer)?;
    }
    writer.finish()
}

fn leave_vhost(vhost: &RunningVhost, writer: &mut Writer<'_>) -> Result<(), CommitError> {
    let topology = vhost.topology();
    let lasts = |exchange: &[u8]| topology.exchange(exchange).is_some_and(|exchange| exchange.durable);
    let mut done = Ok(());
    vhost.memories.each_deduplicator(|exchange, deduplicator| {
        if done.is_ok() && lasts(exchange.as_bytes()) {
            let subject = Subject::Exchange { vhost: vhost.name.clone(), exchange: exchange.clone() };
            done = writer.put_seen(&subject, deduplicator);
        }
    });
    vhost.memories.each_history(|exchange, history| {
        let subject = Subject::History { vhost: vhost.name.clone(), exchange: exchange.clone() };
        for (index, past) in history.iter().enumerate().filter(|_| lasts(exchange.as_bytes())) {
            if done.is_ok() {
                done = writer.put(&subject, index, &Content::Past(past.clone()));
            }
        }
    });
    vhost.each_cell(|cell| {
        if done.is_ok() && cell.entry.durable {
            let subject = Subject::Queue(cell.entry.id);
            let put = cell.with_deduplicator(|deduplicator| writer.put_seen(&subject, deduplicator));
            done = put.unwrap_or(Ok(()));
        }
    });
    done
}

/// Takes what the last stop left, if it did. What is about something else than it was, or cannot be read, is let go.
pub(super) fn take(node: &Node, meta: &Meta) -> Result<(), CommitError> {
    let rows = meta.all(Space::Remembered)?;
    let changes: Vec<_> = rows.iter().map(|(key, _)| Change::Remove { key: key.clone() }).collect();
    match meta.commit(Space::Remembered, &changes) {
        // It would be taken for that of a later stop some day.
        Err(CommitError::NoSpace) => {
            tracing::warn!("what exchanges and queues remembered is not taken over, as there is no room to note that");
            return Ok(());
        }
        done => done?,
    }
    let moment = Moment::of(node.clock);
    for (key, value) in &rows {
        match (Subject::read(key), Content::read(value)) {
            (Some(subject), Some(content)) => give_back(node, moment, &subject, content),
            (_, _) => tracing::warn!("the row {key:02x?} of what was remembered cannot be read, and is ignored"),
        }
    }
    Ok(())
}

fn give_back(node: &Node, moment: Moment, subject: &Subject, content: Content) {
    let remember = |deduplicator: &mut Deduplicator, keys: &[(_, Option<u64>)]| {
        for (key, expires) in keys {
            let expires = expires.map(|millis| moment.at_unix(millis));
            if expires != Some(None) {
                deduplicator.remember(Seen { key: *key, expires: expires.flatten() });
            }
        }
    };
    match (subject, content) {
        (Subject::Exchange { vhost, exchange }, Content::Seen(keys)) => {
            if let Some(vhost) = node.vhost(vhost) {
                vhost.memories.with_deduplicator(exchange, |deduplicator| remember(deduplicator, &keys));
            }
        }
        (Subject::Queue(queue), Content::Seen(keys)) => {
            for cell in node.vhosts.iter().filter_map(|vhost| vhost.cell(*queue)) {
                cell.with_deduplicator(|deduplicator| remember(deduplicator, &keys));
            }
        }
        (Subject::History { vhost, exchange }, Content::Past(past)) => {
            if let Some(vhost) = node.vhost(vhost) {
                vhost.memories.with_history(exchange, |history| history.keep(past));
            }
        }
        (Subject::Exchange { .. } | Subject::Queue(_), Content::Past(_))
        | (Subject::History { .. }, Content::Seen(_)) => {}
    }
}
