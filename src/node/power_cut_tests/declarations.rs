//! Queues that are declared without waiting for the answers: few commits, nothing answered that is lost, nothing there that was
//! refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use leveret_protocol::{Method, basic, connection, queue};
use parking_lot::Mutex;

use super::client::Client;
use super::{body, name};
use crate::config::Config;
use crate::node::cell::QueueCell;
use crate::node::{Clock, Definitions, Node};
use crate::store::disk::Disk;
use crate::store::disk::faulty::{FaultyDisk, Unsynced};
use crate::store::meta::Meta;

/// A node whose only operations on the disk are those of definitions.
fn start(disk: &FaultyDisk) -> Arc<Node> {
    let (definitions, stored) = Definitions::load(Arc::new(Meta::open(disk).unwrap())).unwrap();
    let node = Node::restore(&Config::default(), Clock::start(), definitions, stored, None, &mut QueueCell::new);
    Arc::new(node.unwrap())
}

fn declare(queue: &str, durable: bool) -> queue::Declare {
    queue::Declare { queue: name(queue), durable, ..Default::default() }
}

fn declared(queue: &str) -> Method {
    queue::DeclareOk { queue: name(queue), message_count: 0, consumer_count: 0 }.into()
}

fn is_there(node: &Node, queue: &str) -> bool {
    node.vhost(&name("/")).unwrap().topology().queue(queue.as_bytes()).is_some()
}

fn syncs(disk: &FaultyDisk) -> usize {
    disk.trace().iter().filter(|operation| operation.to_string().starts_with("sync")).count()
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number}")).collect()
}

#[test]
fn durable_queues_that_one_read_declares_are_one_commit_and_answered_in_their_order() {
    let disk = FaultyDisk::new();
    let node = start(&disk);
    let mut client = Client::connect(&node);
    client.call(declare("first", true));
    let before = syncs(&disk);
    let names = names("q", 50);
    names.iter().for_each(|name| client.send(1, declare(name, true)));
    // There already, or to be: answered in its place.
    client.send(1, declare("first", true));
    client.send(1, declare("q7", true));
    client.send(1, declare("transient", false));
    client.turn();
    let more = ["first", "q7", "transient"].map(declared);
    assert_eq!(client.replies, names.iter().map(|name| declared(name)).chain(more).collect::<Vec<_>>());
    assert_eq!(syncs(&disk) - before, 1);
    let node = start(&disk.after_power_cut(Unsynced::Lost));
    assert!(names.iter().all(|name| is_there(&node, name)) && !is_there(&node, "transient"));
}

#[test]
fn what_follows_a_declaration_in_the_same_read_finds_the_queue() {
    let disk = FaultyDisk::new();
    let node = start(&disk);
    let mut client = Client::connect(&node);
    client.send(1, declare("q", true));
    client.publish("", "q", &body(7, 10));
    client.send(1, declare("other", true));
    client.send(1, basic::Get { queue: name("q"), no_ack: true, ..Default::default() });
    client.turn();
    assert_eq!(client.replies.first(), Some(&declared("q")));
    assert_eq!(client.replies.get(1), Some(&declared("other")));
    assert!(matches!(client.replies.get(2), Some(Method::Basic(basic::Method::GetOk(_)))), "{:?}", client.replies);
    assert_eq!(client.bodies, [body(7, 10)]);
}

#[test]
fn declarations_that_find_no_room_are_not_answered_and_none_of_them_is_there() {
    let disk = FaultyDisk::new();
    let node = start(&disk);
    let mut client = Client::connect(&node);
    assert_eq!(client.call(declare("first", true)), declared("first"));
    let length = Disk::open(&disk, "meta.redb".as_ref(), false).unwrap().len().unwrap();
    disk.capacity(length);
    let names = names(&".".repeat(200), 20_000);
    names.iter().for_each(|name| client.send(1, declare(name, true)));
    client.turn();
    let close = connection::Close {
        reply_code: 541,
        reply_text: name("INTERNAL_ERROR - no space left on the disk to store what was declared"),
        class_id: 50,
        method_id: 10,
    };
    assert_eq!(client.replies, [close.into()]);
    assert!(names.iter().all(|name| !is_there(&node, name)) && is_there(&node, "first"));
    disk.heal();
    let mut client = Client::connect(&node);
    assert_eq!(client.call(declare(&names[3], true)), declared(&names[3]));
    let node = start(&disk.after_power_cut(Unsynced::Lost));
    assert!(is_there(&node, &names[3]) && !is_there(&node, &names[4]));
}

#[test]
fn what_several_connections_declare_at_once_outlives_every_power_cut_once_it_is_answered() {
    const CONNECTIONS: usize = 4;
    let disk = FaultyDisk::new();
    let node = start(&disk);
    let (answered, stop) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false));
    // The same names on all connections, so that some are declared while they are being written.
    let work = || {
        let mut client = Client::connect(&node);
        for round in 0.. {
            let names = names(&format!("{round}-"), 1 + round % 5);
            names.iter().for_each(|name| client.send(1, declare(name, true)));
            client.turn();
            assert_eq!(client.replies, names.iter().map(|name| declared(name)).collect::<Vec<_>>());
            client.replies.clear();
            answered.lock().extend(names);
            if stop.load(Ordering::Relaxed) {
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(work);
        }
        for cut in 0..20 {
            while answered.lock().len() < 10 * cut {
                thread::yield_now();
            }
            let told: BTreeSet<String> = answered.lock().clone();
            let fate = if cut % 2 == 0 { Unsynced::Lost } else { Unsynced::Chance(cut as u64) };
            let after = start(&disk.after_power_cut(fate));
            let missing: Vec<_> = told.iter().filter(|name| !is_there(&after, name)).collect();
            assert!(missing.is_empty(), "cut {cut}: {missing:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    let there = node.vhost(&name("/")).unwrap();
    assert!(answered.lock().iter().all(|name| there.topology().queue(name.as_bytes()).is_some()));
}
