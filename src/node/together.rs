//! What several queues take in, or let go, as one: a message for many of them, a transaction. One append to the log holds
//! all of it, so that a crash leaves all or nothing, and a message is written once however many queues keep it.
//!
//! Numbers are taken in each queue first, then the records are written, then the messages go in: never two queues locked
//! at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::cell::QueueCell;
use super::duplicates::Duplicates;
use super::storage::{self, Gone, Payload, Storage};
use crate::broker::ids::{QueueId, SequenceNumber};
use crate::broker::queue::{Arrival, Numbering, Place};
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
    /// Bytes of the bodies of the messages that come.
    bodies: Vec<u64>,
    /// Which of the routed messages they are, where the queue may refuse some.
    indexes: Option<Vec<usize>>,
    /// How many of them the queue has room for, where they get numbers beforehand.
    admitted: usize,
    /// Those that there is no room for.
    refused: Vec<Arrival>,
    /// Whether any of them gets a record. All of them get numbers beforehand then, so that their order stays.
    stores_any: bool,
    /// What is known of duplicates among them.
    duplicates: Duplicates,
    /// From where on what it knows of duplicates is safe.
    safe_from: Option<Position>,
    numbering: Numbering,
    numbered: Vec<(SequenceNumber, Arrival)>,
    plain: Vec<Arrival>,
}

impl Part<'_> {
    fn stores(&self, arrival: &Arrival) -> bool {
        self.needs_places || self.cell.keeps(arrival)
    }

    /// Whether the next message gets a record here.
    fn stores_next(&self, arrival: &Arrival) -> bool {
        self.stores(arrival) && self.numbered.len() < self.admitted && !self.duplicates.is_next()
    }

    /// Takes in a message, with the place of its record where it has one here.
    fn add(&mut self, arrival: &Arrival, place: Option<Place>) {
        let place = place.filter(|_| self.stores_next(arrival));
        if self.duplicates.pass() {
            return;
        }
        let arrival = Arrival { message: arrival.message.clone(), place };
        if !self.stores_any {
            return self.plain.push(arrival);
        }
        if self.numbered.len() >= self.admitted {
            return self.refused.push(arrival);
        }
        self.numbered.push((self.numbering.take(&arrival.message), arrival));
    }
}

impl Part<'_> {
    /// Finds duplicates among the messages that come. They get no numbers, and no records.
    fn tell_duplicates(&mut self, now: Timestamp, routed: &[Routed<'_>]) {
        if !self.cell.tells_duplicates() {
            return;
        }
        let comes = |routed: &&Routed<'_>| routed.targets.iter().any(|target| Arc::ptr_eq(target, self.cell));
        self.duplicates = Duplicates::among(now, self.cell, routed.iter().filter(comes).map(|routed| routed.arrival));
        self.duplicates.take_out_of(&mut self.bodies);
        self.indexes.iter_mut().for_each(|indexes| self.duplicates.take_out_of(indexes));
    }

    /// Gives the queue its messages; which of the routed ones it refuses. A queue that was deleted meanwhile takes its
    /// messages with it, as in RabbitMQ.
    fn hand_over(&mut self, now: Timestamp) -> Vec<usize> {
        let indexes = self.indexes.take().unwrap_or_default();
        if !self.stores_any {
            let refused = self.cell.publish(now, &mut self.plain).map(|outcome| outcome.refused).unwrap_or_default();
            return refused.into_iter().filter_map(|at| indexes.get(at).copied()).collect();
        }
        let _gone = self.cell.insert(now, &mut self.numbered);
        self.safe_from = self.duplicates.settle(now, self.cell);
        if !self.refused.is_empty() {
            self.cell.refuse_all(now, std::mem::take(&mut self.refused));
        }
        indexes.get(self.admitted..).unwrap_or_default().to_vec()
    }
}

type Parts<'a> = BTreeMap<QueueId, Part<'a>>;

/// Messages in flight at once: one for a thousand queues is a thousand.
const COPIES_AT_ONCE: usize = 16 * 1024;

