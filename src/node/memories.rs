//! What exchanges remember of their messages: histories, and the keys by which duplicates are told. In memory; see
//! `remembered` for restarts. Owns no rules: those are the broker's.

use std::collections::BTreeMap;
use std::sync::Arc;

use dashmap::DashMap;
use leveret_protocol::{FieldTable, HeaderView, ShortString};
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::cell::QueueCell;
use super::together;
use super::vhost::RunningVhost;
use crate::broker::dedup::Deduplicator;
use crate::broker::exchange::types::recent_history;
use crate::broker::exchange::{Destination, Envelope, History, Memory, Past};
use crate::broker::message::Message;
use crate::broker::queue::Arrival;
use crate::broker::time::Timestamp;
use crate::broker::vhost::{Route, Topology};

/// What the exchanges of a vhost remember, by name.
#[derive(Debug, Default)]
pub(super) struct Memories {
    deduplicators: DashMap<ShortString, Deduplicator>,
    /// A message is noted, and a new binding made known, under this one lock: so each message comes to a binding either
    /// out of the history or by itself.
    histories: Mutex<BTreeMap<ShortString, History>>,
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
            self.deduplicators.insert(exchange.clone(), Deduplicator::new(settings));
        }
        if let Some(length) = memory.history {
            self.histories.lock().insert(exchange.clone(), History::new(length));
        }
    }

    pub(super) fn remove(&self, exchange: &ShortString) {
        self.deduplicators.remove(exchange);
        self.histories.lock().remove(exchange);
    }

    /// A message was rolled back: the next one with its key is no duplicate.
    pub(super) fn forget(&self, admitted: &[ShortString], message: &Message) {
        for exchange in admitted {
            self.with_deduplicator(exchange, |deduplicator| deduplicator.forget(message));
        }
    }

    pub(super) fn each_deduplicator(&self, mut look: impl FnMut(&ShortString, &Deduplicator)) {
        self.deduplicators.iter().for_each(|entry| look(entry.key(), entry.value()));
    }

    pub(super) fn each_history(&self, mut look: impl FnMut(&ShortString, &History)) {
        self.histories.lock().iter().for_each(|(exchange, history)| look(exchange, history));
    }

    pub(super) fn with_deduplicator(&self, exchange: &ShortString, act: impl FnOnce(&mut Deduplicator)) {
        if let Some(mut deduplicator) = self.deduplicators.get_mut(exchange) {
            act(&mut deduplicator);
        }
    }

    pub(super) fn with_history(&self, exchange: &ShortString, act: impl FnOnce(&mut History)) {
        if let Some(history) = self.histories.lock().get_mut(exchange) {
            act(history);
        }
    }

    /// Whether a message is new to an exchange. One that is gone meanwhile knows none.
    fn admits(&self, now: Timestamp, exchange: &ShortString, headers: Option<&FieldTable>) -> bool {
        self.deduplicators.get_mut(exchange).is_none_or(|mut deduplicator| deduplicator.admits(now, headers))
    }
}

/// A message's way, and the exchanges that remember it for having let it pass.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) route: Route,
    pub(super) admitted: Vec<ShortString>,
}

impl RunningVhost {
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
                *answer.or_insert_with(|| self.memories.admits(now, exchange, envelope.headers))
            };
            let route = topology.route_past(message.exchange(), envelope, &mut |exchange| admits(&exchange.name));
            if route.histories.is_empty() || self.note(&topology, &route, message, envelope) {
                let admitted = asked.into_iter().filter(|(_, new)| *new).map(|(exchange, _)| exchange);
                return Way { route, admitted: admitted.collect() };
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
                    let route = self.route_past(now, &topology, name, &past);
                    for other in route.histories.iter().filter(|other| **other != replay.source) {
                        if let Some(history) = histories.get_mut(other) {
                            history.keep(past.clone());
                        }
                    }
                    self.give(now, self.cells_of(&route), &past);
                }
            }
        }
    }

    /// Where a message of a history goes from an exchange that is bound to it.
    fn route_past(&self, now: Timestamp, topology: &Topology, exchange: &ShortString, past: &Past) -> Route {
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
        topology.route_past(exchange.as_bytes(), &envelope, &mut |exchange| {
            self.memories.admits(now, &exchange.name, envelope.headers)
        })
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
