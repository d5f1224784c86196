//! Clients that do not read: what is meant for them waits, within bounds, and nobody else does.

use std::time::{Duration, Instant};

use crate::backlog::{MIB, SLACK, SOCKETS, fill, number, numbered, ready};
use crate::peer::{Peer, published};
use crate::support::commands::{ack, consume, declare, method, publish};
use crate::support::server::Server;

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
fn what_was_on_its_way_to_a_client_that_is_lost_comes_back_in_order() {
    const COUNT: usize = 2000;
    let server = Server::start();
    let (mut lazy, mut other) = (Peer::open(server.address()), Peer::open(server.address()));
    lazy.call(1, &declare("jobs"), "queue.declare-ok");
    for consumer in ["a", "b", "c"] {
        lazy.call(1, &consume("jobs", consumer), "basic.consume-ok");
    }
    fill(&mut other, "jobs", 0..COUNT, 16 * 1024);
    assert!(ready(&mut other, "jobs") < COUNT, "some of it is on its way");
    drop(lazy);
    let deadline = Instant::now() + crate::client::PATIENCE;
    while ready(&mut other, "jobs") < COUNT {
        assert!(Instant::now() < deadline, "all of it comes back");
    }
    other.call(1, &consume("jobs", "heir").flag("no-ack"), "basic.consume-ok");
    let delivered: Vec<(usize, bool)> = (0..COUNT)
        .map(|_| {
            let (deliver, body) = other.delivery();
            (number(&body), deliver.is_set("redelivered"))
        })
        .collect();
    let numbers: Vec<usize> = delivered.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>());
    let again = delivered.iter().filter(|(_, redelivered)| *redelivered).count();
    assert!((1..COUNT).contains(&again), "{again} were handed out before");
    assert!(delivered[..again].iter().all(|(_, redelivered)| *redelivered), "and they are the first");
}
