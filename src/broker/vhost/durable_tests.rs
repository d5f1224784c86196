//! What a vhost tells to be stored and forgotten, and the vhost that is made of what is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use leveret_protocol::{FieldTable, FieldValue, ShortString};
use proptest::prelude::*;

use super::{Definition, Effect, ExchangeDeclaration, ExchangeDefinition, Link, QueueDeclaration, Vhost};
use crate::broker::auth::{Actor, Permissions, User};
use crate::broker::exchange::{Destination, Envelope, ExchangeType, Memory};
use crate::broker::ids::{ConnectionId, QueueId};
use crate::broker::policy::{ApplyTo, Pattern, Policy, PolicyKind};
use crate::broker::queue::{QueueEntry, Settings};
use crate::broker::resource::ResourceKind;

const DURABLE: bool = true;
const TRANSIENT: bool = false;

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn actor(connection: u64) -> Actor {
    Actor {
        connection: ConnectionId(connection),
        user: Arc::new(User { name: name("guest"), tags: Vec::new() }),
        permissions: Arc::new(Permissions::parse(".*", ".*", ".*").unwrap()),
    }
}

fn exchange(exchange: &str, kind: &str, durable: bool) -> ExchangeDeclaration {
    ExchangeDeclaration {
        name: name(exchange),
        kind: name(kind),
        passive: false,
        durable,
        auto_delete: false,
        internal: false,
        arguments: FieldTable::new(),
    }
}

fn queue(queue: &str, durable: bool) -> QueueDeclaration {
    QueueDeclaration {
        name: name(queue),
        durable,
        exclusive: false,
        auto_delete: false,
        arguments: FieldTable::new(),
        id: QueueId(queue.bytes().last().unwrap_or_default().into()),
        generated: "0123456789012345678901".to_owned(),
    }
}

fn link(source: &str, destination_kind: ResourceKind, destination: &str) -> Link {
    Link {
        source: name(source),
        destination_kind,
        destination: name(destination),
        binding_key: name("k"),
        arguments: FieldTable::new(),
    }
}

fn to_queue(source: &str, destination: &str) -> Link {
    link(source, ResourceKind::Queue, destination)
}

fn to_exchange(source: &str, destination: &str) -> Link {
    link(source, ResourceKind::Exchange, destination)
}

/// A vhost whose effects are kept.
struct Subject {
    vhost: Vhost,
    effects: Vec<Effect>,
}

impl Subject {
    fn new() -> Self {
        Self { vhost: Vhost::new(name("/")), effects: Vec::new() }
    }

    fn exchange(&mut self, wanted: ExchangeDeclaration) {
        self.vhost.declare_exchange(&actor(1), wanted, &mut self.effects).unwrap();
    }

    fn queue(&mut self, wanted: QueueDeclaration) -> Arc<QueueEntry> {
        self.vhost.declare_queue(&actor(1), wanted, &mut self.effects).unwrap()
    }

    fn bind(&mut self, link: &Link) {
        self.vhost.bind(&actor(1), link, &mut self.effects).unwrap();
    }

    fn unbind(&mut self, link: &Link) {
        self.vhost.unbind(&actor(1), link, &mut self.effects).unwrap();
    }

    fn delete_exchange(&mut self, exchange: &str) {
        self.vhost.delete_exchange(&actor(1), &name(exchange), false, &mut self.effects).unwrap();
    }

    fn remove_queue(&mut self, entry: &Arc<QueueEntry>) {
        self.vhost.remove_queue(entry, &mut self.effects);
    }

