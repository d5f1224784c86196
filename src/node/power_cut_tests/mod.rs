//! A whole node on a disk that loses what was not synced: clients are told nothing that a power cut makes untrue, through
//! many cuts in a row, with log files and segments so small that messages move from one to the other meanwhile.

mod deduplication;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use leveret_protocol::{
    ContentHeader, FieldTable, FieldValue, FrameKind, Method, PROTOCOL_HEADER, Properties, ShortString, Split, basic,
    channel, confirm, connection, exchange, frame, queue, tx,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::open::Sizes;
use super::session::{Session, Workspace};
use super::{Node, NodeError};
use crate::config::Config;
use crate::store::disk::Disk;
use crate::store::disk::faulty::{FaultyDisk, Unsynced};

const QUEUES: [&str; 3] = ["whole", "taken", "paged"];
const FILE: u32 = 64 * 1024;
/// How long anything may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(30);

fn open(disk: &FaultyDisk) -> Arc<Node> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Arc::new(Node::open_on(&Config::default(), &disk, Sizes { file: Some(FILE) }).unwrap())
}

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

/// A client whose channel 1 is open.
struct Client {
    node: Arc<Node>,
    session: Session,
    work: Workspace,
    input: BytesMut,
    out: BytesMut,
    /// Methods that came and were not looked at, apart from confirms.
    replies: Vec<Method>,
    bodies: Vec<Vec<u8>>,
    /// Publishes that are confirmed.
    confirmed: u64,
}

impl Client {
    fn connect(node: &Arc<Node>) -> Self {
        let mut client = Self {
            node: Arc::clone(node),
            session: Session::open(node, SocketAddr::from(([127, 0, 0, 1], 5672))),
            work: Workspace::default(),
            input: BytesMut::from(&PROTOCOL_HEADER[..]),
            out: BytesMut::new(),
            replies: Vec::new(),
            bodies: Vec::new(),
            confirmed: 0,
        };
        let start_ok =
            connection::StartOk { mechanism: name("PLAIN"), response: "\0guest\0guest".into(), ..Default::default() };
        client.send(0, start_ok);
        client.send(0, connection::TuneOk { channel_max: 1, frame_max: 131_072, heartbeat: 0 });
        client.send(0, connection::Open { virtual_host: name("/"), ..Default::default() });
        client.send(1, channel::Open::default());
        client.wait_until(|client| client.replies.iter().any(|reply| matches!(reply, Method::Channel(_))));
        client.replies.clear();
        client
    }

    fn send(&mut self, channel: u16, method: impl Into<Method>) {
        method.into().write_frame(channel, &mut self.input);
    }

    fn call(&mut self, method: impl Into<Method>) -> Method {
        self.send(1, method);
        self.wait_until(|client| !client.replies.is_empty());
        self.replies.remove(0)
    }

    fn publish(&mut self, exchange: &str, routing_key: &str, body: &[u8]) {
        self.publish_urgent(exchange, routing_key, None, body);
    }

    fn publish_urgent(&mut self, exchange: &str, routing_key: &str, priority: Option<u8>, body: &[u8]) {
        self.send(1, basic::Publish { exchange: name(exchange), routing_key: name(routing_key), ..Default::default() });
        let properties = Properties { delivery_mode: Some(2), priority, ..Properties::default() };
        ContentHeader { class_id: 60, weight: 0, body_size: u64::try_from(body.len()).unwrap(), properties }
            .write_frame(1, &mut self.input);
        frame::write_frame(&mut self.input, FrameKind::Body, 1, |out| out.extend_from_slice(body));
    }

