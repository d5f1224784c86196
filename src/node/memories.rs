//! What exchanges remember of their messages: histories, and the keys by which duplicates are told. In memory; keys
//! also in queues of keys, and see `remembered` for restarts. Owns no rules: those are the broker's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dashmap::DashMap;
use leveret_protocol::{FieldTable, HeaderView, ShortString};
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::cell::QueueCell;
use super::together;
use super::vhost::RunningVhost;
use crate::broker::dedup::{Deduplicator, Key, Taken, Verdict};
use crate::broker::exchange::types::recent_history;
use crate::broker::exchange::{Destination, Envelope, History, Memory, Past};
use crate::broker::message::Message;
use crate::broker::queue::{Arrival, QueueType};
use crate::broker::time::Timestamp;
use crate::broker::vhost::{Route, Topology};
use crate::store::Position;

/// What the exchanges of a vhost remember, by name.
#[derive(Debug, Default)]
pub(super) struct Memories {
    deduplicators: DashMap<ShortString, Known>,
    /// A message is noted, and a new binding made known, under this one lock: so each message comes to a binding either
    /// out of the history or by itself.
    histories: Mutex<BTreeMap<ShortString, History>>,
}

/// What an exchange knows of the messages that came.
#[derive(Debug)]
struct Known {
    deduplicator: Deduplicator,
    /// Keys of messages that it let pass, and of which nobody has said yet whether their queues take them.
    undecided: BTreeSet<Key>,
}

/// That an exchange let a message pass, and remembers it.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    exchange: ShortString,
    taken: Taken,
    /// The message is to survive, and so is its key.
    lasts: bool,
}

/// A message that has come before to an exchange, while it is not decided what becomes of the first one.
#[derive(Clone, Debug)]
pub(super) struct Undecided {
    exchange: ShortString,
    key: Key,
}

/// A new binding that is to get the history of its source.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) source: ShortString,
    pub(super) destination: Destination,
}

impl Memories {
    pub(super) fn create(&self, exchange: &ShortString, memory: Memory) {
        if let Some(settings) = memory.deduplication {
            let known = Known { deduplicator: Deduplicator::new(settings), undecided: BTreeSet::new() };
            self.deduplicators.insert(exchange.clone(), known);
        }
        if let Some(length) = memory.history {
            self.histories.lock().insert(exchange.clone(), History::new(length));
        }
    }

    pub(super) fn remove(&self, exchange: &ShortString) {
        self.deduplicators.remove(exchange);
        self.histories.lock().remove(exchange);
    }

    /// A message was rolled back or refused: the next one with its key is no duplicate.
    pub(super) fn forget(&self, admitted: &[Admission]) {
        for Admission { exchange, taken, .. } in admitted {
            if let Some(mut known) = self.deduplicators.get_mut(exchange) {
                known.undecided.remove(&taken.key());
                known.deduplicator.forget(&taken.key());
            }
        }
    }

    /// Whether it is still not known what becomes of the first ones.
    pub(super) fn are_undecided(&self, undecided: &[Undecided]) -> bool {
        undecided.iter().any(|Undecided { exchange, key }| {
            self.deduplicators.get(exchange).is_some_and(|known| known.undecided.contains(key))
        })
    }

    fn decide(&self, Admission { exchange, taken, .. }: &Admission) {
        if let Some(mut known) = self.deduplicators.get_mut(exchange) {
            known.undecided.remove(&taken.key());
        }
    }

    pub(super) fn each_deduplicator(&self, mut look: impl FnMut(&ShortString, &Deduplicator)) {
        self.deduplicators.iter().for_each(|entry| look(entry.key(), &entry.value().deduplicator));
    }

    pub(super) fn each_history(&self, mut look: impl FnMut(&ShortString, &History)) {
        self.histories.lock().iter().for_each(|(exchange, history)| look(exchange, history));
    }

    pub(super) fn with_deduplicator(&self, exchange: &ShortString, act: impl FnOnce(&mut Deduplicator)) {
        if let Some(mut known) = self.deduplicators.get_mut(exchange) {
            act(&mut known.deduplicator);
        }
    }

