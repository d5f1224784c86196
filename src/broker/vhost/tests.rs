//! What a vhost makes of declarations, bindings and their ends, with RabbitMQ's reply texts, and where it routes.

use std::sync::Arc;

use leveret_protocol::{FieldTable, FieldValue, ReplyCode, ShortString};

use super::{Definition, Effect, ExchangeDeclaration, Link, QueueDeclaration, Vhost, cleaned};
use crate::broker::auth::{Actor, Permission, Permissions, User};
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
    let envelope = Envelope { routing_keys: &routing_keys, headers: None };
    let route = vhost.topology().route(exchange.as_bytes(), &envelope);
    route.queues.iter().map(|entry| entry.name.to_string()).collect()
}

fn has_exchange(vhost: &Vhost, exchange: &str) -> bool {
    vhost.topology().exchange(exchange.as_bytes()).is_some()
}

const LOCKED: &str = "cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared \
                      on another connection or the exclusive property value does not match that of the original \
                      declaration.";

#[test]
fn begins_with_the_predeclared_exchanges() {
    let vhost = vhost();
    let expected = [
        ("", "direct", false),
        ("amq.direct", "direct", false),
        ("amq.fanout", "fanout", false),
        ("amq.topic", "topic", false),
        ("amq.match", "headers", false),
        ("amq.headers", "headers", false),
        ("amq.rabbitmq.trace", "topic", true),
    ];
    for (exchange, kind, internal) in expected {
        let exchange = vhost.topology().exchange(exchange.as_bytes()).unwrap();
        assert_eq!(
            (exchange.kind.name(), exchange.internal, exchange.durable, exchange.auto_delete),
            (kind, internal, true, false),
            "{}",
            exchange.name
        );
    }
}

#[test]
fn declaring_the_same_exchange_again_changes_nothing() {
    let mut vhost = vhost();
    let wanted = ExchangeDeclaration { durable: true, arguments: alternate("ae"), ..exchange("x", "topic") };
    declare(&mut vhost, wanted.clone());
    let number = vhost.topology().number;
    declare(&mut vhost, wanted);
    declare(&mut vhost, ExchangeDeclaration { durable: true, ..exchange("amq.topic", "topic") });
    assert_eq!(vhost.topology().number, number);
}

#[test]
fn an_exchange_that_differs_is_told_in_the_order_type_durable_auto_delete_internal_alternate() {
    let mut vhost = vhost();
    declare(&mut vhost, exchange("x", "direct"));
    let mut wanted = ExchangeDeclaration {
        durable: true,
        auto_delete: true,
        internal: true,
        arguments: alternate("ae"),
        ..exchange("x", "fanout")
    };
    let told = |difference: &str| {
        let text = format!("inequivalent arg {difference}");
        (ReplyCode::PreconditionFailed, text)
    };
    assert_eq!(
        exchange_refused(&mut vhost, wanted.clone()),
        told("'type' for exchange 'x' in vhost '/': received 'fanout' but current is 'direct'")
    );
    wanted.kind = name("direct");
    assert_eq!(
        exchange_refused(&mut vhost, wanted.clone()),
        told("'durable' for exchange 'x' in vhost '/': received 'true' but current is 'false'")
    );
    wanted.durable = false;
    assert_eq!(
        exchange_refused(&mut vhost, wanted.clone()),
        told("'auto_delete' for exchange 'x' in vhost '/': received 'true' but current is 'false'")
    );
    wanted.auto_delete = false;
    assert_eq!(
        exchange_refused(&mut vhost, wanted.clone()),
        told("'internal' for exchange 'x' in vhost '/': received 'true' but current is 'false'")
    );
    wanted.internal = false;
    assert_eq!(
        exchange_refused(&mut vhost, wanted),
        told(
            "'alternate-exchange' for exchange 'x' in vhost '/': received the value 'ae' of type 'longstr' but \
             current is none"
        )
    );
}

#[test]
fn an_alternate_exchange_that_differs_or_is_left_out_is_told() {
    let mut vhost = vhost();
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("one"), ..exchange("x", "direct") });
    assert_eq!(
        exchange_refused(&mut vhost, ExchangeDeclaration { arguments: alternate("two"), ..exchange("x", "direct") }),
        refusal(
            ReplyCode::PreconditionFailed,
            "inequivalent arg 'alternate-exchange' for exchange 'x' in vhost '/': received 'two' but current is 'one'"
        )
    );
    assert_eq!(
        exchange_refused(&mut vhost, exchange("x", "direct")),
        refusal(
            ReplyCode::PreconditionFailed,
            "inequivalent arg 'alternate-exchange' for exchange 'x' in vhost '/': received none but current is the \
             value 'one' of type 'longstr'"
        )
    );
}

#[test]
fn other_arguments_of_exchanges_are_not_compared() {
    let mut vhost = vhost();
    declare(&mut vhost, exchange("x", "direct"));
    let arguments = table(&[("x-colour", text("red"))]);
    declare(&mut vhost, ExchangeDeclaration { arguments, ..exchange("x", "direct") });
    assert!(vhost.topology().exchange(b"x").unwrap().arguments.is_empty(), "the old ones stay in force");
}

