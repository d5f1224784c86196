//! The memory limit: what a broker is given to keep goes to the disk before the alarm comes, whoever brings it and whoever
//! does not take it; and the alarm blocks who publishes, and nobody else.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::api::Api;
use crate::backlog::{MIB, number, numbered, ready};
use crate::client::PATIENCE;
use crate::peer::{Peer, published};
use crate::support::commands::{ack, consume, declare, declare_passive, method, nack, publish};
use crate::support::raw::{Event, Handshake, capabilities};
use crate::support::server::Server;

/// What the server may use. A debug build takes half of it for itself when its buffers are at their largest.
pub(crate) const LIMIT: usize = 200_000_000;

/// Bytes of a message.
const SIZE: usize = 4096;

/// Messages that are more than the limit allows.
const MANY: usize = LIMIT / 4 * 5 / SIZE;

const ALARM: &str = "memory resource limit alarm set";

pub(crate) fn limited() -> Server {
    limited_to(LIMIT)
}

pub(crate) fn limited_to(limit: usize) -> Server {
    Server::start_with(&[("vm_memory_high_watermark.absolute", &limit.to_string())])
}

/// The server has kept to its limit, and has not even blocked anybody.
pub(crate) fn kept(server: &Server) {
    kept_to(LIMIT, server);
}

pub(crate) fn kept_to(limit: usize, server: &Server) {
    let peak = server.peak();
    assert!(peak < limit, "{} MiB", peak / MIB);
    assert!(!server.log().contains(ALARM), "{}", server.log());
}

/// Publishes numbered transient messages at full speed, and waits until they are taken.
pub(crate) fn flood(peer: &mut Peer, queue: &str, numbers: std::ops::Range<usize>, size: usize) {
    let at_once = (256 * 1024 / size).max(1);
    let numbers: Vec<usize> = numbers.collect();
    for some in numbers.chunks(at_once) {
        let frames: Vec<u8> =
            some.iter().flat_map(|number| published(&publish("", queue), &numbered(*number, size))).collect();
        peer.raw.send(&frames);
    }
    peer.call(1, &declare_passive(queue), "queue.declare-ok");
}

/// Waits for this to be so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_publisher_without_consumers_does_not_outgrow_the_limit_and_loses_nothing() {
    let server = limited();
    let mut peer = Peer::open(server.address());
    peer.call(1, &declare("jobs"), "queue.declare-ok");
    flood(&mut peer, "jobs", 0..MANY, SIZE);
    assert_eq!(ready(&mut peer, "jobs"), MANY);
    kept(&server);
    peer.call(1, &consume("jobs", "late").flag("no-ack"), "basic.consume-ok");
    for expected in 0..MANY {
        let (_, body) = peer.delivery();
        assert_eq!((number(&body), body.len()), (expected, SIZE));
    }
    kept(&server);
}

#[test]
fn many_publishers_at_full_speed_do_not_outgrow_the_limit_and_lose_nothing() {
    const PUBLISHERS: usize = 30;
    const EACH: usize = MANY / PUBLISHERS;
    let server = limited();
    let mut consumer = Peer::open(server.address());
    for queue in ["jobs", "others"] {
        consumer.call(1, &declare(queue), "queue.declare-ok");
    }
    std::thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let queue = if publisher % 2 == 0 { "jobs" } else { "others" };
            let address = server.address();
            scope.spawn(move || {
                let numbers = publisher * EACH..(publisher + 1) * EACH;
                flood(&mut Peer::open(address), queue, numbers, SIZE);
            });
        }
    });
    kept(&server);
    for (remainder, queue) in ["jobs", "others"].into_iter().enumerate() {
        assert_eq!(ready(&mut consumer, queue), EACH * PUBLISHERS / 2);
        consumer.call(1, &consume(queue, queue).flag("no-ack"), "basic.consume-ok");
        let mut next: Vec<usize> = (0..PUBLISHERS).map(|publisher| publisher * EACH).collect();
        for _ in 0..EACH * PUBLISHERS / 2 {
            let number = number(&consumer.delivery().1);
            let publisher = number / EACH;
            assert_eq!((publisher % 2, number), (remainder, next[publisher]), "each publisher's are in order");
            next[publisher] += 1;
        }
    }
    kept(&server);
}