    pub(super) fn with_history(&self, exchange: &ShortString, act: impl FnOnce(&mut History)) {
        if let Some(history) = self.histories.lock().get_mut(exchange) {
            act(history);
        }
    }

    /// Whether a message is new to an exchange. One that is gone meanwhile knows none.
    fn judge(&self, now: Timestamp, exchange: &ShortString, headers: Option<&FieldTable>) -> Answer {
        let Some(mut known) = self.deduplicators.get_mut(exchange) else { return Answer::default() };
        match known.deduplicator.judge(now, headers) {
            Verdict::Untold => Answer::default(),
            Verdict::New(taken) => {
                known.undecided.insert(taken.key());
                Answer { new: Some(taken), known: None }
            }
            Verdict::Duplicate(key) => Answer { new: None, known: Some((key, known.undecided.contains(&key))) },
        }
    }
}

/// What an exchange says of a message.
#[derive(Clone, Copy, Debug, Default)]
struct Answer {
    /// It is remembered.
    new: Option<Taken>,
    /// It has come before; and whether it is not decided yet what becomes of the first one.
    known: Option<(Key, bool)>,
}

/// A message's way, and what exchanges on it know of it.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) route: Route,
    pub(super) known: Acquaintance,
}

/// What exchanges that tell duplicates know of a message. Whoever publishes it says in the end whether it was taken:
/// `keep_keys` or `forget`.
#[derive(Debug, Default)]
pub(super) struct Acquaintance {
    /// Those that remember it for having let it pass.
    pub(super) admitted: Vec<Admission>,
    /// It is a duplicate of a message that is not decided on.
    pub(super) undecided: Vec<Undecided>,
    /// It is a duplicate.
    pub(super) duplicate: bool,
}

impl Acquaintance {
    fn of(asked: BTreeMap<ShortString, Answer>, lasts: impl FnOnce() -> bool) -> Self {
        let mut all = Self::default();
        if asked.is_empty() {
            return all;
        }
        let lasts = lasts();
        for (exchange, Answer { new, known }) in asked {
            if let Some((key, undecided)) = known {
                all.duplicate = true;
                all.undecided.extend(undecided.then(|| Undecided { exchange: exchange.clone(), key }));
            }
            all.admitted.extend(new.map(|taken| Admission { exchange, taken, lasts }));
        }
        all
    }
}

/// Whether a message is to survive a crash somewhere. Its key is kept also where it goes nowhere.
fn lasts(message: &Message, route: &Route) -> bool {
    message.is_persistent() || route.queues.iter().any(|entry| entry.queue_type() == QueueType::Quorum)
}