#[test]
fn refuses_exchanges_with_bad_types_names_and_alternates() {
    let mut vhost = vhost();
    assert_eq!(
        exchange_refused(&mut vhost, exchange("", "x-nope")),
        refusal(ReplyCode::PreconditionFailed, "unknown exchange type 'x-nope'")
    );
    assert_eq!(
        exchange_refused(&mut vhost, exchange("", "direct")),
        refusal(ReplyCode::AccessRefused, "operation not permitted on the default exchange")
    );
    assert_eq!(
        exchange_refused(&mut vhost, exchange("amq.mine", "direct")),
        refusal(ReplyCode::AccessRefused, "exchange name 'amq.mine' contains reserved prefix 'amq.*'")
    );
    let arguments = table(&[("alternate-exchange", FieldValue::I32(5))]);
    assert_eq!(
        exchange_refused(&mut vhost, ExchangeDeclaration { arguments, ..exchange("x", "direct") }),
        refusal(
            ReplyCode::PreconditionFailed,
            "invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'"
        )
    );
}

#[test]
fn an_alternate_exchange_needs_read_on_the_exchange_and_write_on_the_alternate() {
    let mut vhost = vhost();
    let wanted = ExchangeDeclaration { arguments: alternate("ae"), ..exchange("x", "direct") };
    assert_eq!(
        told(vhost.declare_exchange(&permitted(ANN, ".*", ".*", ""), wanted.clone(), &mut Vec::new())),
        refusal(ReplyCode::AccessRefused, "read access to exchange 'x' in vhost '/' refused for user 'guest'")
    );
    assert_eq!(
        told(vhost.declare_exchange(&permitted(ANN, ".*", "", ".*"), wanted, &mut Vec::new())),
        refusal(ReplyCode::AccessRefused, "write access to exchange 'ae' in vhost '/' refused for user 'guest'")
    );
    assert_eq!(
        told(vhost.declare_exchange(&permitted(ANN, "", ".*", ".*"), exchange("x", "direct"), &mut Vec::new())),
        refusal(ReplyCode::AccessRefused, "configure access to exchange 'x' in vhost '/' refused for user 'guest'")
    );
    assert!(!has_exchange(&vhost, "x"));
}

#[test]
fn passive_exchange_declare_looks_at_the_name_alone() {
    let mut vhost = vhost();
    declare(&mut vhost, exchange("x", "direct"));
    let passive =
        |exchange_name: &str| ExchangeDeclaration { passive: true, durable: true, ..exchange(exchange_name, "") };
    declare(&mut vhost, passive("x"));
    assert_eq!(
        exchange_refused(&mut vhost, passive("y")),
        refusal(ReplyCode::NotFound, "no exchange 'y' in vhost '/'")
    );
    assert_eq!(
        exchange_refused(&mut vhost, passive("")),
        refusal(ReplyCode::AccessRefused, "operation not permitted on the default exchange")
    );
}

#[test]
fn exchange_delete_refuses_system_exchanges_and_used_ones_and_minds_no_missing_one() {
    let mut vhost = vhost();
    assert_eq!(
        told(vhost.delete_exchange(&actor(ANN), &name(""), false, &mut Vec::new())),
        refusal(ReplyCode::AccessRefused, "operation not permitted on the default exchange")
    );
    for system in ["amq.direct", "amq.missing"] {
        let expected = format!("deletion of system exchange '{system}' in vhost '/' not allowed");
        assert_eq!(
            told(vhost.delete_exchange(&actor(ANN), &name(system), false, &mut Vec::new())),
            (ReplyCode::AccessRefused, expected)
        );
    }
    assert_eq!(vhost.delete_exchange(&actor(ANN), &name("missing"), true, &mut Vec::new()), Ok(()));
    declare(&mut vhost, exchange("x", "fanout"));
    declare_new(&mut vhost, ANN, queue("q"));
    bind(&mut vhost, &[to_queue("x", "q", "")]);
    assert_eq!(
        told(vhost.delete_exchange(&actor(ANN), &name("x"), true, &mut Vec::new())),
        refusal(ReplyCode::PreconditionFailed, "exchange 'x' in vhost '/' in use")
    );
    assert_eq!(vhost.delete_exchange(&actor(ANN), &name("x"), false, &mut Vec::new()), Ok(()));
    assert!(!has_exchange(&vhost, "x"));
}

#[test]
fn an_exchange_declared_anew_has_none_of_the_old_bindings() {
    let mut vhost = vhost();
    for kind in ["fanout", "direct"] {
        declare(&mut vhost, exchange("x", kind));
        assert!(routed(&vhost, "x", &[""]).is_empty());
        if vhost.topology().queue(b"q").is_none() {
            declare_new(&mut vhost, ANN, queue("q"));
        }
        bind(&mut vhost, &[to_queue("x", "q", "")]);
        assert_eq!(routed(&vhost, "x", &[""]), ["q"]);
        vhost.delete_exchange(&actor(ANN), &name("x"), false, &mut Vec::new()).unwrap();
    }
}

