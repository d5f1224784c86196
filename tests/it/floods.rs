//! Clients that ask for more than they read, or never pause: they are served as fast as they read, and time passes.

use std::time::{Duration, Instant};

use crate::backlog::{MIB, SLACK, SOCKETS, fill, number, ready};
use crate::client::PATIENCE;
use crate::peer::{Peer, published};
use crate::support::commands::{declare, declare_passive, get, method, publish};
use crate::support::raw::{Event, Handshake, frame};
use crate::support::server::Server;

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
    let pair: Vec<u8> = names.iter().flat_map(|queue| frame(1, 1, &declare_passive(queue).encode())).collect();
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
    let requests = frame(1, 1, &get("jobs").encode()).repeat(COUNT + 1);
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
        match peer.raw.next(PATIENCE) {
            Event::Heartbeat { .. } => heartbeats += 1,
            Event::Method { method, .. } if method.name == "queue.declare-ok" => break,
            other => panic!("nothing else is expected: {other:?}"),
        }
    }
    assert!(heartbeats >= 2, "{heartbeats} heartbeats within 2.5 s");
}
