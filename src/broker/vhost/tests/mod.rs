//! What a vhost makes of declarations, bindings and their ends, with RabbitMQ's reply texts, and where it routes.

mod auto_delete;
mod bindings;
mod deduplication;
mod exchanges;
mod exclusive;
mod names;
mod queues;
mod routing;

use std::sync::Arc;

use leveret_protocol::{FieldTable, FieldValue, ReplyCode, ShortString};

use super::{Definition, Effect, ExchangeDeclaration, Link, QueueDeclaration, Vhost};
use crate::broker::auth::{Actor, Permissions, User};
use crate::broker::error::{BrokerError, ChannelError};
use crate::broker::exchange::Envelope;
use crate::broker::ids::{ConnectionId, QueueId};
use crate::broker::queue::{QueueEntry, Settings};
use crate::broker::resource::ResourceKind;

const ANN: u64 = 1;

const BOB: u64 = 2;

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
    entries.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

fn text(text: &str) -> FieldValue {
    FieldValue::text(text)
}

fn permitted(connection: u64, configure: &str, write: &str, read: &str) -> Actor {
    Actor {
        connection: ConnectionId(connection),
        user: Arc::new(User { name: name("guest"), tags: Vec::new() }),
        permissions: Arc::new(Permissions::parse(configure, write, read).unwrap()),
    }
}

fn actor(connection: u64) -> Actor {
    permitted(connection, ".*", ".*", ".*")
}

fn vhost() -> Vhost {
    Vhost::new(name("/"))
}

fn exchange(exchange: &str, kind: &str) -> ExchangeDeclaration {
    ExchangeDeclaration {
        name: name(exchange),
        kind: name(kind),
        passive: false,
        durable: false,
        auto_delete: false,
        internal: false,
        arguments: FieldTable::new(),
    }
}

fn alternate(to: &str) -> FieldTable {
    table(&[("alternate-exchange", text(to))])
}

/// A queue's declaration with an id made of its name's last octet, so that tests need not count.
fn queue(queue: &str) -> QueueDeclaration {
    QueueDeclaration {
        name: name(queue),
        durable: false,
        exclusive: false,
        auto_delete: false,
        arguments: FieldTable::new(),
        id: QueueId(queue.bytes().last().unwrap_or_default().into()),
        generated: "0123456789012345678901".to_owned(),
    }
}

fn declare(vhost: &mut Vhost, wanted: ExchangeDeclaration) {
    vhost.declare_exchange(&actor(ANN), wanted, &mut Vec::new()).unwrap();
}

/// Declares a queue that must be new.
fn declare_new(vhost: &mut Vhost, connection: u64, wanted: QueueDeclaration) -> Arc<QueueEntry> {
    let mut effects = Vec::new();
    let entry = vhost.declare_queue(&actor(connection), wanted, &mut effects).unwrap();
    let stored = entry.durable.then(|| Effect::Stored(Definition::Queue(Arc::clone(&entry))));
    let expected: Vec<_> =
        [Effect::QueueCreated(Arc::clone(&entry), Settings::default())].into_iter().chain(stored).collect();
    assert_eq!(effects, expected);
    entry
}

/// Declares a queue that must be there as it is wanted.
fn redeclare(vhost: &mut Vhost, connection: u64, wanted: QueueDeclaration) -> Arc<QueueEntry> {
    let mut effects = Vec::new();
    let entry = vhost.declare_queue(&actor(connection), wanted, &mut effects).unwrap();
    assert_eq!(effects, []);
    entry
}

/// What a declaration is refused with, which must have no effect.
fn queue_refused(vhost: &mut Vhost, connection: u64, wanted: QueueDeclaration) -> (ReplyCode, String) {
    let number = vhost.topology().number;
    let mut effects = Vec::new();
    let error: BrokerError = vhost.declare_queue(&actor(connection), wanted, &mut effects).unwrap_err();
    assert_eq!((effects, vhost.topology().number), (Vec::new(), number));
    (error.code(), error.to_string())
}

fn exchange_refused(vhost: &mut Vhost, wanted: ExchangeDeclaration) -> (ReplyCode, String) {
    let number = vhost.topology().number;
    let refused = told(vhost.declare_exchange(&actor(ANN), wanted, &mut Vec::new()));
    assert_eq!(vhost.topology().number, number);
    refused
}

fn told<T: std::fmt::Debug>(result: Result<T, ChannelError>) -> (ReplyCode, String) {
    let error = result.unwrap_err();
    (error.code(), error.to_string())
}

fn refusal(code: ReplyCode, text: &str) -> (ReplyCode, String) {
    (code, text.to_owned())
}

fn link(source: &str, destination_kind: ResourceKind, destination: &str, binding_key: &str) -> Link {
    Link {
        source: name(source),
        destination_kind,
        destination: name(destination),
        binding_key: name(binding_key),
        arguments: FieldTable::new(),
    }
}

fn to_queue(source: &str, destination: &str, binding_key: &str) -> Link {
    link(source, ResourceKind::Queue, destination, binding_key)
}

fn to_exchange(source: &str, destination: &str, binding_key: &str) -> Link {
    link(source, ResourceKind::Exchange, destination, binding_key)
}

fn bind(vhost: &mut Vhost, links: &[Link]) {
    for link in links {
        vhost.bind(&actor(ANN), link, &mut Vec::new()).unwrap();
    }
}

fn unbind(vhost: &mut Vhost, link: &Link) {
    vhost.unbind(&actor(ANN), link, &mut Vec::new()).unwrap();
}

fn remove(vhost: &mut Vhost, entry: &Arc<QueueEntry>) -> Vec<Effect> {
    let mut effects = Vec::new();
    vhost.remove_queue(entry, &mut effects);
    effects
}

fn routed(vhost: &Vhost, exchange: &str, routing_keys: &[&str]) -> Vec<String> {
    let routing_keys: Vec<&[u8]> = routing_keys.iter().map(|key| key.as_bytes()).collect();
    let envelope = Envelope { routing_keys: &routing_keys, headers: None, ..Envelope::default() };
    let route = vhost.topology().route(exchange.as_bytes(), &envelope);
    route.queues.iter().map(|entry| entry.name.to_string()).collect()
}

fn has_exchange(vhost: &Vhost, exchange: &str) -> bool {
    vhost.topology().exchange(exchange.as_bytes()).is_some()
}

const LOCKED: &str = "cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared \
                      on another connection or the exclusive property value does not match that of the original \
                      declaration.";