#[test]
fn being_a_destination_is_no_use_of_an_exchange() {
    let mut vhost = vhost();
    declare(&mut vhost, exchange("x", "fanout"));
    bind(&mut vhost, &[to_exchange("amq.fanout", "x", "")]);
    assert_eq!(vhost.delete_exchange(&actor(ANN), &name("x"), true, &mut Vec::new()), Ok(()));
}

#[test]
fn declaring_the_same_queue_again_gives_the_queue_that_is_there() {
    let mut vhost = vhost();
    let arguments = table(&[("x-queue-version", FieldValue::I32(2)), ("x-mine", text("one"))]);
    let entry = declare_new(&mut vhost, ANN, QueueDeclaration { durable: true, arguments, ..queue("q") });
    let number = vhost.topology().number;
    let arguments = table(&[
        ("x-queue-version", FieldValue::I64(2)),
        ("x-queue-type", text("classic")),
        ("x-delivery-limit", FieldValue::I32(5)),
    ]);
    let again = QueueDeclaration { durable: true, arguments, id: QueueId(99), ..queue("q") };
    assert_eq!(redeclare(&mut vhost, BOB, again).id, entry.id);
    assert_eq!(vhost.topology().number, number);
}

#[test]
fn a_queue_that_differs_is_told() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, QueueDeclaration { durable: true, ..queue("q") });
    let wanted = |arguments: &[(&str, FieldValue)]| QueueDeclaration {
        durable: true,
        arguments: table(arguments),
        ..queue("q")
    };
    let cases = [
        (
            QueueDeclaration { durable: false, auto_delete: true, ..wanted(&[]) },
            "'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'",
        ),
        (
            QueueDeclaration { auto_delete: true, ..wanted(&[("x-expires", FieldValue::I32(1))]) },
            "'auto_delete' for queue 'q' in vhost '/': received 'true' but current is 'false'",
        ),
        (
            wanted(&[("x-message-ttl", FieldValue::I32(10))]),
            "'x-message-ttl' for queue 'q' in vhost '/': received the value '10' of type 'signedint' but current is \
             none",
        ),
        (
            wanted(&[("x-max-length", text("a"))]),
            "'x-max-length' for queue 'q' in vhost '/': received the value 'a' of type 'longstr' but current is none",
        ),
        (
            wanted(&[("x-queue-type", text("quorum"))]),
            "'x-queue-type' for queue 'q' in vhost '/': received 'quorum' but current is 'classic'",
        ),
        (
            wanted(&[("x-queue-type", FieldValue::I32(5))]),
            "'x-queue-type' for queue 'q' in vhost '/': received '5' but current is 'classic'",
        ),
    ];
    for (wanted, difference) in cases {
        let expected = format!("inequivalent arg {difference}");
        assert_eq!(queue_refused(&mut vhost, BOB, wanted), (ReplyCode::PreconditionFailed, expected));
    }
}

#[test]
fn an_argument_that_differs_or_is_left_out_is_told_with_its_value() {
    let mut vhost = vhost();
    let mode = |value: FieldValue| QueueDeclaration { arguments: table(&[("x-queue-mode", value)]), ..queue("q") };
    declare_new(&mut vhost, ANN, mode(text("lazy")));
    assert_eq!(
        queue_refused(&mut vhost, ANN, mode(FieldValue::F64(10.0))),
        refusal(
            ReplyCode::PreconditionFailed,
            "inequivalent arg 'x-queue-mode' for queue 'q' in vhost '/': received '10.0' but current is 'lazy'"
        )
    );
    assert_eq!(
        queue_refused(&mut vhost, ANN, queue("q")),
        refusal(
            ReplyCode::PreconditionFailed,
            "inequivalent arg 'x-queue-mode' for queue 'q' in vhost '/': received none but current is the value \
             'lazy' of type 'longstr'"
        )
    );
}

#[test]
fn an_integer_differs_from_a_float_of_the_same_worth_and_not_from_another_tag() {
    let mut vhost = vhost();
    let mode = |value: FieldValue| QueueDeclaration { arguments: table(&[("x-queue-mode", value)]), ..queue("q") };
    declare_new(&mut vhost, ANN, mode(FieldValue::I32(10)));
    redeclare(&mut vhost, ANN, mode(FieldValue::U8(10)));
    assert_eq!(
        queue_refused(&mut vhost, ANN, mode(FieldValue::F64(10.0))),
        refusal(
            ReplyCode::PreconditionFailed,
            "inequivalent arg 'x-queue-mode' for queue 'q' in vhost '/': received '10.0' but current is '10'"
        )
    );
}

#[test]
fn floats_of_the_same_worth_are_equal_whatever_their_tags() {
    let mut vhost = vhost();
    let mode = |value: FieldValue| QueueDeclaration { arguments: table(&[("x-queue-mode", value)]), ..queue("q") };
    declare_new(&mut vhost, ANN, mode(FieldValue::F32(1.5)));
    redeclare(&mut vhost, ANN, mode(FieldValue::F64(1.5)));
}

