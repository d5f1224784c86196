//! What survives a restart, in the store's small database: vhosts with their durable exchanges, queues,
//! bindings and policies, and the ids of queues. Without a database everything is as if there were one, and ends with the process.

mod decode;
mod encode;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use leveret_protocol::ShortString;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::runtime::{Handle, RuntimeFlavor};

use self::decode::Row;
pub use self::decode::RowError;
use crate::broker::dedup::{keeps_keys, key_queue_of};
use crate::broker::ids::QueueId;
use crate::broker::vhost::{Definition, Effect};
use crate::store::meta::{Change, CommitError, Fatal, Meta, Space};

/// Ids of queues that are reserved at once, so that declaring queues that do not last costs no access to the disk.
const QUEUE_IDS: u64 = 1 << 16;

/// A way of committing, for all that may be refused and for what may not.
type Commit = fn(&Meta, Space, &[Change]) -> Result<(), CommitError>;

/// Where definitions are kept.
#[derive(Debug)]
pub struct Definitions {
    meta: Option<Arc<Meta>>,
    queue_ids: Mutex<QueueIds>,
}

/// No queue of this node, in any of its runs, gets an id that another one had: the log knows queues by them.
#[derive(Debug)]
struct QueueIds {
    next: u64,
    /// The first that is not reserved on the disk.
    end: u64,
}

/// What was found at the start.
#[derive(Debug, Default)]
pub struct Stored {
    /// The vhosts, with what is durable in them.
    pub vhosts: BTreeMap<ShortString, Vec<Definition>>,
}

/// Why the stored definitions cannot be used.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The database failed.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// The database cannot be changed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A row cannot be read.
    #[error("meta.redb: {0}")]
    Row(#[from] RowError),
}

impl Stored {
    /// The ids of all queues, with those of keys: what the log holds of others is of no use any more.
    #[must_use]
    pub fn queues(&self) -> BTreeSet<QueueId> {
        let definitions = self.vhosts.values().flatten();
        let ids = definitions.flat_map(|definition| match definition {
            Definition::Queue(entry) => [Some(entry.id), keeps_keys(entry).map(|_| key_queue_of(entry.id))],
            Definition::Exchange(exchange) => [exchange.delay_queue, exchange.key_queue],
            Definition::Binding(_) | Definition::Policy(..) => [None, None],
        });
        ids.flatten().collect()
    }
}

impl Definitions {
    /// Keeps nothing.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { meta: None, queue_ids: Mutex::new(QueueIds { next: 1, end: u64::MAX }) }
    }

    /// Reads everything from the database, and keeps what is to last there from now on.
    ///
    /// # Errors
    /// When the database fails, or a row is damaged or of a newer version.
    pub fn load(meta: Arc<Meta>) -> Result<(Self, Stored), LoadError> {
        let mut stored = Stored::default();
        let mut next = 1;
        for (key, value) in meta.all(Space::Definitions)? {
            match decode::row(&key, &value)? {
                Row::QueueIds(reserved) => next = reserved,
                Row::Vhost(name) => _ = stored.vhosts.entry(name).or_default(),
                Row::Definition(vhost, definition) => stored.vhosts.entry(vhost).or_default().push(definition),
            }
        }
        Ok((Self { meta: Some(meta), queue_ids: Mutex::new(QueueIds { next, end: next }) }, stored))
    }

    /// An id that no queue has had. Reserves many at a time, so that few calls reach the disk.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn next_queue(&self) -> Result<QueueId, CommitError> {
        let mut ids = self.queue_ids.lock();
        if ids.next == ids.end {
            let end = ids.end.saturating_add(QUEUE_IDS);
            let reserved = [encode::queue_ids(end)];
            // So seldom that it may take what is kept back: queues that do not last are declared on a full disk, too.
            self.commit(&reserved, Meta::commit_in_any_case)?;
            ids.end = end;
        }
        let id = QueueId(ids.next);
        ids.next += 1;
        Ok(id)
    }

    /// Keeps what changed in a vhost, all at once; when it returns, that is on the disk. Nothing durable changed: no
    /// access to the disk.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn keep(&self, vhost: &ShortString, effects: &[Effect]) -> Result<(), CommitError> {
        self.commit(&self.changes(vhost, effects), Meta::commit)
    }

    /// As `keep`, for what makes room or cannot be taken back: on a full disk it takes what is kept back for that.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn keep_in_any_case(&self, vhost: &ShortString, effects: &[Effect]) -> Result<(), CommitError> {
        self.commit(&self.changes(vhost, effects), Meta::commit_in_any_case)
    }

    /// Keeps that there is a vhost.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn keep_vhost(&self, name: &ShortString) -> Result<(), CommitError> {
        self.commit(&[encode::vhost(name)], Meta::commit)
    }

    /// What the database has to be told of a change in a vhost.
    fn changes(&self, vhost: &ShortString, effects: &[Effect]) -> Vec<Change> {
        if self.meta.is_none() {
            return Vec::new();
        }
        let changes = effects.iter().filter_map(|effect| match effect {
            Effect::Stored(definition) => Some(encode::stored(vhost, definition)),
            Effect::Forgotten(definition) => Some(encode::forgotten(vhost, definition)),
            Effect::QueueCreated(..)
            | Effect::QueueRemoved(_)
            | Effect::MemoryCreated { .. }
            | Effect::MemoryRemoved(_)
            | Effect::Replay { .. }
            | Effect::QueueConfigured(..)
            | Effect::Redeclared(_) => None,
        });
        changes.collect()
    }

    /// Without changes nobody makes way for the disk.
    fn commit(&self, changes: &[Change], commit: Commit) -> Result<(), CommitError> {
        let Some(meta) = self.meta.as_ref().filter(|_| !changes.is_empty()) else { return Ok(()) };
        blocking(|| commit(meta, Space::Definitions, changes))
    }
}

/// Lets the runtime give this thread's other tasks to another thread while the disk is waited for.
pub(in crate::node) fn blocking<T>(action: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => tokio::task::block_in_place(action),
        Ok(_) | Err(_) => action(),
    }
}
