//! Clients that do not read: what is meant for them waits, within bounds, and nobody else does.

use std::time::{Duration, Instant};

use crate::peer::{Peer, published};
use crate::support::commands::{ack, consume, declare, declare_passive, get, method, publish};
use crate::support::raw::Handshake;
use crate::support::server::Server;

const MIB: usize = 1024 * 1024;

/// Whatever the kernel keeps between two sockets of this machine, generously.
const SOCKETS: usize = 24 * MIB;

/// What a server may take for its own purposes while a test runs.
const SLACK: usize = 48 * MIB;

/// A body that tells its number and is of this size.
fn numbered(number: usize, size: usize) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    body.resize(size, b'.');
    body
}

fn number(body: &[u8]) -> usize {
    usize::from_be_bytes(body[..8].try_into().unwrap())
}

fn ready(peer: &mut Peer, queue: &str) -> usize {
    usize::try_from(peer.call(1, &declare_passive(queue), "queue.declare-ok").number("message-count")).unwrap()
}

/// Publishes many numbered bodies and waits until they are in the queue or beyond.
fn fill(publisher: &mut Peer, queue: &str, numbers: std::ops::Range<usize>, size: usize) {
    for number in numbers {
        publisher.publish(&publish("", queue), &numbered(number, size));
    }
    publisher.call(1, &declare_passive(queue), "queue.declare-ok");
}

#[test]
fn a_consumer_that_stops_reading_costs_its_backlog_and_holds_nobody_up() {
    const SIZE: usize = 64 * 1024;
    const COUNT: usize = 200 * MIB / SIZE;
    let server = Server::start();
    let (mut lazy, mut publisher) = (Peer::open(server.address()), Peer::open(server.address()));
    lazy.call(1, &declare("jobs"), "queue.declare-ok");
    lazy.call(1, &consume("jobs", "lazy").flag("no-ack"), "basic.consume-ok");
    let before = server.resident();
    fill(&mut publisher, "jobs", 0..COUNT, SIZE);
    let grown = server.resident().saturating_sub(before);
    // The allocator rounds sizes up by as much as a quarter.
    assert!(grown < COUNT * SIZE * 5 / 4 + SLACK, "{grown} bytes for a backlog of {}", COUNT * SIZE);
    let waiting = ready(&mut publisher, "jobs");
    assert!(waiting > COUNT - SOCKETS / SIZE, "only {waiting} of {COUNT} wait in the queue");

    let began = Instant::now();
    let mut other = Peer::open(server.address());
    other.call(1, &declare("others"), "queue.declare-ok");
    other.call(1, &consume("others", "brisk").flag("no-ack"), "basic.consume-ok");
    for number in 0..100 {
        other.publish(&publish("", "others"), &numbered(number, 8));
        assert_eq!(other.delivery().1, numbered(number, 8));
    }
    assert!(began.elapsed() < Duration::from_secs(5), "a hundred round trips took {:?}", began.elapsed());

    for expected in 0..COUNT {
        let (_, body) = lazy.delivery();
        assert_eq!((number(&body), body.len()), (expected, SIZE));
    }
    assert_eq!(ready(&mut publisher, "jobs"), 0);
}

#[test]
fn a_consumer_that_does_not_read_is_heard_all_the_same() {
    let server = Server::start();
    let (mut lazy, mut other) = (Peer::open(server.address()), Peer::open(server.address()));
    for queue in ["jobs", "answers"] {
        lazy.call(1, &declare(queue), "queue.declare-ok");
    }
    lazy.call(1, &method("basic.qos").set("prefetch-count", 0), "basic.qos-ok");
    lazy.call(1, &consume("jobs", "lazy"), "basic.consume-ok");
    fill(&mut other, "jobs", 0..4096, 16 * 1024);
    // More than the sockets between hold: it would not get rid of all this if the server did not read.
    let answers: Vec<u8> =
        (0..4096).flat_map(|number| published(&publish("", "answers"), &numbered(number, 16 * 1024))).collect();
    let sent = lazy.raw.send_while_taken(&answers, Duration::from_secs(20));
    assert_eq!(sent, answers.len());
    other.call(1, &consume("answers", "brisk").flag("no-ack"), "basic.consume-ok");
    for expected in 0..4096 {
        assert_eq!(number(&other.delivery().1), expected);
    }
    for expected in 0..4096 {
        assert_eq!(number(&lazy.delivery().1), expected);
    }
    lazy.raw.send_method(1, &ack(0).flag("multiple"));
    lazy.call(1, &method("channel.close"), "channel.close-ok");
    assert_eq!(ready(&mut other, "jobs"), 0);
}