    fn publish_keyed(&mut self, exchange: &str, routing_key: &str, key: u64, body: &[u8]) {
        self.send(1, basic::Publish { exchange: name(exchange), routing_key: name(routing_key), ..Default::default() });
        let headers = std::iter::once((name("x-deduplication-header"), FieldValue::text(&key.to_string()))).collect();
        let properties = Properties { delivery_mode: Some(2), headers: Some(headers), ..Properties::default() };
        ContentHeader { class_id: 60, weight: 0, body_size: u64::try_from(body.len()).unwrap(), properties }
            .write_frame(1, &mut self.input);
        frame::write_frame(&mut self.input, FrameKind::Body, 1, |out| out.extend_from_slice(body));
    }

    fn publish_delayed(&mut self, millis: i32, body: &[u8]) {
        self.send(1, basic::Publish { exchange: name("later"), ..Default::default() });
        let headers = std::iter::once((name("x-delay"), FieldValue::I32(millis))).collect();
        let properties = Properties { delivery_mode: Some(2), headers: Some(headers), ..Properties::default() };
        ContentHeader { class_id: 60, weight: 0, body_size: u64::try_from(body.len()).unwrap(), properties }
            .write_frame(1, &mut self.input);
        frame::write_frame(&mut self.input, FrameKind::Body, 1, |out| out.extend_from_slice(body));
    }

    /// One turn of the connection.
    fn turn(&mut self) {
        if !self.input.is_empty() && !self.session.is_paused() {
            let taken = self.session.receive(&self.input, usize::MAX, &mut self.work, &mut self.out);
            self.input.advance(taken);
        }
        self.session.drain(usize::MAX, &mut self.work, &mut self.out);
        self.look();
    }

    fn look(&mut self) {
        while let Ok(Split::Frame { frame, consumed }) = frame::split(&self.out, 0) {
            match frame.kind {
                FrameKind::Method => {
                    let method = Method::decode(frame.payload).unwrap();
                    if let Method::Basic(basic::Method::Ack(ack)) = method {
                        self.confirmed = ack.delivery_tag;
                    } else {
                        self.replies.push(method);
                    }
                }
                FrameKind::Body => self.bodies.push(frame.payload.to_vec()),
                FrameKind::Header | FrameKind::Heartbeat => {}
            }
            self.out.advance(consumed);
        }
    }

    fn wait_until(&mut self, mut happened: impl FnMut(&Self) -> bool) {
        let deadline = self.node.clock.now().after(PATIENCE);
        loop {
            self.turn();
            if happened(self) {
                return;
            }
            assert!(self.node.clock.now() < deadline, "it happens in time; {:?}", self.replies);
            thread::yield_now();
        }
    }

    fn declare_all(&mut self) {
        for queue in QUEUES {
            self.call(queue::Declare { queue: name(queue), durable: true, ..Default::default() });
            self.call(queue::Bind { queue: name(queue), exchange: name("amq.fanout"), ..Default::default() });
        }
    }

    /// The numbers of the messages of a queue, which are left in it, or not.
    fn numbers(&mut self, queue: &str, no_ack: bool) -> Vec<u64> {
        self.bodies.clear();
        while !matches!(
            self.call(basic::Get { queue: name(queue), no_ack, ..Default::default() }),
            Method::Basic(basic::Method::GetEmpty(_))
        ) {}
        self.bodies.iter().map(|body| number(body)).collect()
    }

    fn end(mut self) {
        self.session.end(&mut self.work, &mut self.out);
        self.node.close(false);
    }
}

/// A body that tells its number and is that of no other.
fn body(number: u64, size: usize) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.resize(8 + size, number.to_le_bytes()[0]);
    body
}

fn number(body: &[u8]) -> u64 {
    assert!(body[8..].iter().all(|byte| *byte == body[0]), "a message is altered");
    u64::from_le_bytes(body[..8].try_into().unwrap())
}

/// What clients were told, through all power cuts.
#[derive(Default)]
struct Told {
    published: u64,
    confirmed: BTreeSet<u64>,
    taken: BTreeSet<u64>,
    /// Was not there after a power cut.
    lost: BTreeSet<u64>,
}