    fn told(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

fn stored_exchange(exchange: &str) -> Definition {
    Definition::Exchange(ExchangeDefinition {
        name: name(exchange),
        kind: ExchangeType::Fanout,
        auto_delete: false,
        internal: false,
        arguments: FieldTable::new(),
        delay_queue: None,
        key_queue: None,
    })
}

fn auto_delete(definition: Definition) -> Definition {
    let Definition::Exchange(exchange) = definition else { panic!("{definition:?} is no exchange") };
    Definition::Exchange(ExchangeDefinition { auto_delete: true, ..exchange })
}

#[test]
fn durable_objects_are_stored_once_and_transient_ones_never() {
    let mut subject = Subject::new();
    subject.exchange(exchange("x", "fanout", DURABLE));
    subject.exchange(exchange("x", "fanout", DURABLE));
    subject.exchange(exchange("y", "fanout", TRANSIENT));
    assert_eq!(subject.told(), [Effect::Stored(stored_exchange("x"))]);
    let durable = subject.queue(queue("q", DURABLE));
    subject.queue(queue("q", DURABLE));
    let transient = subject.queue(queue("t", TRANSIENT));
    assert_eq!(
        subject.told(),
        [
            Effect::QueueCreated(Arc::clone(&durable), Settings::default()),
            Effect::Stored(Definition::Queue(Arc::clone(&durable))),
            Effect::QueueCreated(Arc::clone(&transient), Settings::default()),
        ]
    );
    subject.remove_queue(&transient);
    subject.remove_queue(&durable);
    subject.delete_exchange("x");
    subject.delete_exchange("y");
    assert_eq!(
        subject.told(),
        [
            Effect::QueueRemoved(transient.id),
            Effect::Forgotten(Definition::Queue(Arc::clone(&durable))),
            Effect::QueueRemoved(durable.id),
            Effect::Forgotten(stored_exchange("x")),
        ]
    );
}

#[test]
fn an_exclusive_queue_is_never_stored() {
    let mut subject = Subject::new();
    let entry = subject.queue(QueueDeclaration { exclusive: true, ..queue("q", DURABLE) });
    subject.bind(&to_queue("amq.fanout", "q"));
    subject.vhost.connection_ended(ConnectionId(1), &mut subject.effects);
    assert_eq!(
        subject.told(),
        [Effect::QueueCreated(Arc::clone(&entry), Settings::default()), Effect::QueueRemoved(entry.id)]
    );
}

#[test]
fn a_binding_is_stored_when_both_of_its_ends_are_durable() {
    let mut subject = Subject::new();
    for (letter, durable) in [("d", DURABLE), ("t", TRANSIENT)] {
        subject.exchange(exchange(&format!("x{letter}"), "fanout", durable));
        subject.queue(queue(&format!("q{letter}"), durable));
    }
    subject.told();
    let durable = [
        to_queue("xd", "qd"),
        to_queue("amq.fanout", "qd"),
        to_exchange("xd", "amq.topic"),
        to_exchange("amq.direct", "xd"),
    ];
    let transient = [to_queue("xd", "qt"), to_queue("xt", "qd"), to_exchange("xd", "xt"), to_exchange("xt", "xd")];
    durable.iter().chain(&transient).for_each(|link| subject.bind(link));
    durable.iter().chain(&transient).for_each(|link| subject.bind(link));
    assert_eq!(subject.told(), durable.clone().map(|link| Effect::Stored(Definition::Binding(link))));
    durable.iter().chain(&transient).for_each(|link| subject.unbind(link));
    assert_eq!(subject.told(), durable.map(|link| Effect::Forgotten(Definition::Binding(link))));
}

#[test]
fn a_binding_is_forgotten_as_it_was_stored_whatever_the_order_of_its_arguments() {
    let mut subject = Subject::new();
    subject.queue(queue("q", DURABLE));
    subject.told();
    let entries = [(name("a"), FieldValue::I32(1)), (name("b"), FieldValue::I32(2))];
    let first = Link { arguments: entries.iter().cloned().collect(), ..to_queue("amq.headers", "q") };
    let other = Link { arguments: entries.iter().rev().cloned().collect(), ..first.clone() };
    subject.bind(&first);
    subject.bind(&other);
    assert_eq!(subject.told(), [Effect::Stored(Definition::Binding(first.clone()))]);
    subject.unbind(&other);
    assert_eq!(subject.told(), [Effect::Forgotten(Definition::Binding(first))]);
}

#[test]
fn the_bindings_of_what_is_deleted_are_forgotten_with_it() {
    let mut subject = Subject::new();
    subject.exchange(exchange("x", "fanout", DURABLE));
    let entry = subject.queue(queue("q", DURABLE));
    let links = [to_exchange("amq.topic", "x"), to_queue("amq.topic", "q"), to_queue("x", "q")];
    links.iter().for_each(|link| subject.bind(link));
    subject.told();
    subject.delete_exchange("x");
    let [from_topic, other, between] = links.map(|link| Effect::Forgotten(Definition::Binding(link)));
    assert_eq!(subject.told(), [Effect::Forgotten(stored_exchange("x")), between, from_topic]);
    subject.remove_queue(&entry);
    assert_eq!(
        subject.told(),
        [Effect::Forgotten(Definition::Queue(Arc::clone(&entry))), other, Effect::QueueRemoved(entry.id)]
    );
}

#[test]
fn a_chain_of_auto_delete_exchanges_is_forgotten_with_the_last_queue() {
    let mut subject = Subject::new();
    let chained =
        |exchange_name| ExchangeDeclaration { auto_delete: true, ..exchange(exchange_name, "fanout", DURABLE) };
    subject.exchange(chained("a"));
    subject.exchange(chained("b"));
    let entry = subject.queue(QueueDeclaration { exclusive: true, ..queue("q", TRANSIENT) });
    subject.bind(&to_exchange("a", "b"));
    subject.bind(&to_queue("b", "q"));
    subject.told();
    subject.vhost.connection_ended(ConnectionId(1), &mut subject.effects);
    assert_eq!(
        subject.told(),
        [
            Effect::Forgotten(auto_delete(stored_exchange("b"))),
            Effect::Forgotten(Definition::Binding(to_exchange("a", "b"))),
            Effect::Forgotten(auto_delete(stored_exchange("a"))),
            Effect::QueueRemoved(entry.id),
        ]
    );
}

#[test]
fn a_chain_of_auto_delete_exchanges_may_be_longer_than_the_stack_is_deep() {
    const LENGTH: usize = 50_000;
    let mut subject = Subject::new();
    for n in 0..LENGTH {
        subject.exchange(ExchangeDeclaration { auto_delete: true, ..exchange(&format!("x{n}"), "fanout", TRANSIENT) });
        if n > 0 {
            subject.bind(&to_exchange(&format!("x{n}"), &format!("x{}", n - 1)));
        }
    }
    subject.delete_exchange("x0");
    assert!(subject.vhost.topology().exchange(b"x1").is_none());
    assert!(subject.vhost.topology().exchange(format!("x{}", LENGTH - 1).as_bytes()).is_none());
}

#[test]
fn a_restored_vhost_routes_as_before_and_tells_its_queues() {
    let mut subject = Subject::new();
    let alternate = [(name("alternate-exchange"), FieldValue::text("ae"))].into_iter().collect();
    subject.exchange(ExchangeDeclaration { arguments: alternate, ..exchange("x", "direct", DURABLE) });
    subject.exchange(exchange("ae", "fanout", DURABLE));
    let (first, second) = (subject.queue(queue("q1", DURABLE)), subject.queue(queue("q2", DURABLE)));
    subject.queue(queue("t3", TRANSIENT));
    subject.bind(&to_queue("x", "q1"));
    subject.bind(&to_queue("ae", "q2"));
    subject.bind(&to_queue("ae", "t3"));
    let mut definitions = subject.vhost.definitions();
    definitions.reverse();
    let restored = Vhost::restore(name("/"), definitions);
    assert_eq!(
        restored.effects,
        [Effect::QueueCreated(second, Settings::default()), Effect::QueueCreated(first, Settings::default())]
    );
    assert_eq!(restored.stray, []);
    let routed = |routing_key: &[u8]| {
        let envelope = Envelope { routing_keys: &[routing_key], headers: None, ..Envelope::default() };
        let route = restored.vhost.topology().route(b"x", &envelope);
        route.queues.iter().map(|entry| entry.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(routed(b"k"), ["q1"]);
    assert_eq!(routed(b"other"), ["q2"]);
}

#[test]
fn a_stored_binding_without_its_ends_is_left_out_and_told() {
    let link = to_queue("amq.fanout", "missing");
    let restored = Vhost::restore(name("/"), [Definition::Binding(link.clone())]);
    assert_eq!(restored.stray, [link]);
    assert_eq!(restored.vhost.definitions(), []);
}

#[derive(Clone, Debug)]
enum Operation {
    DeclareExchange { name: usize, durable: bool, auto_delete: bool },
    DeleteExchange(usize),
    DeclareQueue { name: usize, durable: bool, exclusive: bool },
    RemoveQueue(usize),
    Bind(Link),
    Unbind(Link),
    SetPolicy { of_user: bool, name: i64, length: i64 },
    SetDelays { name: i64, delays: bool },
    ClearPolicy { of_user: bool, name: i64 },
    ConnectionEnded,
    Restart,
}

const EXCHANGES: [&str; 5] = ["x0", "x1", "x2", "amq.fanout", "amq.topic"];
const QUEUES: [&str; 3] = ["q0", "q1", "q2"];

fn any_link() -> impl Strategy<Value = Link> {
    let arguments = prop_oneof![
        Just(FieldTable::new()),
        any::<bool>().prop_map(|turned| {
            let mut entries = [(name("a"), FieldValue::I32(1)), (name("b"), FieldValue::I32(2))];
            if turned {
                entries.reverse();
            }
            entries.into_iter().collect()
        }),
    ];
    (0..EXCHANGES.len(), 0..EXCHANGES.len() + QUEUES.len(), 0..2_u8, arguments).prop_map(
        |(source, destination, key, arguments)| {
            let link = match QUEUES.get(destination) {
                Some(queue) => to_queue(EXCHANGES[source], queue),
                None => to_exchange(EXCHANGES[source], EXCHANGES[destination - QUEUES.len()]),
            };
            Link { binding_key: name(&key.to_string()), arguments, ..link }
        },
    )
}

fn any_operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => (0..3_usize, any::<bool>(), any::<bool>())
            .prop_map(|(name, durable, auto_delete)| Operation::DeclareExchange { name, durable, auto_delete }),
        1 => (0..3_usize).prop_map(Operation::DeleteExchange),
        3 => (0..3_usize, any::<bool>(), any::<bool>())
            .prop_map(|(name, durable, exclusive)| Operation::DeclareQueue { name, durable, exclusive }),
        1 => (0..3_usize).prop_map(Operation::RemoveQueue),
        8 => any_link().prop_map(Operation::Bind),
        2 => any_link().prop_map(Operation::Unbind),
        1 => Just(Operation::ConnectionEnded),
        2 => (any::<bool>(), 0..2_i64, 0..3_i64).prop_map(|(of_user, name, length)| Operation::SetPolicy { of_user, name, length }),
        2 => (0..2_i64, any::<bool>()).prop_map(|(name, delays)| Operation::SetDelays { name, delays }),
        1 => (any::<bool>(), 0..2_i64).prop_map(|(of_user, name)| Operation::ClearPolicy { of_user, name }),
        1 => Just(Operation::Restart),
    ]
}

const fn kind(of_user: bool) -> PolicyKind {
    if of_user { PolicyKind::User } else { PolicyKind::Operator }
}

fn max_length(policy: i64, length: i64) -> Policy {
    Policy {
        name: name(&policy.to_string()),
        pattern: Pattern::parse("").unwrap(),
        apply_to: ApplyTo::All,
        priority: policy,
        definition: [(name("max-length"), FieldValue::I64(length))].into_iter().collect(),
    }
}

/// What identifies a definition, so that what is forgotten is found.
fn identity(definition: &Definition) -> String {
    match definition {
        Definition::Exchange(exchange) => format!("exchange {}", exchange.name),
        Definition::Queue(entry) => format!("queue {}", entry.name),
        Definition::Binding(link) => format!("{link:?}"),
        Definition::Policy(kind, policy) => format!("{kind:?} policy {}", policy.name),
    }
}

/// A vhost and what a store would hold of it.
struct Model {
    vhost: Vhost,
    stored: BTreeMap<String, Definition>,
    last_id: u64,
}

impl Model {
    fn run(&mut self, operation: Operation) {
        let mut effects = Vec::new();
        let (ann, vhost) = (actor(1), &mut self.vhost);
        if vhost.wants_queue_id() {
            self.last_id += 1;
            vhost.provide(QueueId(self.last_id));
        }
        let mut ids = || {
            self.last_id += 1;
            Some(QueueId(self.last_id))
        };
        // Refusals are as good as anything else here: they must leave the store as it is.
        match operation {
            Operation::DeclareExchange { name, durable, auto_delete } => {
                let wanted = ExchangeDeclaration { auto_delete, ..exchange(EXCHANGES[name], "headers", durable) };
                _ = vhost.declare_exchange(&ann, wanted, &mut effects);
            }
            Operation::DeleteExchange(exchange) => {
                _ = vhost.delete_exchange(&ann, &name(EXCHANGES[exchange]), false, &mut effects);
            }
            Operation::DeclareQueue { name, durable, exclusive } => {
                self.last_id += 1;
                let wanted = QueueDeclaration { exclusive, id: QueueId(self.last_id), ..queue(QUEUES[name], durable) };
                _ = vhost.declare_queue(&ann, wanted, &mut effects);
            }
            Operation::RemoveQueue(queue) => {
                if let Some(entry) = vhost.topology().queue(QUEUES[queue].as_bytes()).cloned() {
                    vhost.remove_queue(&entry, &mut effects);
                }
            }
            Operation::Bind(link) => _ = vhost.bind(&ann, &link, &mut effects),
            Operation::Unbind(link) => _ = vhost.unbind(&ann, &link, &mut effects),
            Operation::SetPolicy { of_user, name, length } => {
                _ = vhost.set_policy(kind(of_user), max_length(name, length), &mut ids, &mut effects);
            }
            Operation::SetDelays { name: policy, delays } => {
                let definition = [(name("delayed-message"), FieldValue::Bool(delays))].into_iter().collect();
                let policy = Policy { definition, ..max_length(policy, 0) };
                _ = vhost.set_policy(PolicyKind::User, policy, &mut ids, &mut effects);
            }
            Operation::ClearPolicy { of_user, name } => {
                _ = vhost.clear_policy(kind(of_user), name.to_string().as_bytes(), &mut ids, &mut effects);
            }
            Operation::ConnectionEnded => vhost.connection_ended(ConnectionId(1), &mut effects),
            Operation::Restart => self.vhost = self.restored(),
        }
        effects.into_iter().for_each(|effect| self.keep(effect));
    }

    fn keep(&mut self, effect: Effect) {
        match effect {
            Effect::Stored(definition) => {
                // A policy is stored in the place of another one, and an exchange anew with a queue for what it keeps;
                // all else comes once.
                let may_be_there = matches!(definition, Definition::Policy(..) | Definition::Exchange(_));
                let before = self.stored.insert(identity(&definition), definition.clone());
                assert!(before.is_none_or(|before| may_be_there && before != definition), "stored twice");
            }
            Effect::Forgotten(definition) => {
                assert_eq!(self.stored.remove(&identity(&definition)), Some(definition), "forgotten as it was stored");
            }
            Effect::QueueCreated(..)
            | Effect::QueueRemoved(_)
            | Effect::MemoryCreated { .. }
            | Effect::MemoryRemoved(_)
            | Effect::Replay { .. }
            | Effect::QueueConfigured(..)
            | Effect::Redeclared(_) => {}
        }
    }

    fn restored(&self) -> Vhost {
        let restored = Vhost::restore(name("/"), self.stored.values().cloned());
        assert_eq!(restored.stray, []);
        restored.vhost
    }

    fn check(&self) {
        let live = self.vhost.definitions();
        let by_identity = live.iter().map(|definition| (identity(definition), definition.clone())).collect();
        assert_eq!(self.stored, by_identity, "the store holds the durable part");
        let restored = self.restored();
        assert_eq!(restored.definitions(), live, "and it comes back");
        for exchange in self.vhost.topology().exchanges() {
            assert!(!exchange.delays || exchange.delay_queue.is_some(), "it has a queue for what it keeps");
            if exchange.durable {
                let again = restored.topology().exchange(exchange.name.as_bytes()).unwrap();
                assert_eq!((again.delays, &again.delay_queue), (exchange.delays, &exchange.delay_queue));
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_stored_is_the_durable_part_of_the_vhost(operations in proptest::collection::vec(any_operation(), 1..60)) {
        let mut model = Model { vhost: Vhost::new(name("/")), stored: BTreeMap::new(), last_id: 0 };
        for operation in operations {
            model.run(operation);
            model.check();
        }
    }
}

#[test]
fn exchanges_that_remember_are_told_of_when_they_come_go_and_come_back() {
    let ann = actor(1);
    let mut vhost = Vhost::new(name("/"));
    let (mut effects, mut stored) = (Vec::new(), Vec::new());
    let arguments: FieldTable = [(name("x-recent-history-length"), FieldValue::I32(3))].into_iter().collect();
    let wanted = ExchangeDeclaration { arguments, ..exchange("x", "x-recent-history", DURABLE) };
    vhost.declare_exchange(&ann, wanted.clone(), &mut effects).unwrap();
    vhost.declare_exchange(&ann, wanted, &mut effects).unwrap();
    let memory = Memory { history: Some(3), deduplication: None };
    let created = Effect::MemoryCreated { exchange: name("x"), memory };
    let Some(Effect::Stored(definition)) = effects.first().cloned() else { panic!("it is stored: {effects:?}") };
    stored.push(definition.clone());
    assert_eq!(std::mem::take(&mut effects), [Effect::Stored(definition.clone()), created.clone()], "once");
    assert_eq!(Vhost::restore(name("/"), stored).effects, [created]);
    vhost.delete_exchange(&ann, &name("x"), false, &mut effects).unwrap();
    assert_eq!(effects, [Effect::Forgotten(definition), Effect::MemoryRemoved(name("x"))]);
}

#[test]
fn a_new_binding_of_an_exchange_with_a_history_is_to_get_it_once() {
    let ann = actor(1);
    let mut vhost = Vhost::new(name("/"));
    vhost.declare_exchange(&ann, exchange("x", "x-recent-history", TRANSIENT), &mut Vec::new()).unwrap();
    let entry = vhost.declare_queue(&ann, queue("q", TRANSIENT), &mut Vec::new()).unwrap();
    let mut effects = Vec::new();
    for _ in 0..2 {
        vhost.bind(&ann, &link("x", ResourceKind::Queue, "q"), &mut effects).unwrap();
    }
    assert_eq!(effects, [Effect::Replay { source: name("x"), destination: Destination::Queue(entry) }]);
    let route = vhost.topology().route(b"x", &Envelope::default());
    assert!(route.varies);
    assert_eq!(route.histories, [name("x")]);
}