#[test]
fn a_connection_that_consumes_its_own_queue_does_not_outgrow_the_limit() {
    let server = limited();
    let mut peer = Peer::open(server.address());
    peer.call(1, &declare("jobs"), "queue.declare-ok");
    peer.raw.send_method(1, &method("basic.qos").set("prefetch-count", 100));
    peer.expect("basic.qos-ok");
    peer.call(1, &consume("jobs", "own"), "basic.consume-ok");
    let at_once = 64;
    let (mut sent, mut taken) = (0, 0);
    while taken < MANY {
        // Four go in for each that comes out, until there are no more.
        if sent < MANY && sent < 4 * taken + at_once {
            let frames: Vec<u8> =
                (sent..sent + at_once).flat_map(|n| published(&publish("", "jobs"), &numbered(n, SIZE))).collect();
            peer.raw.send(&frames);
            sent += at_once;
        }
        let (deliver, body) = peer.delivery();
        assert_eq!(number(&body), taken);
        taken += 1;
        peer.raw.send_method(1, &ack(deliver.number("delivery-tag")));
    }
    kept(&server);
}

#[test]
fn a_consumer_that_never_settles_gets_no_more_than_memory_allows_and_all_of_it_once_it_does() {
    let server = limited();
    let (mut publisher, mut greedy) = (Peer::open(server.address()), Peer::open(server.address()));
    greedy.call(1, &declare("jobs"), "queue.declare-ok");
    greedy.call(1, &consume("jobs", "greedy"), "basic.consume-ok");
    let address = server.address();
    let filling = std::thread::spawn(move || flood(&mut publisher, "jobs", 0..MANY, SIZE));
    // It takes what it gets, until nothing comes any more.
    let (mut taken, mut last) = (0, 0);
    loop {
        match greedy.raw.next(Duration::from_secs(2)) {
            Event::Method { method, .. } if method.name == "basic.deliver" => last = method.number("delivery-tag"),
            Event::Body { bytes, .. } => {
                assert_eq!(number(&bytes), taken);
                taken += 1;
            }
            Event::Header { .. } | Event::Heartbeat { .. } => {}
            Event::Timeout => break,
            other => panic!("only deliveries are expected, not {other:?}"),
        }
    }
    filling.join().unwrap();
    println!("{} of {MANY} were handed out", taken);
    assert!(taken < MANY, "not all of them are in memory");
    kept(&server);

    // Another consumer is served meanwhile. What it takes may let the first one have a little more.
    let mut seen = vec![false; MANY];
    seen[..taken].fill(true);
    let mut other = Peer::open(address);
    other.call(1, &method("basic.qos").set("prefetch-count", 1), "basic.qos-ok");
    other.call(1, &consume("jobs", "modest"), "basic.consume-ok");
    for _ in 0..100 {
        let (deliver, body) = other.delivery();
        assert!(!std::mem::replace(&mut seen[number(&body)], true), "each message once");
        other.raw.send_method(1, &ack(deliver.number("delivery-tag")));
    }
    other.delivery();
    drop(other);

    greedy.raw.send_method(1, &ack(last).flag("multiple"));
    for _ in taken + 100..MANY {
        let (deliver, body) = greedy.delivery();
        assert!(!std::mem::replace(&mut seen[number(&body)], true), "each message once");
        greedy.raw.send_method(1, &ack(deliver.number("delivery-tag")));
    }
    assert!(seen.into_iter().all(|seen| seen), "all of them");
    kept(&server);
}

#[test]
fn who_was_held_back_for_others_goes_on_when_they_settle() {
    let server = limited();
    let address = server.address();
    let open = |queue: &str| {
        let mut peer = Peer::open(address);
        peer.call(1, &declare(queue), "queue.declare-ok");
        peer
    };
    let (mut greedy, mut other) = (open("jobs"), open("others"));
    for (peer, queue) in [(&mut greedy, "jobs"), (&mut other, "others")] {
        flood(peer, queue, 0..MANY / 2, SIZE);
    }
    let drain = |peer: &mut Peer, queue: &str| {
        peer.call(1, &consume(queue, "c"), "basic.consume-ok");
        let (mut taken, mut last) = (0, 0);
        loop {
            match peer.raw.next(Duration::from_secs(2)) {
                Event::Method { method, .. } => last = method.number("delivery-tag"),
                Event::Body { .. } => taken += 1,
                Event::Timeout => return (taken, last),
                _ => {}
            }
        }
    };
    let (taken, last) = drain(&mut greedy, "jobs");
    let (others, _) = drain(&mut other, "others");
    assert!(taken < MANY / 2 && others < MANY / 2, "{taken} and {others} of {}", MANY / 2);
    assert!(others > 0, "who holds nothing gets some in any case");
    kept(&server);
    // The other one is in another queue, and settles nothing.
    greedy.raw.send_method(1, &ack(last).flag("multiple"));
    let more = other.delivery();
    assert_eq!(number(&more.1), others);
}