impl Told {
    /// Publishes to all queues and takes from one, for so many turns; what has been confirmed by then is noted.
    fn work(&mut self, client: &mut Client, turns: u32, random: &mut StdRng) {
        let (first, mut sent) = (self.published, 0);
        for _ in 0..turns {
            for _ in 0..random.random_range(1..8) {
                client.publish("amq.fanout", "", &body(self.published, random.random_range(0..6_000)));
                (self.published, sent) = (self.published + 1, sent + 1);
            }
            if random.random_ratio(1, 3) {
                client.turn();
            } else {
                let least = random.random_range(0..=sent);
                client.wait_until(|client| client.confirmed >= least);
            }
            if random.random_ratio(1, 2) {
                client.bodies.clear();
                client.call(basic::Get { queue: name("taken"), no_ack: true, ..Default::default() });
                client.wait_until(|client| client.replies.is_empty());
                self.taken.extend(client.bodies.drain(..).map(|body| number(&body)));
            }
        }
        self.confirmed.extend(first..first + client.confirmed);
    }

    /// Holds a node after a power cut against it.
    fn check(&mut self, node: &Arc<Node>, context: &str) {
        let mut client = Client::connect(node);
        let [whole, taken, paged] = QUEUES.map(|queue| client.numbers(queue, false));
        client.session.end(&mut client.work, &mut client.out);
        assert_eq!(whole, paged, "{context}: a message is in all its queues or in none");
        for numbers in [&whole, &taken] {
            assert!(numbers.is_sorted_by(|one, other| one < other), "{context}: in order, each once: {numbers:?}");
            assert!(numbers.iter().all(|number| *number < self.published), "{context}: nobody published one");
            assert!(numbers.iter().all(|number| !self.lost.contains(number)), "{context}: one was gone and is back");
        }
        let there: BTreeSet<u64> = whole.into_iter().collect();
        let missing: Vec<_> = self.confirmed.difference(&there).collect();
        assert!(missing.is_empty(), "{context}: {missing:?} were confirmed");
        let left: BTreeSet<u64> = taken.into_iter().chain(self.taken.iter().copied()).collect();
        let missing: Vec<_> = there.difference(&left).collect();
        assert!(missing.is_empty(), "{context}: {missing:?} are in one queue and not in the other");
        self.lost.extend((0..self.published).filter(|number| !there.contains(number)));
        // Whatever survived one power cut is as good as confirmed.
        self.confirmed.extend(there);
    }
}

#[test]
fn what_was_confirmed_is_in_all_its_queues_through_many_power_cuts() {
    let mut segments = 0;
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut disk = FaultyDisk::new();
        let mut told = Told::default();
        let mut node = open(&disk);
        Client::connect(&node).declare_all();
        for cut in 0..8 {
            let mut client = Client::connect(&node);
            client.call(confirm::Select::default());
            told.work(&mut client, random.random_range(1..20), &mut random);
            let fate = match random.random_range(0..4) {
                0 => Unsynced::Lost,
                1 => Unsynced::Kept,
                _ => Unsynced::Chance(random.random()),
            };
            disk = disk.after_power_cut(fate);
            client.end();
            segments = segments.max(disk.list(Path::new("segments")).unwrap_or_default().len());
            node = open(&disk);
            told.check(&node, &format!("seed {seed}, cut {cut}, {fate:?}"));
        }
        node.close(false);
    }
    assert!(segments > 0, "old messages have moved");
}

/// Messages to a queue with priorities up to 3, through power cuts.
#[derive(Default)]
struct Urgent {
    /// By number.
    priorities: Vec<u8>,
    confirmed: BTreeSet<u64>,
    taken: BTreeSet<u64>,
    lost: BTreeSet<u64>,
}

impl Urgent {
    const QUEUE: &str = "urgent";
    const OTHER: &str = "other";