#[test]
fn reserved_queue_names_are_refused_also_when_the_queue_is_there() {
    let mut vhost = vhost();
    let entry = declare_new(&mut vhost, ANN, queue(""));
    assert_eq!(entry.name, "amq.gen-0123456789012345678901");
    for reserved in ["amq.gen-0123456789012345678901", "amq.mine"] {
        let expected = format!("queue name '{reserved}' contains reserved prefix 'amq.*'");
        assert_eq!(queue_refused(&mut vhost, ANN, queue(reserved)), (ReplyCode::AccessRefused, expected));
    }
    assert_eq!(vhost.find_queue(&actor(ANN), &entry.name), Ok(entry));
}

#[test]
fn a_generated_name_takes_the_prefix_that_is_asked_for() {
    let mut vhost = vhost();
    let arguments = table(&[("x-name-prefix", text("mine"))]);
    let entry = declare_new(&mut vhost, ANN, QueueDeclaration { arguments, ..queue("\r\n") });
    assert_eq!(entry.name, "mine-0123456789012345678901");
}

#[test]
fn a_new_queue_with_a_bad_argument_is_not_made() {
    let mut vhost = vhost();
    let wanted = |arguments: &[(&str, FieldValue)]| QueueDeclaration { arguments: table(arguments), ..queue("q") };
    assert_eq!(
        queue_refused(&mut vhost, ANN, wanted(&[("x-max-length", text("a"))])),
        refusal(
            ReplyCode::PreconditionFailed,
            "invalid arg 'x-max-length' for queue 'q' in vhost '/': \"expected integer, got longstr\""
        )
    );
    assert_eq!(
        queue_refused(&mut vhost, ANN, wanted(&[("x-dead-letter-exchange", FieldValue::I32(1))])),
        refusal(
            ReplyCode::PreconditionFailed,
            "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'"
        )
    );
    assert_eq!(vhost.topology().queue(b"q"), None);
}

#[test]
fn a_dead_letter_exchange_needs_read_on_the_queue_and_write_on_the_exchange() {
    let mut vhost = vhost();
    let arguments = table(&[("x-dead-letter-exchange", text("dlx"))]);
    let wanted = QueueDeclaration { arguments, ..queue("q") };
    let mut effects = Vec::new();
    let mut refused = |actor: &Actor| {
        vhost.declare_queue(actor, wanted.clone(), &mut effects).map_err(|error| error.to_string()).unwrap_err()
    };
    assert_eq!(
        refused(&permitted(ANN, ".*", ".*", "")),
        "read access to queue 'q' in vhost '/' refused for user 'guest'"
    );
    assert_eq!(
        refused(&permitted(ANN, ".*", "", ".*")),
        "write access to exchange 'dlx' in vhost '/' refused for user 'guest'"
    );
    assert_eq!(
        refused(&permitted(ANN, "", ".*", ".*")),
        "configure access to queue 'q' in vhost '/' refused for user 'guest'"
    );
    assert_eq!(effects, []);
}

#[test]
fn passive_queue_declare_gives_the_queue_or_404() {
    let mut vhost = vhost();
    let entry = declare_new(&mut vhost, ANN, queue("q"));
    assert_eq!(vhost.find_queue(&actor(BOB), &name("q")), Ok(entry));
    assert_eq!(
        told(vhost.find_queue(&actor(BOB), &name("nope"))),
        refusal(ReplyCode::NotFound, "no queue 'nope' in vhost '/'")
    );
}

#[test]
fn an_exclusive_queue_is_locked_for_other_connections_but_takes_messages() {
    let mut vhost = vhost();
    declare(&mut vhost, exchange("x", "fanout"));
    let exclusive = || QueueDeclaration { exclusive: true, ..queue("q") };
    declare_new(&mut vhost, ANN, exclusive());
    bind(&mut vhost, &[to_queue("x", "q", "")]);
    let locked = refusal(ReplyCode::ResourceLocked, LOCKED);
    let bob = actor(BOB);
    assert_eq!(queue_refused(&mut vhost, BOB, exclusive()), locked);
    assert_eq!(queue_refused(&mut vhost, BOB, queue("q")), locked);
    assert_eq!(told(vhost.find_queue(&bob, &name("q"))), locked);
    assert_eq!(told(vhost.queue_to_delete(&bob, &name("q"))), locked);
    assert_eq!(told(vhost.bind(&bob, &to_queue("x", "q", "k"), &mut Vec::new())), locked);
    assert_eq!(told(vhost.unbind(&bob, &to_queue("x", "q", ""), &mut Vec::new())), locked);
    assert_eq!(told(vhost.topology().access_queue(&bob, &name("q"), Permission::Read)), locked);
    assert_eq!(routed(&vhost, "x", &[""]), ["q"]);
    assert_eq!(routed(&vhost, "", &["q"]), ["q"]);
}

#[test]
fn the_exclusive_flag_must_match_in_both_directions() {
    let mut vhost = vhost();
    let exclusive = |queue_name| QueueDeclaration { exclusive: true, ..queue(queue_name) };
    declare_new(&mut vhost, ANN, exclusive("q"));
    assert_eq!(queue_refused(&mut vhost, ANN, queue("q")), refusal(ReplyCode::ResourceLocked, LOCKED));
    declare_new(&mut vhost, ANN, queue("p"));
    let expected = LOCKED.replace("'q'", "'p'");
    assert_eq!(queue_refused(&mut vhost, ANN, exclusive("p")), (ReplyCode::ResourceLocked, expected));
}