/// Gives the same messages to several queues.
pub(super) fn publish(now: Timestamp, targets: &[Arc<QueueCell>], arrivals: &[Arrival]) -> Applied {
    let at_once = COPIES_AT_ONCE.checked_div(targets.len()).unwrap_or_default().max(1);
    if targets.iter().all(|cell| cell.takes_all_in_memory(arrivals)) {
        publish_apart(now, targets, arrivals);
        return Applied::default();
    }
    let mut all = Applied::default();
    // What a queue refuses depends on what its consumers have taken of the message before.
    let at_once = if targets.iter().any(|cell| cell.may_refuse()) { 1 } else { at_once };
    for (number, chunk) in arrivals.chunks(at_once).enumerate() {
        let routed: Vec<_> = chunk.iter().map(|arrival| Routed { arrival, targets }).collect();
        let applied = apply(now, &routed, Vec::new());
        all.position = all.position.max(applied.position);
        all.refused.extend(applied.refused.into_iter().map(|index| number * at_once + index));
    }
    all
}

/// Messages of which nothing is to survive are not one thing: each queue gets its copies. One that was deleted meanwhile
/// takes them with it, as in RabbitMQ.
fn publish_apart(now: Timestamp, targets: &[Arc<QueueCell>], arrivals: &[Arrival]) {
    let mut copies = Vec::new();
    for cell in targets {
        copies.extend(arrivals.iter().map(|arrival| Arrival::from(arrival.message.clone())));
        let _gone = cell.publish(now, &mut copies);
        copies.clear();
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// From which position on it is safe, if anything of it is stored.
    pub(super) position: Option<Position>,
    /// Messages that a queue refused, by their places in the list, in order.
    pub(super) refused: Vec<usize>,
}

/// Messages go in and others are gone, together.
pub(super) fn apply(now: Timestamp, routed: &[Routed<'_>], mut settled: Vec<Settled>) -> Applied {
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
    let mut refused: Vec<_> = parts.values_mut().flat_map(|part| part.hand_over(now)).collect();
    let position = parts.values().fold(position, |position, part| position.max(part.safe_from));
    refused.sort_unstable();
    refused.dedup();
    Applied { position, refused }
}

fn parts<'a>(now: Timestamp, routed: &[Routed<'a>]) -> Parts<'a> {
    let mut parts = Parts::new();
    for (index, Routed { arrival, targets }) in routed.iter().enumerate() {
        for cell in *targets {
            let part = parts.entry(cell.entry.id).or_insert_with(|| Part {
                cell,
                needs_places: cell.needs_places(),
                bodies: Vec::new(),
                indexes: cell.may_refuse().then(Vec::new),
                admitted: 0,
                refused: Vec::new(),
                stores_any: false,
                duplicates: Duplicates::default(),
                safe_from: None,
                numbering: Numbering::default(),
                numbered: Vec::new(),
                plain: Vec::new(),
            });
            part.bodies.push(arrival.message.body_length());
            part.indexes.iter_mut().for_each(|indexes| indexes.push(index));
            part.stores_any |= part.stores(arrival);
        }
    }
    parts.retain(|_, part| {
        if !part.stores_any {
            return true;
        }
        part.tell_duplicates(now, routed);
        // Otherwise it was deleted meanwhile.
        let Ok((numbering, admitted)) = part.cell.reserve(now, &part.bodies) else { return false };
        (part.numbering, part.admitted) = (numbering, admitted);
        part.duplicates.admit(now, part.cell, admitted);
        true
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
            + parts.values_mut().map(|part| part.duplicates.keys().bound()).sum::<usize>()
            + settled.iter().map(|settled| settled.gone.bound()).sum::<usize>();
        sync |= routed.iter().any(|routed| routed.targets.iter().any(|cell| cell.keeps(routed.arrival)));
        let ((), position) = storage.log.append(bound, sync, |batch| {
            routed.iter().for_each(|routed| distribute(parts, routed, Some(batch)));
            parts.values_mut().for_each(|part| part.duplicates.keys().write(batch));
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
        if let Some(part) = parts.get(&cell.entry.id).filter(|part| part.stores_next(arrival)) {
            keepers.push((storage::key(cell.entry.id), part.numbering.sequence(&arrival.message).0));
            lasting |= cell.keeps(arrival);
        }
    }
    let payload = Payload::of(&arrival.message);
    let place = batch
        .filter(|_| !keepers.is_empty())
        .and_then(|batch| storage::place(batch.put(&keepers, !lasting, &payload.parts())));
    for cell in *targets {
        if let Some(part) = parts.get_mut(&cell.entry.id) {
            part.add(arrival, place);
        }
    }
}
