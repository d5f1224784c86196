//! Messages on their way from one queue to others: dead ones to their dead-letter exchanges, delayed ones through the
//! exchange that kept them. Taken out of one queue, put into others and written down as
//! one: a crash finds each of them in the one place or in the others.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

use super::cell::QueueCell;
use super::memories::{Admission, Way};
use super::storage::Gone;
use super::together::{self, Routed, Settled};
use super::vhost::RunningVhost;
use crate::broker::dead_letter::{Death, Letter};
use crate::broker::delay::Released;
use crate::broker::exchange::Envelope;
use crate::broker::message::Message;
use crate::broker::queue::{Arrival, DeadLetter, DeathReason, Departure};
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
        let letters: Vec<_> = dead
            .iter()
            .map(|dead| match dead.reason {
                Departure::Died(reason) => letter(now, cell, &vhost, to.as_ref(), (reason, &dead.message)),
                Departure::Released => released(now, cell, &vhost, &dead.message),
            })
            .collect();
        let routed: Vec<_> = letters
            .iter()
            .map(|Sent { arrival, targets, .. }| Routed { arrival, targets: targets.as_slice() })
            .collect();
        let mut gone = Gone::default();
        dead.iter().filter_map(|dead| dead.stored).for_each(|(sequence, place)| gone.add(sequence, place));
        let applied = together::apply(now, &routed, vec![Settled { cell: Arc::clone(cell), gone }]);
        // A letter that a queue refuses is gone, and nobody sends it again: only its key is not held against others.
        for refused in applied.refused.iter().filter_map(|at| letters.get(*at)) {
            vhost.memories.forget(&refused.admitted);
        }
        let taken = letters.iter().enumerate().filter(|(at, _)| !applied.refused.contains(at));
        vhost.keep_keys(now, taken.flat_map(|(_, sent)| &sent.admitted));
    }
    !dead.is_empty()
}

/// What becomes of a message, where it goes, and what exchanges on its way remember of it.
struct Sent {
    arrival: Arrival,
    targets: Vec<Arc<QueueCell>>,
    admitted: Vec<Admission>,
}

impl Sent {
    fn nowhere(message: &Message) -> Self {
        Self { arrival: message.clone().into(), targets: Vec::new(), admitted: Vec::new() }
    }
}

/// What becomes of a dead message, and where it goes.
fn letter(
    now: Timestamp,
    cell: &QueueCell,
    vhost: &RunningVhost,
    to: Option<&DeadLetter>,
    (reason, message): (DeathReason, &Message),
) -> Sent {
    let Some(to) = to else { return Sent::nowhere(message) };
    let death = Death { queue: &cell.entry.name, reason, to, now };
    let Some(letter) = Letter::new(message, &death) else { return Sent::nowhere(message) };
    let routing_keys: Vec<&[u8]> = letter.routing_keys.iter().map(Vec::as_slice).collect();
    let envelope = Envelope {
        routing_keys: &routing_keys,
        headers: Some(&letter.headers),
        content_header: letter.message.header(),
        random: rand::random(),
    };
    let Way { route, known } = vhost.route(now, &vhost.topology(), &letter.message, &envelope);
    let targets = route.queues.iter().filter(|entry| !letter.goes_in_a_circle(&entry.name));
    let targets = targets.filter_map(|entry| vhost.cell(entry.id)).collect();
    Sent { arrival: letter.message.into(), targets, admitted: known.admitted }
}

/// What becomes of a message whose delay is over, and where it goes: through the bindings that the exchange has now.
fn released(now: Timestamp, cell: &QueueCell, vhost: &RunningVhost, message: &Message) -> Sent {
    let Some(released) = Released::new(message, now) else { return Sent::nowhere(message) };
    let routing_keys: Vec<&[u8]> = released.routing_keys.iter().map(Vec::as_slice).collect();
    let envelope = Envelope {
        routing_keys: &routing_keys,
        headers: Some(&released.headers),
        content_header: released.message.header(),
        random: rand::random(),
    };
    // A delay queue has the name of its exchange.
    let route = vhost.topology().route(cell.entry.name.as_bytes(), &envelope);
    let targets = route.queues.iter().filter_map(|entry| vhost.cell(entry.id)).collect();
    Sent { arrival: released.message.into(), targets, admitted: Vec::new() }
}
