//! What setting and clearing policies does to the queues and exchanges of a vhost, whenever they come.

use std::sync::Arc;
use std::time::Duration;

use leveret_protocol::{FieldTable, FieldValue, ShortString};

use super::{Definition, Effect, ExchangeDeclaration, QueueDeclaration, RedeclaredQueue, Vhost};
use crate::broker::auth::{Actor, Permissions, User};
use crate::broker::error::BrokerError;
use crate::broker::exchange::Envelope;
use crate::broker::ids::{ConnectionId, QueueId};
use crate::broker::policy::{ApplyTo, Pattern, Policy, PolicyKind};
use crate::broker::queue::{Hold, QueueEntry, Settings};
use crate::broker::resource::ResourceKind;
use crate::broker::vhost::Link;

const USER: PolicyKind = PolicyKind::User;
const OPERATOR: PolicyKind = PolicyKind::Operator;

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

const fn number(number: i64) -> FieldValue {
    FieldValue::I64(number)
}

fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
    entries.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

fn policy(policy: &str, pattern: &str, definition: &[(&str, FieldValue)]) -> Policy {
    Policy {
        name: name(policy),
        pattern: Pattern::parse(pattern).unwrap(),
        apply_to: ApplyTo::All,
        priority: 0,
        definition: table(definition),
    }
}

fn max_length(length: u64) -> Settings {
    Settings { max_length: Some(length), ..Settings::default() }
}

fn permitted(write: &str) -> Actor {
    Actor {
        connection: ConnectionId(1),
        user: Arc::new(User { name: name("guest"), tags: Vec::new() }),
        permissions: Arc::new(Permissions::parse(".*", write, ".*").unwrap()),
    }
}

/// Ids that no queue has had.
fn ids(last: &mut u64) -> impl FnMut() -> Option<QueueId> {
    || {
        *last += 1;
        Some(QueueId(*last))
    }
}

/// A vhost, and the effects that nobody has looked at.
struct Subject {
    vhost: Vhost,
    effects: Vec<Effect>,
    last_id: u64,
}

impl Subject {
    fn new() -> Self {
        Self { vhost: Vhost::new(name("/")), effects: Vec::new(), last_id: 0 }
    }

    fn try_declare(&mut self, queue: &str, arguments: &[(&str, FieldValue)]) -> Result<Arc<QueueEntry>, BrokerError> {
        self.last_id += 1;
        let wanted = QueueDeclaration {
            name: name(queue),
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: table(arguments),
            id: QueueId(self.last_id),
            generated: "0123456789012345678901".to_owned(),
        };
        self.vhost.declare_queue(&permitted(".*"), wanted, &mut self.effects)
    }

    fn declare(&mut self, queue: &str, arguments: &[(&str, FieldValue)]) -> Arc<QueueEntry> {
        self.try_declare(queue, arguments).unwrap()
    }

    fn exchange(&mut self, exchange: &str, arguments: &[(&str, FieldValue)]) {
        let wanted = ExchangeDeclaration {
            name: name(exchange),
            kind: name("direct"),
            passive: false,
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: table(arguments),
        };
        self.vhost.declare_exchange(&permitted(".*"), wanted, &mut self.effects).unwrap();
    }

    fn set(&mut self, kind: PolicyKind, policy: Policy) -> bool {
        let mut ids = ids(&mut self.last_id);
        self.vhost.set_policy(kind, policy, &mut ids, &mut self.effects)
    }

    fn clear(&mut self, kind: PolicyKind, policy: &str) -> bool {
        let mut ids = ids(&mut self.last_id);
        self.vhost.clear_policy(kind, policy.as_bytes(), &mut ids, &mut self.effects)
    }