    fn declare(client: &mut Client) {
        for (queue, highest) in [(Self::QUEUE, 3), (Self::OTHER, 255)] {
            let mut arguments = FieldTable::new();
            arguments.insert("x-max-priority", FieldValue::I32(highest));
            client.call(queue::Declare { queue: name(queue), durable: true, arguments, ..Default::default() });
        }
        client.call(queue::Bind { queue: name(Self::OTHER), exchange: name("amq.fanout"), ..Default::default() });
        client.call(queue::Bind { queue: name(Self::QUEUE), exchange: name("amq.fanout"), ..Default::default() });
    }

    /// Publishes, to this queue alone or to another one, too, and takes what is first.
    fn work(&mut self, client: &mut Client, turns: u32, random: &mut StdRng) {
        let first = self.next();
        for _ in 0..turns {
            for _ in 0..random.random_range(1..8) {
                let exchange = if random.random() { "amq.fanout" } else { "" };
                let priority = random.random_range(0..6);
                let body = body(self.next(), random.random_range(0..6_000));
                client.publish_urgent(exchange, Self::QUEUE, Some(priority), &body);
                self.priorities.push(priority);
            }
            let least = random.random_range(0..=self.next() - first);
            client.wait_until(|client| client.confirmed >= least);
            for _ in 0..random.random_range(0..4) {
                client.bodies.clear();
                client.call(basic::Get { queue: name(Self::QUEUE), no_ack: true, ..Default::default() });
                self.taken.extend(client.bodies.drain(..).map(|body| number(&body)));
            }
        }
        self.confirmed.extend(first..first + client.confirmed);
    }

    fn next(&self) -> u64 {
        u64::try_from(self.priorities.len()).unwrap()
    }

    fn check(&mut self, node: &Arc<Node>, context: &str) {
        let mut client = Client::connect(node);
        let numbers = client.numbers(Self::QUEUE, false);
        client.session.end(&mut client.work, &mut client.out);
        let place = |number: &u64| (3 - self.priorities[usize::try_from(*number).unwrap()].min(3), *number);
        let in_order = numbers.is_sorted_by(|one, other| place(one) < place(other));
        assert!(in_order, "{context}: by priority, each once: {numbers:?}");
        let there: BTreeSet<u64> = numbers.into_iter().collect();
        assert!(there.is_disjoint(&self.lost), "{context}: one was gone and is back");
        let missing: Vec<_> = self.confirmed.difference(&there).filter(|number| !self.taken.contains(number)).collect();
        assert!(missing.is_empty(), "{context}: {missing:?} were confirmed");
        self.lost.extend((0..self.next()).filter(|number| !there.contains(number)));
        self.confirmed.extend(there);
    }
}

#[test]
fn a_queue_with_priorities_keeps_what_was_confirmed_in_its_order_through_many_power_cuts() {
    let mut segments = 0;
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut disk, mut urgent) = (FaultyDisk::new(), Urgent::default());
        let mut node = open(&disk);
        Urgent::declare(&mut Client::connect(&node));
        for cut in 0..8 {
            let mut client = Client::connect(&node);
            client.call(confirm::Select::default());
            urgent.work(&mut client, random.random_range(1..20), &mut random);
            disk = disk.after_power_cut(Unsynced::Chance(random.random()));
            client.end();
            segments = segments.max(disk.list(Path::new("segments")).unwrap_or_default().len());
            node = open(&disk);
            urgent.check(&node, &format!("seed {seed}, cut {cut}"));
        }
        node.close(false);
    }
    assert!(segments > 0, "old messages have moved");
}

#[test]
fn a_read_that_fails_once_loses_no_message() {
    let disk = FaultyDisk::new();
    let node = open(&disk);
    let mut client = Client::connect(&node);
    client.declare_all();
    client.call(confirm::Select::default());
    (0..3).for_each(|number| client.publish("", "whole", &body(number, 100)));
    client.wait_until(|client| client.confirmed == 3);
    let disk = disk.after_power_cut(Unsynced::Lost);
    client.end();
    let node = open(&disk);
    let mut client = Client::connect(&node);
    disk.fail_read(1);
    assert_eq!(client.numbers("whole", false), [0, 1, 2]);
    let disk = disk.after_power_cut(Unsynced::Kept);
    client.end();
    let node = open(&disk);
    assert_eq!(Client::connect(&node).numbers("whole", false), [0, 1, 2], "nothing was settled for them");
    node.close(false);
}