#[test]
fn a_thousand_consumers_of_one_connection_share_what_is_on_its_way() {
    const SIZE: usize = 1024;
    const COUNT: usize = 40 * 1024;
    let server = Server::start();
    let (mut lazy, mut publisher) = (Peer::open(server.address()), Peer::open(server.address()));
    lazy.call(1, &declare("jobs"), "queue.declare-ok");
    for consumer in 0..1000 {
        lazy.call(1, &consume("jobs", &format!("lazy-{consumer}")).flag("no-ack"), "basic.consume-ok");
    }
    let before = server.resident();
    fill(&mut publisher, "jobs", 0..COUNT, SIZE);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < COUNT * (SIZE + 512) + SLACK, "{grown} bytes for a backlog of {}", COUNT * SIZE);
    let waiting = ready(&mut publisher, "jobs");
    assert!(waiting > COUNT - SOCKETS / SIZE, "only {waiting} of {COUNT} wait in the queue");
    for expected in 0..COUNT {
        assert_eq!(number(&lazy.delivery().1), expected);
    }
}

#[test]
fn requests_whose_answers_are_not_read_are_not_taken_any_more() {
    let server = Server::start();
    let (mut flooder, mut other) = (Peer::open(server.address()), Peer::open(server.address()));
    // Long names, so that there are not too many answers to read in the end.
    let names = ["a", "b"].map(|letter| letter.repeat(200));
    for queue in &names {
        flooder.call(1, &declare(queue), "queue.declare-ok");
    }
    let before = server.resident();
    let pair: Vec<u8> =
        names.iter().flat_map(|queue| crate::support::raw::frame(1, 1, &declare_passive(queue).encode())).collect();
    let requests = pair.repeat(128 * MIB / pair.len());
    let taken = flooder.raw.send_while_taken(&requests, Duration::from_secs(1));
    assert!(taken < 2 * SOCKETS, "{taken} bytes of requests are taken");
    let grown = server.resident().saturating_sub(before);
    assert!(grown < SLACK, "{grown} bytes more");
    other.call(1, &declare("c"), "queue.declare-ok");
    // Whole requests are answered, in order, once the client reads.
    for request in 0..taken / (pair.len() / 2) {
        let answer = flooder.expect("queue.declare-ok");
        assert_eq!(answer.text("queue"), names[request % 2]);
    }
}

#[test]
fn small_requests_for_large_messages_are_answered_as_they_are_read() {
    const COUNT: usize = 96;
    let server = Server::start();
    let (mut flooder, mut publisher) = (Peer::open(server.address()), Peer::open(server.address()));
    publisher.call(1, &declare("jobs"), "queue.declare-ok");
    fill(&mut publisher, "jobs", 0..COUNT, MIB);
    let before = server.resident();
    let requests = crate::support::raw::frame(1, 1, &get("jobs").encode()).repeat(COUNT + 1);
    flooder.raw.send(&requests);
    // The first answer shows that the requests are there; what can be done without reading on is done soon after.
    assert_eq!(number(&flooder.delivery().1), 0);
    let waiting = ready(&mut publisher, "jobs");
    assert!(waiting > COUNT - SOCKETS / MIB, "{waiting} of {COUNT} are still in the queue");
    let grown = server.resident().saturating_sub(before);
    assert!(grown < SLACK, "{grown} bytes more");
    for expected in 1..COUNT {
        assert_eq!(number(&flooder.delivery().1), expected);
    }
    flooder.expect("basic.get-empty");
}

#[test]
fn heartbeats_are_sent_and_time_passes_however_busy_the_client_keeps_the_server() {
    let server = Server::start();
    let mut peer = Peer::connect(server.address());
    peer.handshake(&Handshake { heartbeat: 1, ..Handshake::default() });
    peer.expect("connection.open-ok");
    peer.call(1, &method("channel.open"), "channel.open-ok");
    let unrouted = published(&publish("amq.fanout", ""), &[b'.'; 64]).repeat(4096);
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(2500) {
        peer.raw.send(&unrouted);
    }
    peer.raw.send_method(1, &declare("last"));
    let mut heartbeats = 0;
    loop {
        match peer.raw.next(crate::client::PATIENCE) {
            crate::support::raw::Event::Heartbeat { .. } => heartbeats += 1,
            crate::support::raw::Event::Method { method, .. } if method.name == "queue.declare-ok" => break,
            other => panic!("nothing else is expected: {other:?}"),
        }
    }
    assert!(heartbeats >= 2, "{heartbeats} heartbeats within 2.5 s");
}
