//! Tests of a node over restarts and power cuts: what it answered is there, and what does not last costs nothing.

use std::process::Command;
use std::sync::Arc;

use leveret_protocol::{FieldTable, FieldValue, ShortString};

use super::cell::QueueCell;
use super::vhost::RunningVhost;
use super::{Clock, Definitions, Node};
use crate::broker::auth::{Actor, Permissions, User};
use crate::broker::error::{BrokerError, ConnectionError};
use crate::broker::exchange::Envelope;
use crate::broker::ids::ConnectionId;
use crate::broker::policy::{Draft, PolicyKind};
use crate::broker::resource::ResourceKind;
use crate::broker::vhost::{ExchangeDeclaration, Link, QueueDeclaration};
use crate::config::Config;
use crate::store::Reserve;
use crate::store::disk::Disk;
use crate::store::disk::faulty::{FaultyDisk, Unsynced};
use crate::store::meta::Meta;

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn start(disk: &FaultyDisk) -> Node {
    start_on(Meta::open(disk).unwrap())
}

fn start_on(meta: Meta) -> Node {
    let (definitions, stored) = Definitions::load(Arc::new(meta)).unwrap();
    Node::restore(&Config::default(), Clock::start(), definitions, stored, None, &mut QueueCell::new).unwrap()
}

fn actor() -> Actor {
    Actor {
        connection: ConnectionId(1),
        user: Arc::new(User { name: name("guest"), tags: Vec::new() }),
        permissions: Arc::new(Permissions::parse(".*", ".*", ".*").unwrap()),
    }
}

fn link(exchange: &str, queue: &str) -> Link {
    Link {
        source: name(exchange),
        destination_kind: ResourceKind::Queue,
        destination: name(queue),
        binding_key: name(""),
        arguments: FieldTable::new(),
    }
}

/// What a client does to the default vhost of a node.
struct Client<'a> {
    node: &'a Node,
    vhost: Arc<RunningVhost>,
    actor: Actor,
}

impl<'a> Client<'a> {
    fn of(node: &'a Node) -> Self {
        Self { node, vhost: node.vhost(&name("/")).unwrap(), actor: actor() }
    }

    fn declare_exchange(&self, exchange: &str, durable: bool) {
        self.try_to_declare_exchange(exchange, durable).unwrap();
    }

    fn try_to_declare_exchange(&self, exchange: &str, durable: bool) -> Result<(), BrokerError> {
        let wanted = ExchangeDeclaration {
            name: name(exchange),
            kind: name("fanout"),
            passive: false,
            durable,
            auto_delete: false,
            internal: false,
            arguments: FieldTable::new(),
        };
        let declare = |wanted| {
            self.vhost
                .change(self.node.clock.now(), |vhost, effects| vhost.declare_exchange(&self.actor, wanted, effects))
        };
        declare(wanted)
    }

    fn declare_queue(&self, queue: &str, durable: bool) {
        self.try_to_declare_queue(queue, durable).unwrap();
    }

    fn try_to_declare_queue(&self, queue: &str, durable: bool) -> Result<(), BrokerError> {
        let wanted = QueueDeclaration {
            name: name(queue),
            durable,
            exclusive: false,
            auto_delete: false,
            arguments: FieldTable::new(),
            id: self.node.next_queue().unwrap(),
            generated: Node::random_name(),
        };
        self.vhost.declare_queue(self.node.clock.now(), &self.actor, wanted).map(drop)
    }

    fn bind(&self, exchange: &str, queue: &str) {
        self.try_to_bind(exchange, queue).unwrap();
    }

    fn try_to_bind(&self, exchange: &str, queue: &str) -> Result<(), BrokerError> {
        let (now, link) = (self.node.clock.now(), link(exchange, queue));
        self.vhost.change(now, |vhost, effects| vhost.bind(&self.actor, &link, effects))
    }