#[test]
fn a_connection_that_is_closed_while_its_get_waits_for_the_disk_takes_no_message() {
    let disk = FaultyDisk::new();
    let node = open(&disk);
    let mut client = Client::connect(&node);
    client.declare_all();
    client.call(confirm::Select::default());
    (0..3).for_each(|number| client.publish("", "whole", &body(number, 100)));
    client.wait_until(|client| client.confirmed == 3);
    let disk = disk.after_power_cut(Unsynced::Lost);
    client.end();
    let node = open(&disk);
    let (mut closed, mut other) = (Client::connect(&node), Client::connect(&node));
    // The message comes half a second later, and so not before the connection is closed.
    disk.fail_read(1);
    closed.send(1, basic::Get { queue: name("whole"), ..Default::default() });
    closed.session.outbox().force_close("to see what becomes of it");
    closed.turn();
    assert!(matches!(closed.replies.as_slice(), [Method::Connection(connection::Method::Close(_))]));
    closed.send(0, connection::CloseOk);
    closed.turn();
    assert!(closed.session.is_closed(), "close-ok is read although the get has no answer");
    for number in 0..3 {
        other.bodies.clear();
        other.send(1, basic::Get { queue: name("whole"), ..Default::default() });
        other.wait_until(|other| {
            closed.turn();
            !other.replies.is_empty()
        });
        other.replies.clear();
        assert_eq!(other.bodies.iter().map(|body| self::number(body)).collect::<Vec<_>>(), [number]);
    }
    node.close(false);
}

/// Flips a bit in a file.
fn damage(disk: &FaultyDisk, path: &Path, offset: u64) {
    let file = disk.open(path, false).unwrap();
    let mut byte = [0];
    file.read_at(offset, &mut byte).unwrap();
    file.write_at(offset, &[&[byte[0] ^ 1]]).unwrap();
}

fn segments(disk: &FaultyDisk) -> Vec<PathBuf> {
    let directory = Path::new("segments");
    let names = disk.list(directory).unwrap().into_iter();
    names.filter(|name| name.extension().is_some_and(|it| it == "seg")).map(|name| directory.join(name)).collect()
}

/// A disk with messages in segments, of a node that has ended, and how many were published.
fn with_segments() -> (FaultyDisk, usize) {
    let disk = FaultyDisk::new();
    let node = open(&disk);
    let mut client = Client::connect(&node);
    client.declare_all();
    client.call(confirm::Select::default());
    let mut published = 0;
    while segments(&disk).len() < 2 {
        client.publish("", "whole", &body(published, 4000));
        published += 1;
        client.wait_until(|client| client.confirmed == published);
    }
    client.end();
    (disk.after_power_cut(Unsynced::Kept), usize::try_from(published).unwrap())
}

/// Starts on what is on the disk, which the node before may not have let go of yet.
fn start(disk: &mut FaultyDisk, salvage: bool) -> Result<Arc<Node>, NodeError> {
    *disk = disk.after_power_cut(Unsynced::Kept);
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let config = Config { salvage, ..Config::default() };
    Node::open_on(&config, &disk, Sizes { file: Some(FILE) }).map(Arc::new)
}

#[test]
fn a_damaged_segment_is_refused_and_salvage_goes_on_without_it_at_all_later_starts() {
    for missing in [false, true] {
        let (mut disk, published) = with_segments();
        let name = segments(&disk).remove(0);
        if missing {
            disk.remove(&name).unwrap();
        } else {
            damage(&disk, &name, 20);
        }
        let error = start(&mut disk, false).unwrap_err();
        assert!(error.is_damage() && error.to_string().contains("segments/00000001.seg"), "{error}");
        let mut there = Vec::new();
        for salvage in [true, false, false] {
            let node = start(&mut disk, salvage).unwrap();
            let mut client = Client::connect(&node);
            let numbers = client.numbers("whole", false);
            client.end();
            assert!(!numbers.is_empty() && numbers.len() < published);
            assert!(there.is_empty() || there == numbers, "what is left stays");
            there = numbers;
        }
        assert_eq!(disk.open(&name, false).is_ok(), !missing, "a damaged file is kept");
    }
}