#[test]
fn a_publisher_that_does_not_read_its_confirms_is_not_read_from_for_ever() {
    let server = limited();
    let mut deaf = Peer::open(server.address());
    deaf.call(1, &declare("jobs"), "queue.declare-ok");
    deaf.call(1, &method("confirm.select"), "confirm.select-ok");
    let one = published(&publish("", "jobs"), &[]);
    // What is asked in between keeps confirms apart; long answers fill the sockets sooner.
    let long = "q".repeat(250);
    deaf.call(1, &declare(&long), "queue.declare-ok");
    let noise = crate::support::raw::frame(1, 1, &declare_passive(&long).encode());
    let flood: Vec<u8> = [one, noise].concat().repeat(200_000);
    let taken = deaf.raw.send_while_taken(&flood, Duration::from_secs(2));
    assert!(taken < flood.len() / 2, "{taken} of {} bytes are taken", flood.len());
    kept(&server);
    // Nobody else is held up.
    let mut other = Peer::open(server.address());
    other.call(1, &declare("others"), "queue.declare-ok");
}

/// A publisher that hears of alarms.
fn publisher(server: &Server) -> Peer {
    let mut peer = Peer::connect(server.address());
    let client_properties = capabilities(&["connection.blocked"]);
    peer.handshake(&Handshake { client_properties, ..Handshake::default() });
    peer.expect("connection.open-ok");
    peer.call(1, &method("channel.open"), "channel.open-ok");
    peer.call(1, &method("confirm.select"), "confirm.select-ok");
    peer
}

