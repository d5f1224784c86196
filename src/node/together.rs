//! What several queues take in, or let go, as one: a message for many of them, a transaction. One append to the log holds
//! all of it, so that a crash leaves all or nothing, and a message is written once however many queues keep it.
//!
//! Numbers are taken in each queue first, then the records are written, then the messages go in: never two queues locked
//! at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::cell::QueueCell;
use super::storage::{self, Gone, Payload, Storage};
use crate::broker::ids::{QueueId, SequenceNumber};
use crate::broker::queue::{Arrival, Place};
use crate::broker::time::Timestamp;
use crate::store::{Batch, Position, QueueKey};

/// A message and the queues that it goes to.
pub(super) struct Routed<'a> {
    pub(super) arrival: &'a Arrival,
    pub(super) targets: &'a [Arc<QueueCell>],
}

/// What is gone of a queue.
pub(super) struct Settled {
    pub(super) cell: Arc<QueueCell>,
    pub(super) gone: Gone,
}

/// One queue's part.
struct Part<'a> {
    cell: &'a Arc<QueueCell>,
    /// Whether everything needs a record here, not only what has to survive.
    needs_places: bool,
    /// How many messages come.
    count: u64,
    /// Whether any of them gets a record. All of them get numbers beforehand then, so that their order stays.
    stores_any: bool,
    next: SequenceNumber,
    numbered: Vec<(SequenceNumber, Arrival)>,
    plain: Vec<Arrival>,
}

impl Part<'_> {
    fn stores(&self, arrival: &Arrival) -> bool {
        self.needs_places || self.cell.keeps(arrival)
    }

    /// Takes in a message, with the place of its record where it has one here.
    fn add(&mut self, arrival: &Arrival, place: Option<Place>) {
        let arrival = Arrival { message: arrival.message.clone(), place };
        if !self.stores_any {
            return self.plain.push(arrival);
        }
        self.numbered.push((self.next, arrival));
        self.next = SequenceNumber(self.next.0 + 1);
    }
}

type Parts<'a> = BTreeMap<QueueId, Part<'a>>;

/// Messages in flight at once: one for a thousand queues is a thousand.
const COPIES_AT_ONCE: usize = 16 * 1024;

/// Gives the same messages to several queues; the position that their confirms wait for, if they have to wait.
pub(super) fn publish(now: Timestamp, targets: &[Arc<QueueCell>], arrivals: &[Arrival]) -> Option<Position> {
    let at_once = COPIES_AT_ONCE.checked_div(targets.len()).unwrap_or_default().max(1);
    let mut position = None;
    for arrivals in arrivals.chunks(at_once) {
        let routed: Vec<_> = arrivals.iter().map(|arrival| Routed { arrival, targets }).collect();
        position = position.max(apply(now, &routed, Vec::new()));
    }
    position
}

/// Messages go in and others are gone, together. The position from which on that is safe, if anything of it is stored.
pub(super) fn apply(now: Timestamp, routed: &[Routed<'_>], mut settled: Vec<Settled>) -> Option<Position> {
    let mut parts = parts(now, routed);
    let cells = routed.iter().flat_map(|routed| routed.targets).chain(settled.iter().map(|settled| &settled.cell));
    let storage = cells.filter_map(|cell| cell.storage()).next().cloned();
    let position = match storage {
        Some(storage) => record(&storage, &mut parts, routed, &mut settled),
        None => {
            routed.iter().for_each(|routed| distribute(&mut parts, routed, None));
            None
        }
    };
    for part in parts.values_mut() {
        // A queue that was deleted meanwhile takes its messages with it, as in RabbitMQ.
        let _gone = if part.stores_any {
            part.cell.insert(now, &mut part.numbered)
        } else {
            part.cell.publish(now, &mut part.plain)
        };
    }
    position
}

fn parts<'a>(now: Timestamp, routed: &[Routed<'a>]) -> Parts<'a> {
    let mut parts = Parts::new();
    for Routed { arrival, targets } in routed {
        for cell in *targets {
            let part = parts.entry(cell.entry.id).or_insert_with(|| Part {
                cell,
                needs_places: cell.needs_places(),
                count: 0,
                stores_any: false,
                next: SequenceNumber(0),
                numbered: Vec::new(),
                plain: Vec::new(),
            });
            part.count += 1;
            part.stores_any |= part.stores(arrival);
        }
    }
    parts.retain(|_, part| {
        if !part.stores_any {
            return true;
        }
        let reserved = part.cell.reserve(now, part.count);
        part.next = reserved.unwrap_or(part.next);
        // Otherwise it was deleted meanwhile.
        reserved.is_ok()
    });
    parts
}

/// Writes one record for each message that any queue stores, and what is gone.
fn record(
    storage: &Storage,
    parts: &mut Parts<'_>,
    routed: &[Routed<'_>],
    settled: &mut [Settled],
) -> Option<Position> {
    let lasting = settled.iter().any(|settled| settled.cell.entry.durable && settled.gone.has_ranges());
    let stores_any = parts.values().any(|part| part.stores_any);
    let mut sync = lasting;
    let position = if lasting || stores_any {
        let bound = routed.iter().map(|routed| storage::bound([routed.arrival], routed.targets.len())).sum::<usize>()
            + settled.iter().map(|settled| settled.gone.bound()).sum::<usize>();
        sync |= routed.iter().any(|routed| routed.targets.iter().any(|cell| cell.keeps(routed.arrival)));
        let ((), position) = storage.log.append(bound, sync, |batch| {
            routed.iter().for_each(|routed| distribute(parts, routed, Some(batch)));
            for Settled { cell, gone } in settled.iter_mut().filter(|settled| settled.cell.entry.durable) {
                gone.write(storage::key(cell.entry.id), batch);
            }
        });
        Some(position)
    } else {
        routed.iter().for_each(|routed| distribute(parts, routed, None));
        None
    };
    for Settled { gone, .. } in settled {
        gone.forget_ranges();
        gone.release(&storage.log);
    }
    position.filter(|_| sync)
}

/// Gives a message to its queues, after writing its record where any of them stores it.
fn distribute(parts: &mut Parts<'_>, routed: &Routed<'_>, batch: Option<&mut Batch<'_>>) {
    let Routed { arrival, targets } = routed;
    let mut keepers: SmallVec<[(QueueKey, u64); 4]> = SmallVec::new();
    let mut lasting = false;
    for cell in *targets {
        if let Some(part) = parts.get(&cell.entry.id).filter(|part| part.stores(arrival)) {
            keepers.push((storage::key(cell.entry.id), part.next.0));
            lasting |= cell.keeps(arrival);
        }
    }
    let payload = Payload::of(&arrival.message);
    let place = batch
        .filter(|_| !keepers.is_empty())
        .and_then(|batch| storage::place(batch.put(&keepers, !lasting, &payload.parts())));
    for cell in *targets {
        if let Some(part) = parts.get_mut(&cell.entry.id) {
            let place = place.filter(|_| part.stores(arrival));
            part.add(arrival, place);
        }
    }
}
