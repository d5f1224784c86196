//! Events: what comes and goes in the broker, told as messages to `amq.rabbitmq.event` of one vhost (RabbitMQ's plugin
//! `rabbitmq_event_exchange`). Owns their order and their bound, and the thread that publishes them with nothing locked.
//! While nobody has bound anything to the exchange an event costs one load.

mod changes;
mod clients;
mod operators;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;

use leveret_protocol::{FieldTable, FieldValue, Properties, ShortString};
use parking_lot::{Condvar, Mutex};

pub(super) use self::clients::{ConnectionSeen, ConsumerSeen};
use super::clock::Clock;
use super::vhost::RunningVhost;
use crate::broker::channel::compose::compose;
use crate::broker::vhost::EVENT_EXCHANGE;

/// Events that wait to be published; what comes when there are so many is lost, and counted in the log.
const MOST_WAITING: usize = 10_000;

/// Who acts where nobody does (RabbitMQ's word).
const NOBODY: &str = "rmq-internal";

/// The header with who did it.
const PERFORMED_BY: &str = "user_who_performed_action";

/// Where events are told.
#[derive(Debug)]
pub(super) struct Events {
    /// The vhost whose exchange it is; `None`: events are not told at all.
    vhost: Option<ShortString>,
    /// Names this node in events.
    node: String,
    clock: Clock,
    home: OnceLock<Weak<RunningVhost>>,
    wanted: AtomicBool,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    lost: u64,
    running: bool,
    stopped: bool,
}

/// Something that happened.
#[derive(Debug)]
struct Event {
    key: &'static str,
    headers: FieldTable,
    /// Milliseconds since 1970.
    at: u64,
}

impl Events {
    /// Events told in this vhost, or none.
    pub(super) fn new(vhost: Option<ShortString>, node: &str, clock: Clock) -> Self {
        Self {
            vhost,
            node: node.to_owned(),
            clock,
            home: OnceLock::new(),
            wanted: AtomicBool::new(false),
            shared: Arc::default(),
        }
    }

    /// Whether it is this vhost that has the exchange.
    pub(super) fn are_told_in(&self, vhost: &ShortString) -> bool {
        self.vhost.as_ref() == Some(vhost)
    }

    /// The vhost with the exchange is there.
    pub(super) fn live_in(&self, home: Weak<RunningVhost>) {
        // There is one of that name.
        let _known = self.home.set(home);
    }

    /// Somebody has bound something to the exchange, or nobody has any more.
    pub(super) fn want(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::Relaxed);
    }

    /// Whether anybody wants to know.
    pub(super) fn are_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Tells an event, if anybody wants to know. May be called with anything locked: it is published later, in its turn.
    fn tell(&self, key: &'static str, headers: impl FnOnce() -> FieldTable) {
        if self.are_wanted() {
            self.put(Event { key, headers: headers(), at: self.clock.unix_millis() });
        }
    }

    #[cold]
    fn put(&self, event: Event) {
        let mut waiting = self.shared.waiting.lock();
        if waiting.events.len() >= MOST_WAITING {
            waiting.lost += 1;
            return;
        }
        waiting.events.push_back(event);
        if !waiting.running {
            waiting.running = self.start();
        }
        drop(waiting);
        self.shared.changed.notify_one();
    }

    fn start(&self) -> bool {
        let Some(home) = self.home.get().cloned() else { return false };
        let (shared, clock) = (Arc::clone(&self.shared), self.clock);
        let started =
            thread::Builder::new().name("leveret-events".to_owned()).spawn(move || run(&shared, &home, clock));
        if let Err(error) = &started {
            tracing::error!("cannot start a thread for events, so that none are told: {error}");
        }
        started.is_ok()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.shared.waiting.lock().stopped = true;
        self.shared.changed.notify_one();
    }
}

/// Publishes what there is, until the node is gone.
fn run(shared: &Shared, home: &Weak<RunningVhost>, clock: Clock) {
    let mut waiting = shared.waiting.lock();
    while !waiting.stopped {
        let lost = std::mem::take(&mut waiting.lost);
        if lost > 0 {
            tracing::warn!("{lost} events are lost: more came than could be published");
        }
        let Some(event) = waiting.events.pop_front() else {
            shared.changed.wait(&mut waiting);
            continue;
        };
        drop(waiting);
        if let Some(vhost) = home.upgrade() {
            publish(&vhost, clock, event);
        }
        waiting = shared.waiting.lock();
    }
}

fn publish(vhost: &RunningVhost, clock: Clock, event: Event) {
    let (exchange, key) = (ShortString::from_static(EVENT_EXCHANGE), ShortString::from_static(event.key));
    let mut headers = event.headers;
    headers.insert("timestamp_in_ms", whole(event.at));
    let properties = Properties {
        headers: Some(headers),
        delivery_mode: Some(2),
        timestamp: Some(event.at / 1000),
        ..Properties::default()
    };
    let now = clock.now();
    if let Ok(message) = compose(&exchange, &key, properties, b"", u64::MAX, now) {
        vhost.publish_own(now, message);
    }
}

/// Headers of the values that there are.
fn headers<const N: usize>(entries: [(&str, FieldValue); N]) -> FieldTable {
    entries.into_iter().map(|(name, value)| (ShortString::truncated(name), value)).collect()
}

fn text(octets: impl AsRef<[u8]>) -> FieldValue {
    FieldValue::LongString(bytes::Bytes::copy_from_slice(octets.as_ref()))
}

fn whole(number: impl TryInto<i64>) -> FieldValue {
    FieldValue::I64(number.try_into().unwrap_or(i64::MAX))
}

fn performer(by: Option<&ShortString>) -> FieldValue {
    by.map_or_else(|| text(NOBODY), |by| text(by.as_bytes()))
}