    fn unbind(&self, exchange: &str, queue: &str) {
        let (now, link) = (self.node.clock.now(), link(exchange, queue));
        self.vhost.change(now, |vhost, effects| vhost.unbind(&self.actor, &link, effects)).unwrap();
    }

    fn delete_exchange(&self, exchange: &str) {
        let (now, name) = (self.node.clock.now(), name(exchange));
        let delete = self.vhost.change(now, |vhost, effects| vhost.delete_exchange(&self.actor, &name, false, effects));
        delete.unwrap();
    }

    fn delete_queue(&self, queue: &str) -> Result<usize, BrokerError> {
        self.vhost.delete_queue(self.node.clock.now(), &self.actor, &name(queue), false, false)
    }

    /// The queues that an exchange leads to. Each has its cell.
    fn routed(&self, exchange: &str) -> Vec<String> {
        let envelope = Envelope { routing_keys: &[b""], headers: None, ..Envelope::default() };
        let queues = self.vhost.topology().route(exchange.as_bytes(), &envelope).queues;
        assert!(queues.iter().all(|entry| self.vhost.cell(entry.id).is_some()));
        queues.iter().map(|entry| entry.name.to_string()).collect()
    }
}

#[test]
fn what_was_declared_durable_is_there_after_a_power_cut() {
    let disk = FaultyDisk::new();
    let node = start(&disk);
    let client = Client::of(&node);
    client.declare_exchange("x", true);
    for (queue, durable) in [("kept", true), ("deleted", true), ("transient", false)] {
        client.declare_queue(queue, durable);
        client.bind("x", queue);
        client.bind("amq.fanout", queue);
    }
    client.delete_queue("deleted").unwrap();
    assert_eq!(client.routed("x"), ["kept", "transient"]);
    let node = start(&disk.after_power_cut(Unsynced::Lost));
    let client = Client::of(&node);
    assert_eq!(client.routed("x"), ["kept"]);
    assert_eq!(client.routed("amq.fanout"), ["kept"]);
    assert!(client.vhost.topology().queue(b"deleted").is_none());
    assert!(client.vhost.topology().queue(b"transient").is_none());
}

#[test]
fn policies_are_there_after_a_power_cut_and_the_queues_and_exchanges_keep_to_them() {
    let draft = |policy: &str, definition: &[(&str, FieldValue)]| Draft {
        name: name(policy),
        pattern: FieldValue::text("^(q|x)$"),
        apply_to: None,
        priority: Some(FieldValue::I64(3)),
        definition: FieldValue::Table(definition.iter().map(|(key, value)| (name(key), value.clone())).collect()),
    };
    let administrator = User { name: name("guest"), tags: vec!["administrator".to_owned()] };
    let (user, operator, vhost) = (PolicyKind::User, PolicyKind::Operator, name("/"));
    let disk = FaultyDisk::new();
    let node = start(&disk);
    let client = Client::of(&node);
    client.declare_exchange("x", true);
    client.declare_queue("q", true);
    client.bind("amq.fanout", "q");
    let set = |kind, draft| node.set_policy(&administrator, &vhost, kind, draft).unwrap();
    let definition = [("alternate-exchange", FieldValue::text("amq.fanout")), ("max-length", FieldValue::I64(5))];
    assert!(set(user, draft("p", &definition)));
    assert!(set(user, draft("gone", &[("max-length", FieldValue::I64(1))])));
    assert!(set(operator, draft("o", &[("max-length", FieldValue::I64(9))])));
    assert!(!set(operator, draft("o", &[("max-length", FieldValue::I64(4))])));
    node.clear_policy(&administrator, &vhost, user, b"gone").unwrap();
    let listed = |node: &Node| [user, operator].map(|kind| node.policies(&administrator, &vhost, kind).unwrap());
    let before = listed(&node);
    assert_eq!(before.each_ref().map(Vec::len), [1, 1]);
    let node = start(&disk.after_power_cut(Unsynced::Lost));
    assert_eq!(listed(&node), before);
    let client = Client::of(&node);
    assert_eq!(client.routed("x"), ["q"], "through the alternate exchange");
    let queue = client.vhost.topology().queue(b"q").unwrap().id;
    assert_eq!(client.vhost.cell(queue).unwrap().settings().max_length, Some(4));
}