impl RunningVhost {
    /// Messages were taken by their queues, or went nowhere: what exchanges remember of them is kept. From which position on
    /// it is safe.
    pub(super) fn keep_keys<'a>(
        &self,
        now: Timestamp,
        admitted: impl IntoIterator<Item = &'a Admission>,
    ) -> Option<Position> {
        let mut by_exchange: BTreeMap<&ShortString, Vec<Taken>> = BTreeMap::new();
        for admission in admitted {
            self.memories.decide(admission);
            if admission.lasts {
                by_exchange.entry(&admission.exchange).or_default().push(admission.taken);
            }
        }
        if by_exchange.is_empty() {
            return None;
        }
        let topology = self.topology();
        let key_queue = |exchange: &ShortString| topology.exchange(exchange.as_bytes())?.key_queue.as_ref();
        let kept = by_exchange.into_iter().filter_map(|(exchange, taken)| {
            let keys = self.cell(key_queue(exchange)?.id)?;
            keys.keep(now, &taken)
        });
        kept.max()
    }

    /// The queues of a message; exchanges on the way note what they remember of it.
    pub(super) fn route(
        &self,
        now: Timestamp,
        topology: &Arc<Topology>,
        message: &Message,
        envelope: &Envelope<'_>,
    ) -> Way {
        let mut asked = BTreeMap::new();
        let mut topology = Arc::clone(topology);
        loop {
            let mut admits = |exchange: &ShortString| {
                // The same answer when the way is looked for a second time.
                let answer = asked.entry(exchange.clone());
                answer.or_insert_with(|| self.memories.judge(now, exchange, envelope.headers)).known.is_none()
            };
            let route = topology.route_past(message.exchange(), envelope, &mut |exchange| admits(&exchange.name));
            if route.histories.is_empty() || self.note(&topology, &route, message, envelope) {
                let known = Acquaintance::of(asked, || lasts(message, &route));
                return Way { route, known };
            }
            topology = self.topology();
        }
    }

    /// Notes a message in the histories on its way; `false` when there are new bindings, which it may have to go to.
    fn note(&self, topology: &Topology, route: &Route, message: &Message, envelope: &Envelope<'_>) -> bool {
        if !recent_history::is_kept(envelope.headers) {
            return true;
        }
        let copies = envelope.routing_keys.iter().skip(1).map(|key| key.to_vec()).collect();
        let past = Past { message: message.detached(), copies };
        let mut histories = self.memories.histories.lock();
        if self.number() != topology.number {
            return false;
        }
        for exchange in &route.histories {
            if let Some(history) = histories.get_mut(exchange) {
                history.keep(past.clone());
            }
        }
        true
    }

    /// Makes a new binding known by `publish`, after it has got the history of its source.
    pub(super) fn replay(&self, now: Timestamp, replay: &Replay, publish: impl FnOnce()) {
        let mut histories = self.memories.histories.lock();
        publish();
        let topology = self.topology();
        let past: Vec<Past> = histories.get(&replay.source).into_iter().flat_map(History::iter).cloned().collect();
        for past in past {
            match &replay.destination {
                Destination::Queue(entry) => self.give(now, self.cell(entry.id).into_iter().collect(), &past),
                Destination::Exchange(name) => {
                    let (route, admitted) = self.route_past(now, &topology, name, &past);
                    for other in route.histories.iter().filter(|other| **other != replay.source) {
                        if let Some(history) = histories.get_mut(other) {
                            history.keep(past.clone());
                        }
                    }
                    self.give(now, self.cells_of(&route), &past);
                    // Nobody waits for what is given.
                    self.keep_keys(now, &admitted);
                }
            }
        }
    }

    /// Where a message of a history goes from an exchange that is bound to it.
    fn route_past(
        &self,
        now: Timestamp,
        topology: &Topology,
        exchange: &ShortString,
        past: &Past,
    ) -> (Route, Vec<Admission>) {
        let mut routing_keys: SmallVec<[&[u8]; 4]> = SmallVec::new();
        routing_keys.push(past.message.routing_key());
        routing_keys.extend(past.copies.iter().map(Vec::as_slice));
        let view = HeaderView::parse(past.message.header()).ok();
        let headers = view.and_then(|view| view.headers()).and_then(|octets| FieldTable::decode(octets).ok());
        let headers = headers.map(|(table, _)| table);
        let envelope = Envelope {
            routing_keys: &routing_keys,
            headers: headers.as_ref(),
            content_header: past.message.header(),
            random: rand::random(),
        };
        let mut asked = BTreeMap::new();
        let route = topology.route_past(exchange.as_bytes(), &envelope, &mut |exchange| {
            let answer = self.memories.judge(now, &exchange.name, envelope.headers);
            asked.insert(exchange.name.clone(), answer);
            answer.known.is_none()
        });
        let known = Acquaintance::of(asked, || lasts(&past.message, &route));
        (route, known.admitted)
    }

    fn give(&self, now: Timestamp, targets: SmallVec<[Arc<QueueCell>; 1]>, past: &Past) {
        let mut arrivals = vec![Arrival::from(past.message.clone())];
        match targets.as_slice() {
            [] => {}
            // A queue that is deleted meanwhile takes nothing.
            [target] => _ = target.publish(now, &mut arrivals),
            targets => _ = together::publish(now, targets, &arrivals),
        }
    }

    /// The running queues of a route.
    pub(super) fn cells_of(&self, route: &Route) -> SmallVec<[Arc<QueueCell>; 1]> {
        route.queues.iter().filter_map(|entry| self.cell(entry.id)).collect()
    }
}
