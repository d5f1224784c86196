//! What a queue remembers to tell duplicates where nothing was left of it: by the messages that it still holds. They are
//! as good as the next attempt, so that nothing is lost by dropping that. Of messages that have left the queue nothing
//! is known.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::broker::dedup::{Deduplicator, Settings, Taken};
use crate::broker::message::MessageArena;
use crate::broker::queue::QueueEntry;
use crate::node::cell::QueueCell;
use crate::node::storage::{self, Payload};
use crate::store::{Extent, Log, NUMBER_BITS, QueueKey, RecoveredQueue, number_of};

/// Where the messages are that a recovered queue holds, if it tells duplicates.
pub(in crate::node) fn extents(entry: &QueueEntry, recovered: &BTreeMap<QueueKey, RecoveredQueue>) -> Vec<Extent> {
    match Settings::parse(&entry.arguments) {
        Ok(Some(_)) => recovered.get(&storage::key(entry.id)).map(|queue| queue.extents.clone()).unwrap_or_default(),
        Ok(None) | Err(_) => Vec::new(),
    }
}

/// Has a queue remember the messages that it holds, the newest of them that it has room for, as if they came now one
/// behind the other. Reads them from the disk.
pub(in crate::node) fn recall(cell: &QueueCell, mut extents: Vec<Extent>) {
    let Some(storage) = cell.storage() else { return };
    extents.sort_unstable_by_key(|extent| Reverse(last_number(extent)));
    cell.with_deduplicator(|deduplicator| {
        let mut taken = newest(&storage.log, storage::key(cell.entry.id), &extents, deduplicator);
        taken.sort_unstable_by_key(|(number, _)| *number);
        taken.into_iter().for_each(|(_, taken)| deduplicator.recall(taken));
    });
}

/// What tells the newest messages, with their numbers. Only in a queue without priorities none that is further behind
/// can be newer than one that was read.
fn newest(log: &Log, queue: QueueKey, extents: &[Extent], deduplicator: &Deduplicator) -> Vec<(u64, Taken)> {
    let lane = |extent: &Extent| extent.first >> NUMBER_BITS;
    let in_order = extents.windows(2).all(|pair| matches!(pair, [one, other] if lane(one) == lane(other)));
    let (mut newest, mut arena) = (Vec::new(), MessageArena::default());
    for extent in extents {
        if in_order && newest.len() >= deduplicator.size() {
            break;
        }
        let read = log.read(queue, extent, &mut |sequence, _, payload| {
            let message = Payload::read(payload, &mut arena);
            let taken = message.and_then(|message| deduplicator.taken_before(&message));
            newest.extend(taken.map(|taken| (number_of(sequence), taken)));
        });
        if let Err(error) = read {
            tracing::warn!("duplicates of messages that cannot be read are not told: {error}");
        }
    }
    newest
}

fn last_number(extent: &Extent) -> u64 {
    number_of(extent.first).saturating_add(u64::from(extent.count))
}