#[test]
fn a_queue_after_a_restart_has_an_id_that_none_before_had() {
    let disk = FaultyDisk::new();
    let node = start(&disk);
    let client = Client::of(&node);
    for queue in ["a", "b"] {
        client.declare_queue(queue, true);
    }
    client.delete_queue("b").unwrap();
    let before = client.vhost.topology().queue(b"a").unwrap().id;
    let last = node.next_queue().unwrap();
    let node = start(&disk.after_power_cut(Unsynced::Lost));
    let client = Client::of(&node);
    client.declare_queue("c", true);
    let topology = client.vhost.topology();
    assert_eq!(topology.queue(b"a").unwrap().id, before);
    assert!(topology.queue(b"c").unwrap().id > last);
}

#[test]
fn what_does_not_last_never_reaches_the_disk() {
    let disk = FaultyDisk::new();
    let node = start(&disk);
    let client = Client::of(&node);
    client.declare_queue("first", false);
    let before = disk.operations();
    client.declare_exchange("x", false);
    for n in 0..100 {
        client.declare_queue(&n.to_string(), false);
        client.bind("amq.fanout", &n.to_string());
        client.bind("x", &n.to_string());
    }
    client.delete_queue("7").unwrap();
    client.vhost.connection_ended(node.clock.now(), ConnectionId(1));
    assert_eq!(disk.operations(), before);
}

#[test]
fn a_durable_declaration_is_one_commit_and_declaring_it_again_none() {
    let disk = FaultyDisk::new();
    let node = start(&disk);
    let client = Client::of(&node);
    client.declare_queue("first", true);
    let syncs = || disk.trace().iter().filter(|operation| operation.to_string().starts_with("sync")).count();
    let before = syncs();
    client.declare_queue("q", true);
    client.bind("amq.fanout", "q");
    assert_eq!(syncs() - before, 2);
    client.declare_queue("q", true);
    client.bind("amq.fanout", "q");
    assert_eq!(syncs() - before, 2);
}

#[test]
fn what_cannot_be_stored_on_a_full_disk_is_refused_and_nothing_of_it_has_happened() {
    let disk = FaultyDisk::new();
    let node = start(&disk);
    let client = Client::of(&node);
    client.declare_exchange("x", true);
    client.declare_queue("q", true);
    let length = Disk::open(&disk, "meta.redb".as_ref(), false).unwrap().len().unwrap();
    disk.capacity(length);
    let no_space = |result: Result<(), BrokerError>| match result {
        Ok(()) => false,
        Err(error) => {
            assert_eq!((error.code().code(), &error), (541, &BrokerError::Connection(ConnectionError::NoSpace)));
            true
        }
    };
    let many = |what: &dyn Fn(&str) -> Result<(), BrokerError>| {
        let names = (0..20_000).map(|number| format!("{number}{}", ".".repeat(200)));
        names.take_while(|name| !no_space(what(name))).count()
    };
    let queues = many(&|name| client.try_to_declare_queue(name, true));
    let refused = format!("{queues}{}", ".".repeat(200));
    assert!(no_space(client.try_to_declare_exchange(&refused, true)));
    assert!(no_space(client.try_to_bind("x", "q")), "nothing fits any more");
    let check = |client: &Client<'_>| {
        let topology = client.vhost.topology();
        assert!(topology.queue(refused.as_bytes()).is_none() && topology.exchange(refused.as_bytes()).is_none());
        assert!(client.routed("x").is_empty() && topology.queue(b"q").is_some());
        let last = format!("{}{}", queues.saturating_sub(1), ".".repeat(200));
        assert_eq!(topology.queue(last.as_bytes()).is_some(), queues > 0);
    };
    check(&client);
    client.declare_queue("transient", false);
    check(&Client::of(&start(&disk.after_power_cut(Unsynced::Lost))));
    disk.heal();
    client.declare_queue(&refused, true);
    client.declare_exchange(&refused, true);
    client.bind(&refused, &refused);
    let node = start(&disk.after_power_cut(Unsynced::Lost));
    assert_eq!(Client::of(&node).routed(&refused), [refused.as_str()]);
}