#[test]
fn an_exclusive_queue_is_never_durable_whatever_the_flag_says() {
    let mut vhost = vhost();
    let wanted = |durable| QueueDeclaration { exclusive: true, durable, ..queue("q") };
    assert!(!declare_new(&mut vhost, ANN, wanted(true)).durable);
    redeclare(&mut vhost, ANN, wanted(true));
    redeclare(&mut vhost, ANN, wanted(false));
}

#[test]
fn the_end_of_a_connection_removes_its_exclusive_queues_alone() {
    let mut vhost = vhost();
    declare(&mut vhost, ExchangeDeclaration { auto_delete: true, ..exchange("x", "fanout") });
    for (connection, exclusive, queue_name) in [(ANN, true, "b"), (ANN, true, "a"), (ANN, false, "c"), (BOB, true, "d")]
    {
        declare_new(&mut vhost, connection, QueueDeclaration { exclusive, ..queue(queue_name) });
    }
    bind(&mut vhost, &[to_queue("x", "a", "")]);
    let mut effects = Vec::new();
    vhost.connection_ended(ConnectionId(ANN), &mut effects);
    let removed = |queue_name: &str| Effect::QueueRemoved(queue(queue_name).id);
    assert_eq!(effects, [removed("a"), removed("b")]);
    assert!(!has_exchange(&vhost, "x"), "it lost its last binding");
    assert_eq!(routed(&vhost, "", &["a", "b", "c", "d"]), ["c", "d"]);
    effects.clear();
    vhost.connection_ended(ConnectionId(ANN), &mut effects);
    assert_eq!(effects, []);
}

#[test]
fn an_exclusive_queue_that_was_deleted_does_not_go_again_with_its_connection() {
    let mut vhost = vhost();
    let entry = declare_new(&mut vhost, ANN, QueueDeclaration { exclusive: true, ..queue("q") });
    assert_eq!(remove(&mut vhost, &entry), [Effect::QueueRemoved(entry.id)]);
    declare_new(&mut vhost, ANN, QueueDeclaration { id: QueueId(7), ..queue("q") });
    let mut effects = Vec::new();
    vhost.connection_ended(ConnectionId(ANN), &mut effects);
    assert_eq!(effects, []);
    assert_eq!(routed(&vhost, "", &["q"]), ["q"]);
}

#[test]
fn removing_a_queue_leaves_a_newer_one_of_its_name_alone() {
    let mut vhost = vhost();
    let old = declare_new(&mut vhost, ANN, queue("q"));
    assert_eq!(remove(&mut vhost, &old), [Effect::QueueRemoved(old.id)]);
    assert_eq!(remove(&mut vhost, &old), []);
    let new = declare_new(&mut vhost, ANN, QueueDeclaration { id: QueueId(7), ..queue("q") });
    assert_eq!(remove(&mut vhost, &old), []);
    assert_eq!(vhost.queue_to_delete(&actor(ANN), &name("q")), Ok(Some(new)));
}

#[test]
fn deleting_a_queue_that_is_not_there_is_no_error() {
    assert_eq!(vhost().queue_to_delete(&actor(ANN), &name("q")), Ok(None));
}

#[test]
fn a_removed_queue_takes_its_bindings_along() {
    let mut vhost = vhost();
    let entry = declare_new(&mut vhost, ANN, queue("q"));
    bind(&mut vhost, &[to_queue("amq.topic", "q", "a.*"), to_queue("amq.direct", "q", "k")]);
    assert_eq!(remove(&mut vhost, &entry), [Effect::QueueRemoved(entry.id)]);
    declare_new(&mut vhost, ANN, queue("q"));
    assert!(routed(&vhost, "amq.topic", &["a.b"]).is_empty());
    assert!(routed(&vhost, "amq.direct", &["k"]).is_empty());
}

#[test]
fn an_auto_delete_exchange_goes_with_its_last_binding_and_takes_its_sources_along() {
    let mut vhost = vhost();
    let auto_delete = |exchange_name| ExchangeDeclaration { auto_delete: true, ..exchange(exchange_name, "fanout") };
    for exchange_name in ["top", "middle", "bottom", "idle"] {
        declare(&mut vhost, auto_delete(exchange_name));
    }
    declare(&mut vhost, exchange("lasting", "fanout"));
    let entry = declare_new(&mut vhost, ANN, queue("q"));
    bind(
        &mut vhost,
        &[
            to_exchange("top", "middle", ""),
            to_exchange("middle", "bottom", ""),
            to_exchange("lasting", "bottom", ""),
            to_exchange("lasting", "idle", ""),
            to_queue("bottom", "q", "one"),
            to_queue("bottom", "q", "two"),
        ],
    );
    unbind(&mut vhost, &to_queue("bottom", "q", "one"));
    assert!(has_exchange(&vhost, "bottom"), "one binding is left");
    assert_eq!(remove(&mut vhost, &entry), [Effect::QueueRemoved(entry.id)]);
    for exchange_name in ["top", "middle", "bottom"] {
        assert!(!has_exchange(&vhost, exchange_name), "{exchange_name}");
    }
    assert!(has_exchange(&vhost, "lasting"));
    assert!(has_exchange(&vhost, "idle"), "it never was a source");
}

