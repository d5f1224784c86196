//! Moves without a wire: over power cuts each message is in one queue, and only there.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use leveret_protocol::{FieldTable, Properties, ShortString};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Course, Destination, Filter, next_page};
use crate::broker::auth::{Actor, Permissions, User};
use crate::broker::channel::compose::compose;
use crate::broker::ids::ConnectionId;
use crate::broker::vhost::QueueDeclaration;
use crate::config::Config;
use crate::node::Node;
use crate::node::cell::QueueCell;
use crate::node::open::Sizes;
use crate::store::disk::Disk;
use crate::store::disk::faulty::{FaultyDisk, Unsynced};

const MESSAGES: u64 = 400;

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn actor() -> Actor {
    Actor {
        connection: ConnectionId(1),
        user: Arc::new(User { name: name("guest"), tags: Vec::new() }),
        permissions: Arc::new(Permissions::parse(".*", ".*", ".*").unwrap()),
    }
}

fn open(disk: &FaultyDisk) -> Node {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Node::open_on(&Config::default(), &disk, Sizes { file: Some(64 * 1024) }).unwrap()
}

fn declare(node: &Node, queue: &str) {
    let wanted = QueueDeclaration {
        name: name(queue),
        durable: true,
        exclusive: false,
        auto_delete: false,
        arguments: FieldTable::new(),
        id: node.next_queue().unwrap(),
        generated: String::new(),
    };
    node.vhost(&name("/")).unwrap().declare_queue(node.clock.now(), &actor(), wanted).unwrap();
}

fn cell(node: &Node, queue: &str) -> Arc<QueueCell> {
    let vhost = node.vhost(&name("/")).unwrap();
    let id = vhost.topology().queue(queue.as_bytes()).unwrap().id;
    vhost.cell(id).unwrap()
}

/// Persistent messages with their numbers as bodies, all on the disk.
fn fill(node: &Node, queue: &str, random: &mut StdRng) {
    let (cell, now) = (cell(node, queue), node.clock.now());
    let properties = Properties { delivery_mode: Some(2), ..Properties::default() };
    let mut position = None;
    for number in 0..MESSAGES {
        let mut body = number.to_le_bytes().to_vec();
        body.resize(8 + random.random_range(0..600), 0);
        let message = compose(&name(""), &name(queue), properties.clone(), &body, 1 << 20, now).unwrap();
        position = position.max(cell.publish(now, &mut vec![message.into()]).unwrap().appended);
    }
    let deadline = now.after(Duration::from_secs(30));
    while Some(node.durable()) < position {
        assert!(node.clock.now() < deadline, "the disk takes it in time");
        thread::yield_now();
    }
}

fn numbers(node: &Node, queue: &str) -> Vec<u64> {
    let (cell, mut after, mut numbers) = (cell(node, queue), None, Vec::new());
    while let Some((page, last)) = next_page(&cell, after, 100) {
        after = Some(last);
        numbers.extend(page.iter().map(|peeked| u64::from_le_bytes(peeked.message.body()[..8].try_into().unwrap())));
    }
    numbers
}

#[test]
fn a_moved_message_is_in_one_queue_and_only_there_through_power_cuts() {
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut disk = FaultyDisk::new();
        let mut node = open(&disk);
        ["from", "to"].iter().for_each(|queue| declare(&node, queue));
        fill(&node, "from", &mut random);
        for cut in 0..8 {
            let course = Course::new(&cell(&node, "from"), &actor(), Filter::default(), Destination::Queue(name("to")));
            let (mut course, vhost) = (course, node.vhost(&name("/")).unwrap());
            for _ in 0..random.random_range(0..6) {
                let most = random.random_range(1..30);
                let step = course.step(node.clock.now(), &vhost, most);
                assert!(step.moved <= u64::try_from(most).unwrap() && !step.blocked && step.stuck == 0);
            }
            let fate = match random.random_range(0..4) {
                0 => Unsynced::Lost,
                1 => Unsynced::Kept,
                _ => Unsynced::Chance(random.random()),
            };
            disk = disk.after_power_cut(fate);
            node.close(false);
            drop((course, vhost));
            node = open(&disk);
            let (from, to) = (numbers(&node, "from"), numbers(&node, "to"));
            let context = format!("seed {seed}, cut {cut}, {fate:?}");
            assert!(from.is_sorted() && to.is_sorted(), "{context}: in order");
            let mut all = [from, to].concat();
            all.sort_unstable();
            assert_eq!(all, Vec::from_iter(0..MESSAGES), "{context}: each in one of them");
        }
        node.close(false);
    }
}

#[test]
fn removing_one_message_leaves_its_neighbours_wherever_they_are() {
    let disk = FaultyDisk::new();
    let node = open(&disk);
    declare(&node, "from");
    fill(&node, "from", &mut StdRng::seed_from_u64(7));
    node.close(false);
    let node = open(&disk.after_power_cut(Unsynced::Kept));
    let queue = cell(&node, "from");
    let (page, _) = next_page(&queue, None, 100).unwrap();
    let course = Course::new(&queue, &actor(), Filter::default(), Destination::Nowhere);
    let now = node.clock.now();
    for at in [0, 1, 50, 49, 51] {
        assert!(course.remove(now, page[at].sequence), "{at}");
        assert!(!course.remove(now, page[at].sequence), "{at} is gone");
    }
    let left: Vec<u64> = (0..MESSAGES).filter(|number| ![0, 1, 49, 50, 51].contains(number)).collect();
    assert_eq!(numbers(&node, "from"), left);
    node.close(false);
}

#[test]
fn large_messages_make_short_pages() {
    let node = Node::new(&Config::default()).unwrap();
    declare(&node, "from");
    let (queue, now) = (cell(&node, "from"), node.clock.now());
    let body = vec![7; 3 << 20];
    for _ in 0..3 {
        let message = compose(&name(""), &name("from"), Properties::default(), &body, 1 << 30, now).unwrap();
        queue.publish(now, &mut vec![message.into()]).unwrap();
    }
    let (first, after) = next_page(&queue, None, 100).unwrap();
    let (rest, after) = next_page(&queue, Some(after), 100).unwrap();
    assert_eq!((first.len(), rest.len()), (2, 1));
    assert_eq!(next_page(&queue, Some(after), 100), None);
}
