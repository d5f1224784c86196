//! Dead messages on their way to their dead-letter exchanges. Taken out of one queue, put into others and written down as
//! one: a crash finds each of them in the one place or in the others.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

use super::cell::QueueCell;
use super::storage::Gone;
use super::together::{self, Routed, Settled};
use super::vhost::RunningVhost;
use crate::broker::dead_letter::{Death, Letter};
use crate::broker::exchange::Envelope;
use crate::broker::queue::{Arrival, Dead, DeadLetter};
use crate::broker::time::Timestamp;

/// Dead messages that move together.
const AT_ONCE: usize = 1024;

thread_local! {
    /// Queues that this thread has yet to see to. A dead message may fill a queue whose oldest dies, and so on: this way
    /// the stack does not grow with a chain of queues.
    static PENDING: RefCell<Option<VecDeque<Arc<QueueCell>>>> = const { RefCell::new(None) };
}

/// Sends the dead messages of a queue on. They leave in the order in which they died: one thread at a time does it, and
/// looks again before it goes.
pub(super) fn see_to(now: Timestamp, cell: &Arc<QueueCell>) {
    let nested = PENDING.with_borrow_mut(|pending| match pending {
        Some(pending) => {
            pending.push_back(Arc::clone(cell));
            true
        }
        None => {
            *pending = Some(VecDeque::from([Arc::clone(cell)]));
            false
        }
    });
    if nested {
        return;
    }
    while let Some(cell) = PENDING.with_borrow_mut(|pending| pending.as_mut().and_then(VecDeque::pop_front)) {
        send_all(now, &cell);
    }
    PENDING.set(None);
}

fn send_all(now: Timestamp, cell: &Arc<QueueCell>) {
    loop {
        // Whoever sends looks again before it goes.
        let Some(_sending) = cell.sending.try_lock() else { return };
        while send(now, cell) {}
        drop(_sending);
        if !cell.has_dead() {
            return;
        }
    }
}

/// Sends what there is; false when there was nothing.
fn send(now: Timestamp, cell: &Arc<QueueCell>) -> bool {
    let _moving = cell.storage().map(|storage| storage.cells.moving());
    let (dead, to) = cell.take_dead(now);
    let Some(vhost) = cell.home() else { return false };
    for dead in dead.chunks(AT_ONCE) {
        let letters: Vec<_> = dead.iter().map(|dead| letter(now, cell, &vhost, to.as_ref(), dead)).collect();
        let routed: Vec<_> =
            letters.iter().map(|(arrival, targets)| Routed { arrival, targets: targets.as_slice() }).collect();
        let mut gone = Gone::default();
        dead.iter().filter_map(|dead| dead.stored).for_each(|(sequence, place)| gone.add(sequence, place));
        together::apply(now, &routed, vec![Settled { cell: Arc::clone(cell), gone }]);
    }
    !dead.is_empty()
}

/// What becomes of a dead message, and where it goes.
fn letter(
    now: Timestamp,
    cell: &QueueCell,
    vhost: &RunningVhost,
    to: Option<&DeadLetter>,
    dead: &Dead,
) -> (Arrival, Vec<Arc<QueueCell>>) {
    let Some(to) = to else { return (dead.message.clone().into(), Vec::new()) };
    let death = Death { queue: &cell.entry.name, reason: dead.reason, to, now };
    let Some(letter) = Letter::new(&dead.message, &death) else { return (dead.message.clone().into(), Vec::new()) };
    let routing_keys: Vec<&[u8]> = letter.routing_keys.iter().map(Vec::as_slice).collect();
    let envelope = Envelope { routing_keys: &routing_keys, headers: Some(&letter.headers) };
    let route = vhost.topology().route(to.exchange.as_bytes(), &envelope);
    let targets = route.queues.iter().filter(|entry| !letter.goes_in_a_circle(&entry.name));
    let targets = targets.filter_map(|entry| vhost.cell(entry.id)).collect();
    (letter.message.into(), targets)
}
