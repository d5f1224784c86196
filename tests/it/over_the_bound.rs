//! What goes into a full queue over its bound, where publishers have to wait: what was taken from a client and cannot wait
//! any more. None of it may be lost, least of all in a durable queue.

use std::ops::Range;

use crate::backlog::ready;
use crate::client::with_broker;
use crate::peer::{Peer, persistent};
use crate::support::commands::{consume, declare, get, method, publish, reject};
use crate::support::value::{Table, entries, int, text};

fn blocking(length: i32) -> Table {
    entries([("x-max-length", int(length)), ("x-overflow", text("block"))])
}

/// A client that has declared a durable queue which lets publishers wait.
fn durable(address: std::net::SocketAddr, queue: &str, length: i32) -> Peer {
    let mut peer = Peer::open(address);
    let declare = declare(queue).flag("durable").set("arguments", blocking(length));
    peer.call(1, &declare, "queue.declare-ok");
    peer
}

fn send(peer: &mut Peer, queue: &str, numbers: Range<usize>) {
    for number in numbers {
        peer.raw.send(&persistent(&publish("", queue), number.to_string().as_bytes()));
    }
}

/// All that is in a queue, oldest first.
fn take_all(peer: &mut Peer, queue: &str) -> Vec<usize> {
    let count = ready(peer, queue);
    let mut taken = Vec::new();
    for _ in 0..count {
        peer.raw.send_method(1, &get(queue).flag("no-ack"));
        taken.push(String::from_utf8(peer.delivery().1).unwrap().parse().unwrap());
    }
    taken
}

#[test]
fn a_commit_is_taken_whole() {
    with_broker(async |broker| {
        let address = broker.server.address();
        let mut peer = durable(address, "full", 2);
        peer.call(1, &method("tx.select"), "tx.select-ok");
        send(&mut peer, "full", 0..10);
        peer.call(1, &method("tx.commit"), "tx.commit-ok");
        assert_eq!(take_all(&mut Peer::open(address), "full"), (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn a_dead_letter_is_taken() {
    with_broker(async |broker| {
        let address = broker.server.address();
        let mut peer = durable(address, "dead", 1);
        let arguments = entries([("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text("dead"))]);
        peer.call(1, &declare("jobs").flag("durable").set("arguments", arguments), "queue.declare-ok");
        send(&mut peer, "jobs", 0..5);
        peer.call(1, &consume("jobs", "c"), "basic.consume-ok");
        for number in 0..5 {
            let (deliver, body) = peer.delivery();
            assert_eq!(body, number.to_string().as_bytes());
            peer.raw.send_method(1, &reject(deliver.number("delivery-tag")));
        }
        assert_eq!(ready(&mut peer, "jobs"), 0);
        assert_eq!(take_all(&mut Peer::open(address), "dead"), (0..5).collect::<Vec<_>>());
    });
}

#[test]
fn what_a_channel_that_ends_had_waiting_is_taken() {
    with_broker(async |broker| {
        let address = broker.server.address();
        let mut peer = durable(address, "full", 1);
        // One that consumes is read on, up to its allowance.
        peer.call(1, &declare("idle"), "queue.declare-ok");
        peer.call(1, &consume("idle", "c"), "basic.consume-ok");
        send(&mut peer, "full", 0..5);
        peer.call(1, &method("channel.close"), "channel.close-ok");
        assert_eq!(take_all(&mut Peer::open(address), "full"), (0..5).collect::<Vec<_>>());
    });
}