    fn told(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Which settings queues are told to keep to, by their ids.
    fn configured(&mut self) -> Vec<(u64, Settings)> {
        let configured = self.told().into_iter().filter_map(|effect| match effect {
            Effect::QueueConfigured(queue, settings) => Some((queue.0, settings)),
            Effect::QueueCreated(..)
            | Effect::QueueRemoved(_)
            | Effect::Redeclared(_)
            | Effect::MemoryCreated { .. }
            | Effect::MemoryRemoved(_)
            | Effect::Replay { .. }
            | Effect::Stored(_)
            | Effect::Forgotten(_) => None,
        });
        configured.collect()
    }

    fn alternate(&self, exchange: &str) -> Option<String> {
        self.vhost.topology().exchange(exchange.as_bytes()).unwrap().alternate.as_ref().map(ToString::to_string)
    }
}

#[test]
fn setting_a_policy_is_stored_and_changes_the_queues_that_it_is_for() {
    let mut subject = Subject::new();
    let (jobs, _other) = (subject.declare("jobs", &[]), subject.declare("other", &[]));
    let before = subject.vhost.topology().number;
    subject.told();
    let wanted = policy("p", "^jobs", &[("max-length", number(5))]);
    assert!(subject.set(USER, wanted.clone()));
    assert_eq!(
        subject.told(),
        [
            Effect::Stored(Definition::Policy(USER, Arc::new(wanted.clone()))),
            Effect::QueueConfigured(jobs.id, max_length(5)),
        ]
    );
    assert_ne!(subject.vhost.topology().number, before);
    assert!(!subject.set(USER, wanted.clone()), "it was there");
    assert_eq!(subject.told(), []);
    let changed = policy("p", "^jobs", &[("max-length", number(6))]);
    assert!(!subject.set(USER, changed.clone()), "one of that name was there");
    assert_eq!(
        subject.told(),
        [
            Effect::Stored(Definition::Policy(USER, Arc::new(changed.clone()))),
            Effect::QueueConfigured(jobs.id, max_length(6)),
        ]
    );
    assert!(subject.clear(USER, "p"));
    assert_eq!(
        subject.told(),
        [
            Effect::Forgotten(Definition::Policy(USER, Arc::new(changed))),
            Effect::QueueConfigured(jobs.id, Settings::default()),
        ]
    );
    assert!(!subject.clear(USER, "p"));
    assert_eq!(subject.told(), []);
}

#[test]
fn a_new_queue_gets_its_policy_at_declare() {
    let mut subject = Subject::new();
    subject.set(USER, policy("p", "q", &[("max-length", number(5))]));
    subject.told();
    let entry = subject.declare("q", &[("x-max-length", FieldValue::I32(9))]);
    let stored = Effect::Stored(Definition::Queue(Arc::clone(&entry)));
    assert_eq!(subject.told(), [Effect::QueueCreated(Arc::clone(&entry), max_length(5)), stored]);
    let effective = subject.vhost.topology().policies_of_queue(&entry);
    assert_eq!(effective.user.as_ref().map(|policy| policy.name.to_string()), Some("p".to_owned()));
    assert_eq!((effective.operator.clone(), effective.definition()), (None, table(&[("max-length", number(5))])));
}

#[test]
fn a_policy_that_changes_its_pattern_leaves_some_queues_and_comes_to_others() {
    let mut subject = Subject::new();
    for queue in ["a", "b", "c"] {
        subject.declare(queue, &[]);
    }
    subject.set(USER, policy("p", "[ab]", &[("max-length", number(5))]));
    assert_eq!(subject.configured(), [(1, max_length(5)), (2, max_length(5))]);
    subject.set(USER, policy("p", "[bc]", &[("max-length", number(5))]));
    assert_eq!(subject.configured(), [(1, Settings::default()), (3, max_length(5))]);
}

#[test]
fn clearing_a_policy_uncovers_the_next() {
    let mut subject = Subject::new();
    subject.declare("q", &[]);
    subject.set(USER, policy("low", "", &[("max-length", number(1))]));
    subject.set(USER, Policy { priority: 1, ..policy("high", "", &[("message-ttl", number(7))]) });
    subject.configured();
    subject.clear(USER, "high");
    assert_eq!(subject.configured(), [(1, max_length(1))]);
    subject.set(USER, Policy { priority: -1, ..policy("lower", "", &[("max-length", number(3))]) });
    assert_eq!(subject.configured(), [], "nobody is touched by a policy that counts for nobody");
}

#[test]
fn an_operator_policy_bounds_what_users_and_arguments_say() {
    let mut subject = Subject::new();
    subject.declare("q", &[("x-max-length", FieldValue::I32(8))]);
    subject.set(OPERATOR, policy("p", "", &[("max-length", number(6)), ("expires", number(1000))]));
    let expires = Some(Duration::from_secs(1));
    assert_eq!(subject.configured(), [(1, Settings { expires, ..max_length(6) })]);
    subject.set(USER, policy("p", "", &[("max-length", number(9))]));
    assert_eq!(subject.configured(), [], "six is less than nine");
    subject.set(USER, policy("p", "", &[("max-length", number(2))]));
    assert_eq!(subject.configured(), [(1, Settings { expires, ..max_length(2) })]);
}

#[test]
fn an_exchange_gets_its_alternate_exchange_by_policy_unless_its_arguments_name_one() {
    let mut subject = Subject::new();
    subject.exchange("before", &[]);
    subject.exchange("own", &[("alternate-exchange", FieldValue::text("mine"))]);
    subject.set(USER, policy("p", "", &[("alternate-exchange", FieldValue::text("amq.fanout"))]));
    subject.exchange("after", &[]);
    for (exchange, expected) in
        [("before", "amq.fanout"), ("own", "mine"), ("after", "amq.fanout"), ("amq.direct", "amq.fanout")]
    {
        assert_eq!(subject.alternate(exchange).as_deref(), Some(expected), "{exchange}");
    }
    let before = Arc::new(subject.vhost.topology().exchange(b"before").unwrap().clone());
    assert!(subject.vhost.topology().policies_of_exchange(&before).user.is_some());
    subject.clear(USER, "p");
    for (exchange, expected) in [("before", None), ("own", Some("mine")), ("after", None), ("amq.direct", None)] {
        assert_eq!(subject.alternate(exchange).as_deref(), expected, "{exchange}");
    }
}

#[test]
fn an_alternate_exchange_by_policy_takes_what_is_not_routed() {
    let mut subject = Subject::new();
    subject.declare("q", &[]);
    let link = Link {
        source: name("amq.fanout"),
        destination_kind: ResourceKind::Queue,
        destination: name("q"),
        binding_key: name(""),
        arguments: FieldTable::new(),
    };
    subject.vhost.bind(&permitted(".*"), &link, &mut subject.effects).unwrap();
    subject.set(USER, policy("p", "^amq.direct", &[("alternate-exchange", FieldValue::text("amq.fanout"))]));
    let envelope = Envelope { routing_keys: &[b"nowhere"], ..Envelope::default() };
    let routed = |exchange: &[u8]| subject.vhost.topology().route(exchange, &envelope).queues.len();
    assert_eq!((routed(b"amq.direct"), routed(b"amq.topic")), (1, 0));
}

#[test]
fn a_restored_vhost_has_its_policies_before_its_queues_and_exchanges() {
    let mut subject = Subject::new();
    subject.declare("q", &[]);
    subject.exchange("x", &[]);
    let definition = [("alternate-exchange", FieldValue::text("amq.fanout")), ("max-length", number(4))];
    subject.set(USER, policy("p", "", &definition));
    subject.set(OPERATOR, policy("o", "", &[("max-length", number(3))]));
    let stored = subject.vhost.definitions();
    let restored = Vhost::restore(name("/"), stored.clone());
    assert_eq!(restored.vhost.definitions(), stored);
    let entry = restored.vhost.topology().queue(b"q").unwrap();
    assert_eq!(restored.effects, [Effect::QueueCreated(Arc::clone(entry), max_length(3))]);
    for exchange in ["x", "amq.topic"] {
        let alternate = restored.vhost.topology().exchange(exchange.as_bytes()).unwrap().alternate.clone();
        assert_eq!(alternate, Some(name("amq.fanout")), "{exchange}");
    }
}

#[test]
fn many_queues_and_policies_are_one_pass_over_the_names() {
    let mut subject = Subject::new();
    for number in 0..10_000 {
        subject.declare(&format!("queue-{number}"), &[]);
    }
    for number in 0..20 {
        let (other, pattern) = (format!("other-{number}"), format!("^other-{number}"));
        subject.set(USER, policy(&other, &pattern, &[("max-length", FieldValue::I64(1))]));
    }
    subject.told();
    subject.set(USER, policy("p", "^queue-.*7$", &[("max-length", number(5))]));
    assert_eq!(subject.configured().len(), 1000);
}

fn redeclare(mode: &str) -> Policy {
    policy("mode", "^q$", &[("redeclare", FieldValue::text(mode))])
}

const DIFFERENT: &str = "inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received the value '5' of type \
                         'signedint' but current is none";

#[test]
fn other_arguments_are_refused_unless_a_policy_lets_them_pass() {
    let mut subject = Subject::new();
    let entry = subject.declare("q", &[]);
    subject.told();
    let wanted = [("x-max-length", FieldValue::I32(5))];
    let refused = subject.try_declare("q", &wanted).unwrap_err();
    assert!(refused.to_string().contains(DIFFERENT), "{refused}");
    subject.set(USER, redeclare("strict"));
    assert!(subject.try_declare("q", &wanted).is_err());
    subject.set(USER, redeclare("warn"));
    subject.told();
    assert!(Arc::ptr_eq(&subject.declare("q", &wanted), &entry));
    let told = subject.told();
    let [Effect::Redeclared(RedeclaredQueue { name: queue, different, adopted: false })] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(*queue, "q");
    assert!(different.to_string().contains(DIFFERENT), "{different}");
}

#[test]
fn a_queue_adopts_the_arguments_that_it_can_change_while_it_runs() {
    let mut subject = Subject::new();
    let first =
        subject.declare("q", &[("x-message-ttl", FieldValue::I32(9)), ("x-queue-type", FieldValue::text("classic"))]);
    subject.set(USER, redeclare("adopt"));
    subject.told();
    let adopted = subject.declare("q", &[("x-max-length", FieldValue::I32(5))]);
    let kept = [("x-max-length", FieldValue::I32(5)), ("x-queue-type", FieldValue::text("classic"))];
    assert_eq!((adopted.id, &adopted.arguments), (first.id, &table(&kept)));
    assert!(Arc::ptr_eq(subject.vhost.topology().queue(b"q").unwrap(), &adopted));
    let told = subject.told();
    assert_eq!(
        told[..2],
        [Effect::Stored(Definition::Queue(Arc::clone(&adopted))), Effect::QueueConfigured(first.id, max_length(5)),]
    );
    assert!(matches!(&told[2..], [Effect::Redeclared(RedeclaredQueue { adopted: true, .. })]), "{told:?}");
    subject.declare("q", &kept);
    assert_eq!(subject.told(), [], "the same again is no difference");
    subject.vhost.remove_queue(&first, &mut subject.effects);
    assert_eq!(
        subject.told(),
        [Effect::Forgotten(Definition::Queue(Arc::clone(&first))), Effect::QueueRemoved(first.id)]
    );
}

#[test]
fn what_a_queue_cannot_become_it_does_not_adopt() {
    let mut subject = Subject::new();
    subject.declare("q", &[]);
    subject.set(USER, redeclare("adopt"));
    subject.told();
    let invalid = subject.try_declare("q", &[("x-max-length", FieldValue::I32(-1))]).unwrap_err();
    assert!(invalid.to_string().contains("value_negative"), "{invalid}");
    assert_eq!(subject.told(), []);
    let entry = subject.declare("q", &[("x-queue-type", FieldValue::text("quorum"))]);
    assert_eq!(entry.arguments, FieldTable::new());
    assert!(matches!(&subject.told()[..], [Effect::Redeclared(RedeclaredQueue { adopted: false, .. })]));
}

#[test]
fn adopting_a_dead_letter_exchange_takes_the_permission_to_write_to_it() {
    let mut subject = Subject::new();
    subject.declare("q", &[]);
    subject.set(USER, redeclare("adopt"));
    let wanted = QueueDeclaration {
        name: name("q"),
        durable: true,
        exclusive: false,
        auto_delete: false,
        arguments: table(&[("x-dead-letter-exchange", FieldValue::text("secret"))]),
        id: QueueId(9),
        generated: String::new(),
    };
    let refused = subject.vhost.declare_queue(&permitted("^q$"), wanted, &mut subject.effects).unwrap_err();
    assert!(refused.to_string().contains("exchange 'secret' in vhost '/' refused"), "{refused}");
}

#[test]
fn a_policy_may_hold_messages_and_have_them_tried_again() {
    let policy = table(&[("hold-until-header", FieldValue::text("eta")), ("retry-delays", FieldValue::text("5,10"))]);
    let settings = Settings::under(&FieldTable::new(), &policy);
    let declared =
        table(&[("x-hold-until-header", FieldValue::text("eta")), ("x-retry-delays", FieldValue::text("5,10"))]);
    assert_eq!(settings, Settings::of(&declared));
    assert!(settings.hold.is_some() && settings.retry.is_some());
}

const DELAYED: (&str, FieldValue) = ("delayed-message", FieldValue::Bool(true));

impl Subject {
    /// The queues that a message with x-delay goes to, and whether it is to be routed later.
    fn route(&self, exchange: &str, routing_key: &[u8]) -> (Vec<QueueId>, bool) {
        let headers = table(&[("x-delay", FieldValue::I32(5))]);
        let envelope = Envelope { routing_keys: &[routing_key], headers: Some(&headers), ..Envelope::default() };
        let route = self.vhost.topology().route(exchange.as_bytes(), &envelope);
        assert!(!route.delayed || route.varies, "the next one with these names may not be delayed");
        (route.queues.iter().map(|entry| entry.id).collect(), route.delayed)
    }