#[test]
fn a_damaged_message_that_was_given_up_keeps_no_later_start_from_going_on() {
    let (mut disk, published) = with_segments();
    damage(&disk, &segments(&disk)[0], 32 + 6000);
    for _ in 0..3 {
        let node = start(&mut disk, false).unwrap();
        let mut client = Client::connect(&node);
        let numbers = client.numbers("whole", false);
        client.end();
        assert_eq!(numbers, (0..published as u64).filter(|number| *number != 1).collect::<Vec<_>>());
    }
}

#[test]
fn a_damaged_message_beside_settled_ones_is_salvaged_once() {
    let (mut disk, published) = with_segments();
    let node = start(&mut disk, false).unwrap();
    let mut client = Client::connect(&node);
    client.bodies.clear();
    client.call(basic::Get { queue: name("whole"), no_ack: true, ..Default::default() });
    client.wait_until(|client| client.bodies.len() == 1);
    client.end();
    disk = disk.after_power_cut(Unsynced::Kept);
    damage(&disk, &segments(&disk)[0], 32 + 6000);
    assert!(start(&mut disk, false).unwrap_err().is_damage());
    for salvage in [true, false, false] {
        let node = start(&mut disk, salvage).unwrap();
        let mut client = Client::connect(&node);
        assert_eq!(client.numbers("whole", false), (2..published as u64).collect::<Vec<_>>());
        client.end();
    }
}

#[test]
fn a_transaction_survives_a_power_cut_as_a_whole_or_not_at_all() {
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut disk = FaultyDisk::new();
        let mut node = open(&disk);
        Client::connect(&node).declare_all();
        // Numbers of committed transactions' messages, and those of the one that a power cut met.
        let (mut committed, mut next): (Vec<u64>, u64) = (Vec::new(), 0);
        for cut in 0..6 {
            let mut client = Client::connect(&node);
            client.call(tx::Select);
            for _ in 0..random.random_range(0..4) {
                let numbers = fill(&mut client, &mut next, &mut random);
                client.call(tx::Commit);
                committed.extend(numbers);
            }
            let numbers = fill(&mut client, &mut next, &mut random);
            if random.random() {
                client.send(1, tx::Commit);
            }
            client.turn();
            disk = disk.after_power_cut(Unsynced::Chance(random.random()));
            client.end();
            node = open(&disk);
            let mut client = Client::connect(&node);
            let [whole, _, paged] = QUEUES.map(|queue| client.numbers(queue, false));
            client.session.end(&mut client.work, &mut client.out);
            assert_eq!(whole, paged, "seed {seed}, cut {cut}");
            if whole.len() > committed.len() {
                committed.extend(numbers);
            }
            assert_eq!(whole, committed, "seed {seed}, cut {cut}");
        }
        node.close(false);
    }
}

