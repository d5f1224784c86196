//! Transactions on durable queues when the server is killed: each is there as a whole or not at all.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::peer::{Peer, persistent};
use crate::support::commands::{ack, bind, consume, declare, declare_passive, get, method, publish};
use crate::support::raw::Event;
use crate::support::server::{Ending, Server};

const QUEUES: [&str; 3] = ["one", "two", "three"];

/// Queues of which all three are bound to a fanout exchange.
fn server() -> Server {
    let server = Server::start();
    let mut peer = Peer::open(server.address());
    for queue in QUEUES {
        peer.call(1, &declare(queue).flag("durable"), "queue.declare-ok");
        peer.call(1, &bind(queue, "amq.fanout", ""), "queue.bind-ok");
    }
    server
}

fn transactional(server: &Server) -> Peer {
    let mut peer = Peer::open(server.address());
    peer.call(1, &method("tx.select"), "tx.select-ok");
    peer
}

fn send(peer: &mut Peer, exchange: &str, routing_key: &str, body: &str) {
    peer.raw.send(&persistent(&publish(exchange, routing_key), body.as_bytes()));
}

/// Empties a queue.
fn take_all(peer: &mut Peer, queue: &str) -> Vec<String> {
    let ready = peer.call(1, &declare_passive(queue), "queue.declare-ok").number("message-count");
    let mut bodies = Vec::new();
    for _ in 0..ready {
        peer.raw.send_method(1, &get(queue).flag("no-ack"));
        bodies.push(String::from_utf8(peer.delivery().1).unwrap());
    }
    peer.call(1, &get(queue).flag("no-ack"), "basic.get-empty");
    bodies
}

#[test]
fn what_was_committed_is_all_there_after_a_kill() {
    let mut server = server();
    let mut peer = transactional(&server);
    for body in ["to ack", "to keep", "to ack, too"] {
        send(&mut peer, "", "one", body);
    }
    peer.call(1, &method("tx.commit"), "tx.commit-ok");
    peer.call(1, &consume("one", "c"), "basic.consume-ok");
    let mut tags = Vec::new();
    for _ in 0..3 {
        tags.push(peer.delivery().0.number("delivery-tag"));
    }
    peer.raw.send_method(1, &ack(tags[0]));
    send(&mut peer, "amq.fanout", "", "to all");
    send(&mut peer, "", "two", "to two");
    peer.raw.send_method(1, &ack(tags[2]));
    send(&mut peer, "", "three", &"long".repeat(100_000));
    peer.raw.send_method(1, &method("tx.commit"));
    let mut fresh = 0;
    while !matches!(peer.event(), Event::Method { method, .. } if method.name == "tx.commit-ok") {
        fresh += 1;
        assert!(fresh < 10, "the new message for the consumer may come before");
    }
    server.restart(Ending::Kill);
    let mut peer = Peer::open(server.address());
    assert_eq!(take_all(&mut peer, "one"), ["to keep", "to all"]);
    assert_eq!(take_all(&mut peer, "two"), ["to all", "to two"]);
    assert_eq!(take_all(&mut peer, "three"), ["to all".to_owned(), "long".repeat(100_000)]);
}

#[test]
fn what_was_not_committed_has_not_happened_after_a_kill() {
    let mut server = server();
    let mut peer = transactional(&server);
    send(&mut peer, "", "one", "committed");
    peer.call(1, &method("tx.commit"), "tx.commit-ok");
    peer.raw.send_method(1, &get("one"));
    let tag = peer.delivery().0.number("delivery-tag");
    send(&mut peer, "amq.fanout", "", "never");
    peer.raw.send_method(1, &ack(tag));
    peer.call(1, &declare_passive("two"), "queue.declare-ok");
    server.restart(Ending::Kill);
    let mut peer = Peer::open(server.address());
    assert_eq!(take_all(&mut peer, "one"), ["committed"]);
    assert_eq!(take_all(&mut peer, "two"), [""; 0]);
}

/// Commits until the server is gone; the next number, and the last one that was answered. Transaction `n` takes all
/// copies of a former one and puts `n` into every queue, some times over.
fn commit_until_killed(server: &Server, first: u64) -> (u64, Option<u64>) {
    let mut peer = transactional(server);
    let mut answered = None;
    let mut number = first;
    loop {
        let copies = copies(number);
        for copy in 0..copies {
            let body = format!("{number} {copy} {}", ".".repeat(usize::try_from(number % 7).unwrap() * 3_000));
            if copy % 2 == 0 {
                send(&mut peer, "amq.fanout", "", &body);
            } else {
                QUEUES.iter().for_each(|queue| send(&mut peer, "", queue, &body));
            }
        }
        peer.raw.send_method(1, &method("tx.commit"));
        number += 1;
        match peer.event() {
            Event::Method { method, .. } if method.name == "tx.commit-ok" => answered = Some(number - 1),
            _ => return (number, answered),
        }
    }
}

/// How many messages a transaction puts into each queue.
fn copies(number: u64) -> u64 {
    1 + number % 5
}

#[test]
fn a_transaction_is_there_as_a_whole_or_not_at_all_whenever_the_server_is_killed() {
    const SEED: u64 = 20_250_117;
    println!("seed {SEED}");
    let mut random = StdRng::seed_from_u64(SEED);
    let mut server = server();
    let mut next = 1;
    let mut committed = 0;
    for round in 0..8 {
        let client = {
            let server = &server;
            std::thread::scope(|scope| {
                let client = scope.spawn(move || commit_until_killed(server, next));
                std::thread::sleep(std::time::Duration::from_millis(random.random_range(20..300)));
                server.signal("KILL");
                client.join().expect("the client ends by itself")
            })
        };
        server.restart(Ending::Kill);
        let (after, answered) = client;
        let mut peer = Peer::open(server.address());
        let found = QUEUES.map(|queue| counted(&take_all(&mut peer, queue)));
        assert!(found.iter().all(|queue| *queue == found[0]), "round {round}: all queues have the same: {found:?}");
        for (number, count) in &found[0] {
            assert_eq!(*count, copies(*number), "round {round}: transaction {number} is whole");
            assert!((next..after).contains(number), "round {round}: {number} is of this round");
        }
        if let Some(answered) = answered {
            let missing: Vec<u64> = (next..=answered).filter(|number| !found[0].contains_key(number)).collect();
            assert_eq!(missing, [0; 0], "round {round}: what was answered is there");
            committed += answered + 1 - next;
        }
        // What was taken is gone for good when this is answered.
        let mut peer = transactional(&server);
        send(&mut peer, "", "one", "mark");
        peer.call(1, &method("tx.commit"), "tx.commit-ok");
        let mut peer = Peer::open(server.address());
        assert_eq!(take_all(&mut peer, "one"), ["mark"]);
        next = after;
    }
    println!("{committed} transactions were answered");
    assert!(committed > 20, "something was tested");
}

/// How often each transaction's number is there; copies of one are in order.
fn counted(bodies: &[String]) -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    for body in bodies.iter().filter(|body| *body != "mark") {
        let mut words = body.split(' ');
        let (number, copy): (u64, u64) =
            (words.next().unwrap().parse().unwrap(), words.next().unwrap().parse().unwrap());
        let count: &mut u64 = counts.entry(number).or_default();
        assert_eq!(*count, copy, "copies of {number} are in order");
        *count += 1;
    }
    counts
}