#[test]
fn deleting_an_exchange_removes_auto_delete_exchanges_that_led_to_it_alone() {
    let mut vhost = vhost();
    declare(&mut vhost, ExchangeDeclaration { auto_delete: true, ..exchange("source", "fanout") });
    declare(&mut vhost, ExchangeDeclaration { auto_delete: true, ..exchange("destination", "fanout") });
    declare(&mut vhost, exchange("x", "fanout"));
    bind(&mut vhost, &[to_exchange("source", "x", ""), to_exchange("x", "destination", "")]);
    vhost.delete_exchange(&actor(ANN), &name("x"), false, &mut Vec::new()).unwrap();
    assert!(!has_exchange(&vhost, "source"));
    assert!(has_exchange(&vhost, "destination"));
}

#[test]
fn auto_delete_exchanges_in_a_cycle_end_together() {
    let mut vhost = vhost();
    for exchange_name in ["a", "b"] {
        declare(&mut vhost, ExchangeDeclaration { auto_delete: true, ..exchange(exchange_name, "fanout") });
    }
    bind(&mut vhost, &[to_exchange("a", "b", ""), to_exchange("b", "a", ""), to_exchange("a", "a", "")]);
    vhost.delete_exchange(&actor(ANN), &name("a"), false, &mut Vec::new()).unwrap();
    assert!(!has_exchange(&vhost, "a"));
    assert!(!has_exchange(&vhost, "b"));
}

#[test]
fn bind_tells_what_is_missing_the_source_first() {
    let mut vhost = vhost();
    let told_of = |vhost: &mut Vhost, link: &Link| told(vhost.bind(&actor(ANN), link, &mut Vec::new()));
    assert_eq!(
        told_of(&mut vhost, &to_queue("x", "q", "")),
        refusal(ReplyCode::NotFound, "no exchange 'x' in vhost '/'")
    );
    assert_eq!(
        told_of(&mut vhost, &to_queue("amq.direct", "q", "")),
        refusal(ReplyCode::NotFound, "no queue 'q' in vhost '/'")
    );
    assert_eq!(
        told_of(&mut vhost, &to_exchange("amq.direct", "y", "")),
        refusal(ReplyCode::NotFound, "no exchange 'y' in vhost '/'")
    );
}

#[test]
fn bind_and_unbind_refuse_the_default_exchange_and_reply_queues() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    let default = refusal(ReplyCode::AccessRefused, "operation not permitted on the default exchange");
    for link in [to_queue("", "q", "q"), to_exchange("", "amq.direct", ""), to_exchange("amq.direct", "", "")] {
        assert_eq!(told(vhost.bind(&actor(ANN), &link, &mut Vec::new())), default);
        assert_eq!(told(vhost.unbind(&actor(ANN), &link, &mut Vec::new())), default);
    }
    let link = to_queue("amq.direct", "amq.rabbitmq.reply-to.0123456789012345678901", "");
    let expected = refusal(ReplyCode::AccessRefused, "cannot bind or unbind to a volatile (direct reply-to) queue");
    assert_eq!(told(vhost.bind(&actor(ANN), &link, &mut Vec::new())), expected);
    assert_eq!(told(vhost.unbind(&actor(ANN), &link, &mut Vec::new())), expected);
}

#[test]
fn a_binding_that_makes_no_sense_is_told_before_a_locked_queue() {
    let mut vhost = vhost();
    declare_new(&mut vhost, BOB, QueueDeclaration { exclusive: true, ..queue("q") });
    let senseless = Link { arguments: table(&[("x-match", text("some"))]), ..to_queue("amq.headers", "q", "") };
    assert_eq!(told(vhost.bind(&actor(ANN), &senseless, &mut Vec::new())).0, ReplyCode::PreconditionFailed);
    assert_eq!(
        told(vhost.bind(&actor(ANN), &to_queue("amq.headers", "q", ""), &mut Vec::new())).0,
        ReplyCode::ResourceLocked
    );
}

#[test]
fn the_bare_name_of_direct_reply_to_is_no_queue_to_bind() {
    let mut vhost = vhost();
    let link = to_queue("amq.direct", "amq.rabbitmq.reply-to", "");
    let expected = refusal(ReplyCode::NotFound, "no queue 'amq.rabbitmq.reply-to' in vhost '/'");
    assert_eq!(told(vhost.bind(&actor(ANN), &link, &mut Vec::new())), expected);
    assert_eq!(vhost.unbind(&actor(ANN), &link, &mut Vec::new()), Ok(()));
}

#[test]
fn bind_and_unbind_need_write_on_the_destination_and_read_on_the_source() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    let link = to_queue("amq.direct", "q", "");
    let no_write = permitted(ANN, ".*", "", ".*");
    let expected = refusal(ReplyCode::AccessRefused, "write access to queue 'q' in vhost '/' refused for user 'guest'");
    assert_eq!(told(vhost.bind(&no_write, &link, &mut Vec::new())), expected);
    assert_eq!(told(vhost.unbind(&no_write, &link, &mut Vec::new())), expected);
    let no_read = permitted(ANN, ".*", ".*", "");
    let expected =
        refusal(ReplyCode::AccessRefused, "read access to exchange 'amq.direct' in vhost '/' refused for user 'guest'");
    assert_eq!(told(vhost.bind(&no_read, &link, &mut Vec::new())), expected);
    assert_eq!(told(vhost.unbind(&no_read, &link, &mut Vec::new())), expected);
}