#[test]
fn what_makes_room_goes_on_on_a_full_disk_in_what_is_kept_back() {
    const KEPT_BACK: u64 = 4 << 20;
    let disk = FaultyDisk::new();
    let all: Arc<dyn Disk> = Arc::new(disk.clone());
    let reserve = Arc::new(Reserve::of(&all, KEPT_BACK).unwrap());
    let node = start_on(Meta::open(&disk).unwrap().with_reserve(Arc::clone(&reserve)));
    let client = Client::of(&node);
    client.declare_exchange("x", true);
    client.declare_exchange("doomed", true);
    for queue in ["kept", "unbound", "deleted"] {
        client.declare_queue(queue, true);
        client.bind("x", queue);
    }
    reserve.make().unwrap();
    disk.fill_up();
    let mut last = 0;
    while client.try_to_declare_queue(&format!("{last}{}", ".".repeat(200)), true).is_ok() {
        last += 1;
    }
    assert!(last > 10 && reserve.is_there() && reserve.take_found_full());

    assert_eq!(client.delete_queue("deleted").unwrap(), 0);
    client.unbind("x", "unbound");
    client.delete_exchange("doomed");
    for number in 0..last / 2 {
        client.delete_queue(&format!("{number}{}", ".".repeat(200))).unwrap();
    }
    assert!(reserve.is_taken() && !reserve.is_there() && reserve.take_found_full());
    let refused = client.try_to_declare_queue("refused", true);
    assert_eq!(refused.unwrap_err(), BrokerError::Connection(ConnectionError::NoSpace), "what is left is for others");
    client.declare_queue("transient", false);
    client.declare_queue("kept", true);
    let check = |client: &Client<'_>| {
        assert_eq!(client.routed("x"), ["kept"]);
        let topology = client.vhost.topology();
        assert!(topology.exchange(b"doomed").is_none() && topology.queue(b"deleted").is_none());
        assert!(topology.queue(b"unbound").is_some() && topology.queue(b"refused").is_none());
        let there = |number: usize| topology.queue(format!("{number}{}", ".".repeat(200)).as_bytes()).is_some();
        assert!((0..last).all(|number| there(number) == (number >= last / 2)));
    };
    check(&client);
    check(&Client::of(&start(&disk.after_power_cut(Unsynced::Lost))));

    disk.heal();
    reserve.make().unwrap();
    client.declare_queue("refused", true);
    let node = start(&disk.after_power_cut(Unsynced::Lost));
    assert!(Client::of(&node).vhost.topology().queue(b"refused").is_some());
}

#[test]
fn a_failing_disk_ends_the_process_before_anybody_is_answered() {
    const CHILD: &str = "LEVERET_TEST_OF_A_FAILING_DISK";
    const THIS: &str = "node::restart_tests::a_failing_disk_ends_the_process_before_anybody_is_answered";
    if std::env::var_os(CHILD).is_some() {
        let disk = FaultyDisk::new();
        let node = start(&disk);
        let client = Client::of(&node);
        client.declare_queue("first", true);
        println!("the first is answered");
        disk.fail_sync(1);
        client.declare_queue("second", true);
        println!("the second is answered");
        return;
    }
    let itself = std::env::current_exe().unwrap();
    let child = Command::new(itself).args(["--exact", THIS, "--nocapture"]).env(CHILD, "1").output().unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    assert_eq!(child.status.code(), Some(74), "{told}");
    assert!(told.contains("the first is answered") && !told.contains("the second is answered"), "{told}");
}
