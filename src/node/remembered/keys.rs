//! The keys that queues of keys kept, given back to whoever remembers them, before anything is served.

use std::collections::BTreeMap;

use crate::broker::dedup::{Deduplicator, Taken, key_queue_for, key_queue_of};
use crate::broker::ids::QueueId;
use crate::broker::message::MessageArena;
use crate::node::Node;
use crate::node::storage::{self, Payload};
use crate::store::{Extent, Log, QueueKey, RecoveredQueue};

/// Where keys are that were recovered, by whose they are.
#[derive(Debug)]
pub(in crate::node) struct KeptKeys(BTreeMap<QueueId, Vec<Extent>>);

impl KeptKeys {
    /// What queues of keys hold of all that was recovered.
    pub(in crate::node) fn of(recovered: &BTreeMap<QueueKey, RecoveredQueue>) -> Self {
        let keys = recovered.iter().filter_map(|(key, queue)| {
            let id = QueueId(key.0);
            key_queue_for(id).map(|_| (id, queue.extents.clone()))
        });
        Self(keys.collect())
    }

    /// Has exchanges and queues remember what was kept for them. Reads it from the disk.
    pub(in crate::node) fn recall(self, node: &Node) {
        let Some(storage) = &node.storage else { return };
        for vhost in &node.vhosts {
            for exchange in vhost.topology().exchanges() {
                let Some(entry) = &exchange.key_queue else { continue };
                vhost.memories.with_deduplicator(&exchange.name, |known| self.give(&storage.log, entry.id, known));
            }
            vhost.each_cell(|cell| {
                cell.with_deduplicator(|known| self.give(&storage.log, key_queue_of(cell.entry.id), known));
            });
        }
    }

    fn give(&self, log: &Log, keys: QueueId, known: &mut Deduplicator) {
        let mut arena = MessageArena::default();
        for extent in self.0.get(&keys).into_iter().flatten() {
            let read = log.read(storage::key(keys), extent, &mut |_, _, payload| {
                if let Some(taken) = Payload::read(payload, &mut arena).as_ref().and_then(Taken::of_message) {
                    known.recall(taken);
                }
            });
            if let Err(error) = read {
                tracing::warn!("duplicates of messages whose keys cannot be read are not told: {error}");
            }
        }
    }
}