#[test]
fn the_alarm_blocks_publishers_and_nobody_else_until_the_limit_is_raised() {
    let server = Server::start();
    let api = Api::of(&server);
    let node = api.get("/overview").body["node"].as_str().unwrap().replace('@', "%40");
    let (mut publisher, mut consumer) = (publisher(&server), Peer::open(server.address()));
    consumer.call(1, &declare("jobs"), "queue.declare-ok");
    publisher.publish(&publish("", "jobs"), b"before");
    assert_eq!(publisher.expect("basic.ack").number("delivery-tag"), 1);
    let alarms = |kind: &str| {
        let body = api.get(&format!("/nodes/{node}")).body;
        (body["mem_alarm"] == json!(true), body["disk_free_alarm"] == json!(true), body[kind].as_u64().unwrap())
    };
    assert!(!alarms("mem_limit").0);

    let memory = format!("/nodes/{node}/vm_memory_high_watermark");
    assert_eq!(api.put(&memory, r#"{"relative": 0.000000001}"#).status, 204);
    wait_until("the memory alarm comes", || alarms("mem_limit").0);
    assert!(alarms("mem_limit").2 < 1000, "{:?}", alarms("mem_limit"));
    let states = |state: &str| {
        let connections = api.get("/connections").body;
        connections.as_array().unwrap().iter().filter(|connection| connection["state"] == json!(state)).count()
    };
    assert_eq!(states("blocking"), 2, "who has not published is not blocked yet");
    publisher.publish(&publish("", "jobs"), b"during");
    assert_eq!(publisher.expect("connection.blocked").text("reason"), "low on memory");
    assert_eq!((states("blocking"), states("blocked")), (1, 1));
    consumer.call(1, &consume("jobs", "eater").flag("no-ack"), "basic.consume-ok");
    assert_eq!(consumer.delivery().1, b"before");

    // With both alarms, both are told; who is blocked is not told again.
    let disk = format!("/nodes/{node}/disk_free_limit");
    assert_eq!(api.put(&disk, r#"{"absolute": "1000TB"}"#).status, 204);
    wait_until("the disk alarm comes", || alarms("disk_free_limit").1);
    let mut late = self::publisher(&server);
    late.publish(&publish("", "jobs"), b"late");
    assert_eq!(late.expect("connection.blocked").text("reason"), "low on memory & disk");
    assert_eq!(api.put(&memory, r#"{"absolute": "1GB"}"#).status, 204);
    wait_until("the memory alarm goes", || !alarms("mem_limit").0);
    assert_eq!((states("blocking"), states("blocked")), (1, 2), "the other alarm is still on");
    assert_eq!(api.put(&disk, r#"{"absolute": 1000000}"#).status, 204);
    for peer in [&mut publisher, &mut late] {
        peer.expect("connection.unblocked");
        peer.expect("basic.ack");
    }
    let mut bodies = [consumer.delivery().1, consumer.delivery().1];
    bodies.sort();
    assert_eq!(bodies, [b"during".to_vec(), b"late".to_vec()]);
    assert_eq!(states("running"), 3);

    for (path, body) in [(&memory, r#"{"relative": 1.5}"#), (&memory, "{}"), (&disk, r#"{"absolute": "much"}"#)] {
        assert_eq!(api.put(path, body).status, 400, "{body}");
    }
    assert_eq!(api.put("/nodes/other/disk_free_limit", r#"{"absolute": 1}"#).status, 404);
}

#[test]
fn what_memory_is_used_for_is_told_to_the_byte() {
    const COST: u64 = 128;
    let server = Server::start();
    let api = Api::of(&server);
    let mut peer = Peer::open(server.address());
    peer.call(1, &declare("jobs"), "queue.declare-ok");
    // Names, a content header without properties, the body, the time of arrival.
    let each = u64::try_from(1 + 1 + "jobs".len() + 14 + SIZE + 8).unwrap() + COST;
    let told = || {
        let memory = api.get("/nodes/leveret%40localhost/memory").body["memory"].clone();
        ["messages_ready", "messages_unacknowledged", "publishes_uncommitted"].map(|key| memory[key].as_u64().unwrap())
    };
    assert_eq!(told(), [0, 0, 0]);
    flood(&mut peer, "jobs", 0..10, SIZE);
    assert_eq!(told(), [10 * each, 0, 0]);
    peer.call(1, &method("basic.qos").set("prefetch-count", 4), "basic.qos-ok");
    peer.call(1, &consume("jobs", "c"), "basic.consume-ok");
    let tags: Vec<u64> = (0..4).map(|_| peer.delivery().0.number("delivery-tag")).collect();
    assert_eq!(told(), [6 * each, 4 * each, 0]);
    peer.call(1, &crate::support::commands::cancel("c"), "basic.cancel-ok");
    peer.raw.send_method(1, &ack(tags[0]));
    peer.raw.send_method(1, &nack(tags[1]).flag("requeue"));
    assert_eq!(ready(&mut peer, "jobs"), 7);
    assert_eq!(told(), [7 * each, 2 * each, 0]);

    let mut other = Peer::open(server.address());
    other.call(1, &method("tx.select"), "tx.select-ok");
    flood(&mut other, "jobs", 0..3, SIZE);
    assert!(told()[2] >= 3 * each, "{:?}", told());
    other.call(1, &method("tx.commit"), "tx.commit-ok");
    assert_eq!(told(), [10 * each, 2 * each, 0]);

    // What a connection held comes back when it ends; what is purged and deleted is gone.
    drop(peer);
    wait_until("all come back", || told() == [12 * each, 0, 0]);
    other.call(1, &crate::support::commands::purge("jobs"), "queue.purge-ok");
    assert_eq!(told(), [0, 0, 0]);
    flood(&mut other, "jobs", 0..3, SIZE);
    other.call(1, &method("tx.commit"), "tx.commit-ok");
    other.call(1, &crate::support::commands::delete("jobs"), "queue.delete-ok");
    assert_eq!(told(), [0, 0, 0]);

    // Half a message.
    let whole = published(&publish("", "jobs"), &numbered(0, 100_000));
    other.raw.send(&whole[..whole.len() / 2]);
    let readers = || api.get("/nodes/leveret%40localhost/memory").body["memory"]["connection_readers"].as_u64();
    // Its header has come, and part of a frame is not part of a message yet: there are the names and the header.
    let begun = u64::try_from(1 + 1 + "jobs".len() + 14).unwrap();
    wait_until("what has come is told", || readers() == Some(begun));
}
