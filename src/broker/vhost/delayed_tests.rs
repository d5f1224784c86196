//! Exchanges that delay: the queue that each keeps messages in comes and goes with it, and no client sees it.

use std::sync::Arc;

use leveret_protocol::{FieldTable, FieldValue, ShortString};

use super::{Definition, Effect, ExchangeDeclaration, Link, QueueDeclaration, Vhost};
use crate::broker::auth::{Actor, Permissions, User};
use crate::broker::error::ChannelError;
use crate::broker::exchange::Envelope;
use crate::broker::ids::{ConnectionId, QueueId};
use crate::broker::queue::{Hold, Settings};
use crate::broker::resource::ResourceKind;

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
    entries.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

fn routed_by(kind: &str) -> FieldTable {
    table(&[("x-delayed-type", FieldValue::text(kind))])
}

fn actor() -> Actor {
    Actor {
        connection: ConnectionId(1),
        user: Arc::new(User { name: name("guest"), tags: Vec::new() }),
        permissions: Arc::new(Permissions::parse(".*", ".*", ".*").unwrap()),
    }
}

fn declare(vhost: &mut Vhost, kind: &str, durable: bool, arguments: FieldTable) -> Result<Vec<Effect>, ChannelError> {
    let wanted = ExchangeDeclaration {
        name: name("later"),
        kind: name(kind),
        passive: false,
        durable,
        auto_delete: false,
        internal: false,
        arguments,
    };
    let mut effects = Vec::new();
    vhost.declare_exchange(&actor(), wanted, &mut effects).map(|()| effects)
}

/// A vhost with a spare id, 7.
fn vhost() -> Vhost {
    let mut vhost = Vhost::new(name("/"));
    assert!(vhost.wants_queue_id());
    vhost.provide(QueueId(7));
    vhost
}

fn bind(vhost: &mut Vhost, queue: &str, key: &str) -> Result<(), ChannelError> {
    let wanted = QueueDeclaration {
        name: name(queue),
        durable: true,
        exclusive: false,
        auto_delete: false,
        arguments: FieldTable::new(),
        id: QueueId(1),
        generated: String::new(),
    };
    vhost.declare_queue(&actor(), wanted, &mut Vec::new()).unwrap();
    let link = Link {
        source: name("later"),
        destination_kind: ResourceKind::Queue,
        destination: name(queue),
        binding_key: name(key),
        arguments: FieldTable::new(),
    };
    vhost.bind(&actor(), &link, &mut Vec::new())
}

/// The ids of the queues, and whether the message is delayed.
fn route(vhost: &Vhost, headers: &FieldTable) -> (Vec<u64>, bool) {
    let envelope = Envelope { routing_keys: &[b"k"], headers: Some(headers), ..Envelope::default() };
    let route = vhost.topology().route(b"later", &envelope);
    assert!(!route.delayed || route.varies, "the next one with these names may not be delayed");
    (route.queues.iter().map(|entry| entry.id.0).collect(), route.delayed)
}

#[test]
fn the_queue_comes_and_goes_with_the_exchange() {
    let mut vhost = vhost();
    let effects = declare(&mut vhost, "x-delayed-message", true, routed_by("direct")).unwrap();
    let [Effect::Stored(Definition::Exchange(stored)), Effect::QueueCreated(entry, settings)] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!((stored.delay_queue, entry.id, entry.durable), (Some(QueueId(7)), QueueId(7), true));
    assert_eq!(entry.name, stored.name, "by which it is found what its messages are routed by");
    assert_eq!(settings, &Settings { hold: Some(Hold::ForExchange), ..Settings::default() });
    assert!(vhost.wants_queue_id());
    assert!(vhost.topology().queue(b"later").is_none());
    assert_eq!(declare(&mut vhost, "x-delayed-message", true, routed_by("direct")), Ok(vec![]), "it is there");
    let mut effects = Vec::new();
    vhost.delete_exchange(&actor(), &name("later"), false, &mut effects).unwrap();
    assert!(effects.contains(&Effect::QueueRemoved(QueueId(7))), "{effects:?}");
}

#[test]
fn a_delayed_message_goes_to_that_queue_alone_and_others_as_ever() {
    let mut vhost = vhost();
    declare(&mut vhost, "x-delayed-message", true, routed_by("direct")).unwrap();
    bind(&mut vhost, "later", "k").unwrap();
    assert_eq!(route(&vhost, &table(&[("x-delay", FieldValue::I32(5))])), (vec![7], true));
    assert_eq!(route(&vhost, &table(&[("x-delay", FieldValue::I32(-5))])), (vec![1], false));
    assert_eq!(route(&vhost, &FieldTable::new()), (vec![1], false));
}

#[test]
fn an_exchange_of_another_type_delays_when_asked_to() {
    let delays = table(&[("x-delayed-exchange", FieldValue::Bool(true))]);
    let does_not = table(&[("x-delayed-exchange", FieldValue::Bool(false))]);
    for (arguments, expected) in [(delays, vec![7]), (does_not, vec![]), (FieldTable::new(), vec![])] {
        let mut vhost = vhost();
        declare(&mut vhost, "topic", false, arguments).unwrap();
        assert_eq!(route(&vhost, &table(&[("x-delay", FieldValue::I32(5))])).0, expected);
    }
}

#[test]
fn a_restored_exchange_has_its_queue_again() {
    let mut vhost = vhost();
    declare(&mut vhost, "x-delayed-message", true, routed_by("topic")).unwrap();
    bind(&mut vhost, "q", "#").unwrap();
    let mut restored = Vhost::restore(name("/"), vhost.definitions());
    let created: Vec<_> = restored
        .effects
        .iter()
        .filter_map(|effect| if let Effect::QueueCreated(entry, _) = effect { Some(entry.id.0) } else { None })
        .collect();
    assert_eq!(created, [7, 1]);
    assert_eq!(route(&restored.vhost, &table(&[("x-delay", FieldValue::I32(5))])), (vec![7], true));
    assert_eq!(route(&restored.vhost, &FieldTable::new()), (vec![1], false));
    assert!(restored.vhost.wants_queue_id());
    restored.vhost.provide(QueueId(8));
    assert_eq!(declare(&mut restored.vhost, "x-delayed-message", true, routed_by("topic")), Ok(vec![]));
}

#[test]
fn the_type_that_routes_has_its_say() {
    let refusal = |arguments| declare(&mut vhost(), "x-delayed-message", true, arguments).unwrap_err().to_string();
    let no_type = "Invalid argument, 'x-delayed-type' must be an existing exchange type";
    assert_eq!(refusal(FieldTable::new()), no_type);
    assert_eq!(refusal(table(&[("x-delayed-type", FieldValue::I32(1))])), no_type);
    let itself = "Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'";
    assert_eq!(refusal(routed_by("x-delayed-message")), itself);
    assert_eq!(refusal(routed_by("x")), "unknown exchange type 'x'");
    let hash = [("hash-header", FieldValue::text("h")), ("hash-property", FieldValue::text("message_id"))];
    let both = routed_by("x-consistent-hash").into_iter().chain(table(&hash)).collect();
    assert_eq!(refusal(both), "hash-header and hash-property are mutually exclusive");
    let mut vhost = vhost();
    declare(&mut vhost, "x-delayed-message", true, routed_by("x-consistent-hash")).unwrap();
    assert_eq!(bind(&mut vhost, "q", "k").unwrap_err().to_string(), "The binding key must be an integer: <<\"k\">>");
    assert_eq!(bind(&mut vhost, "q", "1"), Ok(()));
}