#[test]
fn bind_asks_the_exchange_type_about_the_arguments() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    let link = Link { arguments: table(&[("x-match", text("some"))]), ..to_queue("amq.headers", "q", "") };
    assert_eq!(
        told(vhost.bind(&actor(ANN), &link, &mut Vec::new())),
        refusal(
            ReplyCode::PreconditionFailed,
            "Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or any-with-x"
        )
    );
}

#[test]
fn binding_again_changes_nothing_and_arguments_in_another_order_are_the_same_binding() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    let (one, two) = (("one", FieldValue::I32(1)), ("two", FieldValue::I32(2)));
    let with =
        |arguments: &[(&str, FieldValue)]| Link { arguments: table(arguments), ..to_queue("amq.direct", "q", "k") };
    bind(&mut vhost, &[with(&[one.clone(), two.clone()])]);
    let number = vhost.topology().number;
    bind(&mut vhost, &[with(&[two.clone(), one.clone()])]);
    assert_eq!(vhost.topology().number, number);
    unbind(&mut vhost, &with(&[two, one]));
    assert!(routed(&vhost, "amq.direct", &["k"]).is_empty());
}

#[test]
fn unbind_wants_key_and_arguments_to_match() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    let plain = to_queue("amq.direct", "q", "k");
    let with_arguments = Link { arguments: table(&[("n", FieldValue::I32(1))]), ..plain.clone() };
    bind(&mut vhost, &[plain.clone(), with_arguments.clone()]);
    let number = vhost.topology().number;
    unbind(&mut vhost, &to_queue("amq.direct", "q", "other"));
    unbind(&mut vhost, &Link { arguments: table(&[("n", FieldValue::I32(2))]), ..plain.clone() });
    assert_eq!(vhost.topology().number, number);
    unbind(&mut vhost, &plain);
    assert_eq!(routed(&vhost, "amq.direct", &["k"]), ["q"], "the one with arguments is left");
    unbind(&mut vhost, &with_arguments);
    assert!(routed(&vhost, "amq.direct", &["k"]).is_empty());
}

#[test]
fn unbinding_what_is_not_there_is_no_error() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    let number = vhost.topology().number;
    for link in [
        to_queue("missing", "q", ""),
        to_queue("amq.direct", "missing", ""),
        to_queue("amq.direct", "q", "missing"),
        to_exchange("amq.direct", "missing", ""),
    ] {
        unbind(&mut vhost, &link);
    }
    assert_eq!(vhost.topology().number, number);
}

#[test]
fn a_published_topology_stays_as_it_was() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    bind(&mut vhost, &[to_queue("amq.direct", "q", "k")]);
    let before = vhost.topology().clone();
    unbind(&mut vhost, &to_queue("amq.direct", "q", "k"));
    let envelope = Envelope { routing_keys: &[b"k"], headers: None };
    assert_eq!(before.route(b"amq.direct", &envelope).queues.len(), 1);
    assert!(vhost.topology().number > before.number);
}

#[test]
fn the_default_exchange_routes_by_queue_name() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("a"));
    declare_new(&mut vhost, ANN, queue("b"));
    assert_eq!(routed(&vhost, "", &["b", "missing", "a", "b"]), ["b", "a"]);
    assert!(routed(&vhost, "missing", &["a"]).is_empty());
}

#[test]
fn a_queue_bound_several_times_gets_one_copy() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    declare(&mut vhost, exchange("x", "fanout"));
    bind(
        &mut vhost,
        &[
            to_queue("amq.topic", "q", "#"),
            to_queue("amq.topic", "q", "a.*"),
            to_exchange("amq.topic", "x", "a.#"),
            to_queue("x", "q", ""),
        ],
    );
    assert_eq!(routed(&vhost, "amq.topic", &["a.b", "c"]), ["q"]);
}

#[test]
fn every_exchange_on_the_way_matches_with_the_same_routing_key() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("a"));
    declare_new(&mut vhost, ANN, queue("b"));
    bind(
        &mut vhost,
        &[
            to_exchange("amq.fanout", "amq.topic", "ignored"),
            to_exchange("amq.topic", "amq.direct", "x.*"),
            to_queue("amq.direct", "a", "x.y"),
            to_queue("amq.direct", "b", "x.z"),
        ],
    );
    assert_eq!(routed(&vhost, "amq.fanout", &["x.y"]), ["a"]);
}

#[test]
fn cycles_of_exchange_bindings_end() {
    let mut vhost = vhost();
    for exchange_name in ["a", "b", "c"] {
        declare(&mut vhost, exchange(exchange_name, "fanout"));
    }
    declare_new(&mut vhost, ANN, queue("q"));
    bind(
        &mut vhost,
        &[
            to_exchange("a", "b", ""),
            to_exchange("b", "c", ""),
            to_exchange("c", "a", ""),
            to_exchange("c", "c", ""),
            to_queue("c", "q", ""),
        ],
    );
    for exchange_name in ["a", "b", "c"] {
        assert_eq!(routed(&vhost, exchange_name, &[""]), ["q"]);
    }
}