    fn bind(&mut self, exchange: &str, queue: &str) {
        let link = Link {
            source: name(exchange),
            destination_kind: ResourceKind::Queue,
            destination: name(queue),
            binding_key: name("k"),
            arguments: FieldTable::new(),
        };
        self.vhost.bind(&permitted(".*"), &link, &mut self.effects).unwrap();
    }
}

/// The queues that come into being for exchanges, by these; every one is stored with its exchange, where that is durable.
fn keeping(told: &[Effect]) -> Vec<(String, QueueId)> {
    let created = told.iter().filter_map(|effect| {
        let Effect::QueueCreated(entry, settings) = effect else { return None };
        (settings.hold == Some(Hold::ForExchange)).then(|| (entry.name.to_string(), entry.id))
    });
    let created: Vec<_> = created.collect();
    let stored = told.iter().filter_map(|effect| {
        let Effect::Stored(Definition::Exchange(exchange)) = effect else { return None };
        Some((exchange.name.to_string(), exchange.delay_queue?))
    });
    let stored: Vec<_> = stored.collect();
    assert_eq!(stored, created);
    created
}

#[test]
fn a_policy_has_exchanges_keep_messages_as_long_as_it_is_there() {
    let mut subject = Subject::new();
    let queue = subject.declare("q", &[]).id;
    subject.exchange("x", &[]);
    subject.bind("x", "q");
    subject.told();
    assert_eq!(subject.route("x", b"k"), (vec![queue], false));
    subject.set(USER, policy("p", "^(x|later)$", &[DELAYED]));
    let told = subject.told();
    let [(exchange, kept_in)] = &keeping(&told)[..] else { panic!("{told:?}") };
    assert_eq!((exchange.as_str(), told.len()), ("x", 3), "the policy is stored, too");
    assert_eq!(subject.route("x", b"k"), (vec![*kept_in], true));
    subject.clear(USER, "p");
    assert_eq!(subject.told().len(), 1, "the queue stays, and what is in it");
    assert_eq!(subject.route("x", b"k"), (vec![queue], false));
    subject.set(USER, policy("p", "^x$", &[DELAYED]));
    assert_eq!(subject.told().len(), 1, "it is there");
    assert_eq!(subject.route("x", b"k"), (vec![*kept_in], true));
    subject.set(USER, policy("p", "^x$", &[("delayed-message", FieldValue::Bool(false))]));
    assert_eq!(subject.route("x", b"k"), (vec![queue], false));
    subject.told();
    subject.vhost.delete_exchange(&permitted(".*"), &name("x"), false, &mut subject.effects).unwrap();
    assert!(subject.told().contains(&Effect::QueueRemoved(*kept_in)));
}

#[test]
fn an_exchange_that_comes_later_keeps_messages_by_policy_too() {
    let mut subject = Subject::new();
    subject.set(USER, policy("p", "^x$", &[DELAYED]));
    subject.told();
    subject.vhost.provide(QueueId(77));
    subject.exchange("x", &[]);
    assert_eq!(keeping(&subject.told()), [("x".to_owned(), QueueId(77))]);
    assert_eq!(subject.route("x", b"k"), (vec![QueueId(77)], true));
}

#[test]
fn the_policy_that_counts_says_whether_an_exchange_keeps_messages() {
    let mut subject = Subject::new();
    subject.exchange("x", &[]);
    subject.exchange("always", &[("x-delayed-exchange", FieldValue::Bool(true))]);
    subject.set(USER, policy("low", "^x$", &[DELAYED]));
    let other = [("max-length", number(1))];
    subject.set(USER, Policy { priority: 1, ..policy("high", "^(x|always)$", &other) });
    assert!(!subject.route("x", b"k").1, "definitions of several policies are not put together");
    subject.clear(USER, "high");
    assert!(subject.route("x", b"k").1, "the next one counts");
    subject.set(OPERATOR, policy("o", "^x$", &other));
    assert!(subject.route("x", b"k").1, "an operator policy says nothing to exchanges");
}

#[test]
fn predeclared_exchanges_keep_messages_by_policy_and_have_their_queues_after_a_restart() {
    let mut subject = Subject::new();
    let queue = subject.declare("q", &[]).id;
    subject.bind("amq.direct", "q");
    subject.told();
    subject.set(USER, policy("p", "^(amq\\.direct)?$", &[DELAYED]));
    let kept = keeping(&subject.told());
    let [(default, in_default), (direct, in_direct)] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!((default.as_str(), direct.as_str()), ("", "amq.direct"));
    let stored = subject.vhost.definitions();
    let restored = Vhost::restore(name("/"), stored.clone());
    assert_eq!(restored.vhost.definitions(), stored);
    assert_eq!(keeping(&[restored.effects, stored.into_iter().map(Effect::Stored).collect()].concat()), kept);
    let restored = Subject { vhost: restored.vhost, effects: Vec::new(), last_id: 100 };
    for mut subject in [subject, restored] {
        assert_eq!(subject.route("", b"q"), (vec![*in_default], true));
        assert_eq!(subject.route("amq.direct", b"k"), (vec![*in_direct], true));
        let token = b"amq.rabbitmq.reply-to.AAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(subject.route("", token), (vec![], false), "nobody waits for a reply that comes later");
        subject.clear(USER, "p");
        assert_eq!(subject.route("", b"q"), (vec![queue], false));
        assert_eq!(subject.route("amq.direct", b"k"), (vec![queue], false));
    }
}