#[test]
fn delayed_messages_come_once_and_all_that_were_confirmed_through_power_cuts() {
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut disk = FaultyDisk::new();
        let mut node = open(&disk);
        let mut client = Client::connect(&node);
        let arguments = std::iter::once((name("x-delayed-type"), FieldValue::text("fanout"))).collect();
        let (exchange, kind) = (name("later"), name("x-delayed-message"));
        client.call(exchange::Declare { exchange, kind, durable: true, arguments, ..Default::default() });
        client.call(queue::Declare { queue: name("whole"), durable: true, ..Default::default() });
        client.call(queue::Bind { queue: name("whole"), exchange: name("later"), ..Default::default() });
        let (mut published, mut confirmed) = (0, BTreeSet::new());
        for _ in 0..6 {
            let mut client = Client::connect(&node);
            client.call(confirm::Select::default());
            let (first, count) = (published, random.random_range(1..60));
            for _ in 0..count {
                client.publish_delayed(random.random_range(0..400), &body(published, random.random_range(0..3_000)));
                published += 1;
            }
            let least = random.random_range(0..=count);
            client.wait_until(|client| client.confirmed >= least);
            confirmed.extend(first..first + client.confirmed);
            disk = disk.after_power_cut(Unsynced::Chance(random.random()));
            client.end();
            node = open(&disk);
        }
        let mut client = Client::connect(&node);
        let deadline = node.clock.now().after(PATIENCE);
        let mut there = Vec::new();
        while !confirmed.iter().all(|number| there.contains(number)) {
            assert!(node.clock.now() < deadline, "seed {seed}: of {confirmed:?} only {there:?} came");
            there.extend(client.numbers("whole", true));
        }
        let all = there.len();
        there.sort_unstable();
        there.dedup();
        assert_eq!(there.len(), all, "seed {seed}: each once");
        node.close(false);
    }
}

/// Publishes some messages to two queues, one by one.
fn fill(client: &mut Client, next: &mut u64, random: &mut StdRng) -> Range<u64> {
    let first = *next;
    for _ in 0..random.random_range(1..6) {
        let body = body(*next, random.random_range(0..9_000));
        client.publish("", "whole", &body);
        client.publish("", "paged", &body);
        *next += 1;
    }
    first..*next
}

/// What makes a disk fail.
type Failure = fn(&FaultyDisk);

/// What is done to a disk before something has to be made durable.
const FAILURES: [(&str, Failure); 3] = [
    ("sync", |disk| disk.fail_sync(1)),
    ("write", |disk| disk.fail_write(1)),
    ("full", |disk| disk.full_from_write(1)),
];

#[test]
fn neither_a_confirm_nor_a_commit_is_answered_when_the_disk_fails() {
    const CHILD: &str = "LEVERET_TEST_OF_A_FAILING_LOG";
    const THIS: &str = "node::power_cut_tests::neither_a_confirm_nor_a_commit_is_answered_when_the_disk_fails";
    if let Ok(wanted) = std::env::var(CHILD) {
        let (failure, transaction) = wanted.split_once(' ').unwrap();
        let fail = FAILURES.iter().find(|(name, _)| *name == failure).unwrap().1;
        return answer_on_a_failing_disk(fail, transaction == "tx");
    }
    for (failure, _) in FAILURES {
        for mode in ["tx", "confirm"] {
            let itself = std::env::current_exe().unwrap();
            let mut command = Command::new(itself);
            command.args(["--exact", THIS, "--nocapture"]).env(CHILD, format!("{failure} {mode}"));
            let child = command.output().unwrap();
            let told = String::from_utf8_lossy(&child.stdout);
            assert_eq!(child.status.code(), Some(74), "{failure}, {mode}: {told}");
            assert!(told.contains("answered: 1"), "{failure}, {mode}: {told}");
            assert!(!told.contains("answered: 2"), "{failure}, {mode}: {told}");
        }
    }
}

/// Says how often it is answered. The second answer must not come: the process ends first.
fn answer_on_a_failing_disk(fail: Failure, transaction: bool) {
    let disk = FaultyDisk::new();
    let node = open(&disk);
    let mut client = Client::connect(&node);
    client.declare_all();
    if transaction {
        client.call(tx::Select);
    } else {
        client.call(confirm::Select::default());
    }
    for answered in 1..=2 {
        client.publish("amq.fanout", "", &body(answered, 100));
        if transaction {
            client.call(tx::Commit);
        } else {
            client.wait_until(|client| client.confirmed == answered);
        }
        println!("answered: {answered}");
        fail(&disk);
    }
}