#[test]
fn an_alternate_exchange_gets_what_its_exchange_cannot_route() {
    let mut vhost = vhost();
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("ae"), ..exchange("x", "direct") });
    declare_new(&mut vhost, ANN, queue("q"));
    declare_new(&mut vhost, ANN, queue("unrouted"));
    bind(&mut vhost, &[to_queue("x", "q", "k")]);
    assert!(routed(&vhost, "x", &["other"]).is_empty(), "the alternate exchange is not there yet");
    declare(&mut vhost, exchange("ae", "fanout"));
    bind(&mut vhost, &[to_queue("ae", "unrouted", "")]);
    assert_eq!(routed(&vhost, "x", &["other"]), ["unrouted"]);
    assert_eq!(routed(&vhost, "x", &["k"]), ["q"]);
    assert_eq!(routed(&vhost, "x", &["other", "k"]), ["q"], "one key of several is enough");
}

#[test]
fn alternate_exchanges_are_asked_per_exchange_on_the_way() {
    let mut vhost = vhost();
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("second"), ..exchange("first", "direct") });
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("third"), ..exchange("second", "direct") });
    declare(&mut vhost, exchange("third", "fanout"));
    declare_new(&mut vhost, ANN, queue("q"));
    bind(&mut vhost, &[to_queue("third", "q", ""), to_exchange("amq.fanout", "second", "")]);
    assert_eq!(routed(&vhost, "first", &["k"]), ["q"]);
    assert_eq!(routed(&vhost, "amq.fanout", &["k"]), ["q"]);
}

#[test]
fn a_binding_to_an_exchange_counts_as_routed_even_when_nothing_is_bound_to_that() {
    let mut vhost = vhost();
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("ae"), ..exchange("x", "direct") });
    declare(&mut vhost, exchange("ae", "fanout"));
    declare(&mut vhost, exchange("empty", "fanout"));
    declare_new(&mut vhost, ANN, queue("q"));
    bind(&mut vhost, &[to_queue("ae", "q", ""), to_exchange("x", "empty", "k")]);
    assert!(routed(&vhost, "x", &["k"]).is_empty());
    assert_eq!(routed(&vhost, "x", &["other"]), ["q"]);
}

#[test]
fn cycles_of_alternate_exchanges_end() {
    let mut vhost = vhost();
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("b"), ..exchange("a", "direct") });
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("a"), ..exchange("b", "direct") });
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("self"), ..exchange("self", "direct") });
    for exchange_name in ["a", "b", "self"] {
        assert!(routed(&vhost, exchange_name, &["k"]).is_empty());
    }
}

#[test]
fn a_route_tells_whether_headers_had_a_say() {
    let mut vhost = vhost();
    bind(&mut vhost, &[to_exchange("amq.fanout", "amq.headers", "")]);
    let envelope = Envelope { routing_keys: &[b"k"], headers: None };
    assert!(vhost.topology().route(b"amq.fanout", &envelope).reads_headers);
    assert!(!vhost.topology().route(b"amq.direct", &envelope).reads_headers);
}

#[test]
fn line_ends_are_taken_out_of_names() {
    assert_eq!(cleaned(&name("\r\na\rb\nc\r\n")), name("abc"));
    assert_eq!(cleaned(&name("a b\t")), name("a b\t"));
    let mut vhost = vhost();
    declare(&mut vhost, exchange("x\r\n", "fanout"));
    declare(&mut vhost, ExchangeDeclaration { passive: true, ..exchange("\rx", "") });
    let entry = declare_new(&mut vhost, ANN, QueueDeclaration { name: name("\nq\r"), ..queue("q") });
    assert_eq!(entry.name, "q");
    assert_eq!(vhost.find_queue(&actor(ANN), &name("q\n")), Ok(Arc::clone(&entry)));
    bind(&mut vhost, &[to_queue("x\n", "q\n", "")]);
    assert_eq!(routed(&vhost, "x", &[""]), ["q"]);
    assert!(routed(&vhost, "x\n", &[""]).is_empty(), "publishing takes names as they are");
    unbind(&mut vhost, &to_queue("\nx", "\nq", ""));
    assert!(routed(&vhost, "x", &[""]).is_empty());
    assert_eq!(vhost.queue_to_delete(&actor(ANN), &name("q\r")), Ok(Some(entry)));
    vhost.delete_exchange(&actor(ANN), &name("x\r"), false, &mut Vec::new()).unwrap();
    assert!(!has_exchange(&vhost, "x"));
}

#[test]
fn line_ends_do_not_hide_reserved_and_default_names() {
    let mut vhost = vhost();
    assert_eq!(
        exchange_refused(&mut vhost, exchange("\r\n", "direct")),
        refusal(ReplyCode::AccessRefused, "operation not permitted on the default exchange")
    );
    assert_eq!(
        queue_refused(&mut vhost, ANN, queue("a\nmq.q")),
        refusal(ReplyCode::AccessRefused, "queue name 'amq.q' contains reserved prefix 'amq.*'")
    );
}
