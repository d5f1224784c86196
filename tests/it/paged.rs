//! Durable queues that hold more than the server keeps of them in memory: they behave as any other, and memory stays
//! bounded.

use std::ops::Range;
use std::sync::mpsc::channel;
use std::thread;

use crate::backlog::{MIB, number, numbered, ready};
use crate::client::PATIENCE;
use crate::peer::{Peer, persistent};
use crate::support::commands::{ack, bind, consume, declare, get, method, prefetch, publish, purge};
use crate::support::method::Method;
use crate::support::raw::Event;
use crate::support::server::{Ending, Server};
use crate::support::value::{entry, int};

/// So that a queue of 2,048 messages is five times what it keeps in memory.
const SIZE: usize = 10 * 1024;

const COUNT: usize = 2_048;

/// What a debug build takes with its buffers at their largest, and less than what is in the queues.
const BOUND: usize = 90 * MIB;

fn server() -> (Server, Peer) {
    let server = Server::start();
    let peer = durable(&server, "jobs");
    (server, peer)
}

/// A client that has declared a durable queue.
fn durable(server: &Server, queue: &str) -> Peer {
    let mut peer = Peer::open(server.address());
    peer.call(1, &declare(queue).flag("durable"), "queue.declare-ok");
    peer
}

/// Publishes numbered messages, all persistent, and waits until they are in their queues.
fn fill(peer: &mut Peer, exchange: &str, routing_key: &str, numbers: Range<usize>) {
    for number in numbers {
        peer.raw.send(&persistent(&publish(exchange, routing_key), &numbered(number, SIZE)));
    }
    peer.call(1, &declare("jobs").flag("passive"), "queue.declare-ok");
}

/// The next message's number, its delivery tag, and whether it is redelivered.
fn next(peer: &mut Peer) -> (usize, u64, bool) {
    let (method, body) = peer.delivery();
    assert_eq!(body.len(), SIZE);
    (number(&body), method.number("delivery-tag"), method.is_set("redelivered"))
}

/// Takes as many messages as there are numbers, which have to come in this order, and acknowledges each.
fn take_in_order(peer: &mut Peer, numbers: Range<usize>) {
    for expected in numbers {
        let (number, tag, _) = next(peer);
        assert_eq!(number, expected);
        peer.raw.send_method(1, &ack(tag));
    }
}

fn start(peer: &mut Peer, queue: &str, count: u64) {
    peer.call(1, &prefetch(count), "basic.qos-ok");
    peer.call(1, &consume(queue, "c"), "basic.consume-ok");
}

fn nack(tag: u64) -> Method {
    method("basic.nack").set("delivery-tag", tag).flag("multiple").flag("requeue")
}

#[test]
fn what_is_on_disk_and_what_is_not_come_in_the_order_in_which_they_were_published() {
    let (server, mut publisher) = server();
    for number in 0..COUNT {
        let body = numbered(number, SIZE);
        if number % 5 == 0 {
            publisher.publish(&publish("", "jobs"), &body);
        } else {
            publisher.raw.send(&persistent(&publish("", "jobs"), &body));
        }
    }
    assert_eq!(ready(&mut publisher, "jobs"), COUNT);
    let mut consumer = Peer::open(server.address());
    start(&mut consumer, "jobs", 100);
    take_in_order(&mut consumer, 0..COUNT);
    assert_eq!(ready(&mut consumer, "jobs"), 0);
}

#[test]
fn messages_come_in_order_while_others_come_in() {
    let (server, mut publisher) = server();
    fill(&mut publisher, "", "jobs", 0..COUNT / 2);
    let mut consumer = Peer::open(server.address());
    start(&mut consumer, "jobs", 20);
    thread::scope(|scope| {
        scope.spawn(|| fill(&mut publisher, "", "jobs", COUNT / 2..COUNT));
        take_in_order(&mut consumer, 0..COUNT);
    });
}

#[test]
fn what_is_given_back_keeps_its_place() {
    let (server, mut publisher) = server();
    fill(&mut publisher, "", "jobs", 0..COUNT);
    let mut consumer = Peer::open(server.address());
    start(&mut consumer, "jobs", 600);
    let mut last = 0;
    for expected in 0..600 {
        let (number, tag, redelivered) = next(&mut consumer);
        assert_eq!((number, redelivered), (expected, false));
        last = tag;
    }
    assert_eq!(ready(&mut publisher, "jobs"), COUNT - 600);
    consumer.raw.send_method(1, &nack(last));
    for expected in 0..COUNT {
        let (number, tag, redelivered) = next(&mut consumer);
        assert_eq!((number, redelivered), (expected, expected < 600));
        consumer.raw.send_method(1, &ack(tag));
    }
    assert_eq!(ready(&mut publisher, "jobs"), 0);
}

#[test]
fn basic_get_brings_the_head_wherever_it_is() {
    let (mut server, mut peer) = server();
    fill(&mut peer, "", "jobs", 0..COUNT);
    for after_restart in [false, true] {
        if after_restart {
            server.restart(Ending::Stop);
            peer = Peer::open(server.address());
        }
        let first = if after_restart { COUNT / 2 } else { 0 };
        for expected in first..first + COUNT / 2 {
            let get = if expected % 2 == 0 { get("jobs") } else { get("jobs").flag("no-ack") };
            peer.raw.send_method(1, &get);
            let (method, body) = peer.delivery();
            assert_eq!(number(&body), expected);
            assert_eq!(method.number("message-count"), u64::try_from(COUNT - expected - 1).unwrap());
            if expected % 2 == 0 {
                peer.raw.send_method(1, &ack(method.number("delivery-tag")));
            }
        }
    }
    peer.call(1, &get("jobs"), "basic.get-empty");
}

#[test]
fn gets_of_several_connections_at_once_take_each_message_once() {
    let (mut server, mut peer) = server();
    fill(&mut peer, "", "jobs", 0..COUNT);
    server.restart(Ending::Stop);
    let take = || {
        let mut peer = Peer::open(server.address());
        let mut numbers = Vec::new();
        for _ in 0..COUNT / 4 {
            peer.raw.send_method(1, &get("jobs").flag("no-ack"));
            numbers.push(next(&mut peer).0);
        }
        numbers
    };
    let mut taken: Vec<Vec<usize>> = thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(taken.iter().all(|numbers| numbers.is_sorted()));
    let mut all = taken.drain(..).flatten().collect::<Vec<_>>();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..COUNT));
}

#[test]
fn a_purge_counts_what_is_on_disk_and_nothing_of_it_comes_back() {
    let (mut server, mut peer) = server();
    fill(&mut peer, "", "jobs", 0..COUNT);
    peer.raw.send_method(1, &get("jobs"));
    assert_eq!(next(&mut peer).0, 0);
    let purged = peer.call(1, &purge("jobs"), "queue.purge-ok");
    assert_eq!(purged.number("message-count"), u64::try_from(COUNT - 1).unwrap());
    peer.call(1, &get("jobs"), "basic.get-empty");
    fill(&mut peer, "", "jobs", COUNT..COUNT + 2);
    assert_eq!(ready(&mut peer, "jobs"), 2);
    server.restart(Ending::Stop);
    let mut peer = Peer::open(server.address());
    assert_eq!(ready(&mut peer, "jobs"), 3);
    start(&mut peer, "jobs", 0);
    assert_eq!([next(&mut peer).0, next(&mut peer).0, next(&mut peer).0], [0, COUNT, COUNT + 1]);
}

#[test]
fn several_consumers_share_what_is_on_disk() {
    let (server, mut publisher) = server();
    fill(&mut publisher, "", "jobs", 0..COUNT);
    let (sender, taken) = channel();
    let mut peers: Vec<Peer> = (0..4).map(|_| Peer::open(server.address())).collect();
    for peer in &mut peers {
        start(peer, "jobs", 10);
    }
    thread::scope(|scope| {
        for (consumer, mut peer) in peers.into_iter().enumerate() {
            let sender = sender.clone();
            // Each goes on until the server has ended.
            scope.spawn(move || {
                while let Event::Method { method, .. } = peer.event() {
                    if method.name == "connection.close" {
                        return;
                    }
                    let (_header, Event::Body { bytes, .. }) = (peer.event(), peer.event()) else { return };
                    peer.raw.send_method(1, &ack(method.number("delivery-tag")));
                    sender.send((consumer, number(&bytes))).unwrap();
                }
            });
        }
        let mut all: Vec<(usize, usize)> = (0..COUNT).map(|_| taken.recv_timeout(PATIENCE).unwrap()).collect();
        for consumer in 0..4 {
            let numbers = all.iter().filter(|(other, _)| *other == consumer).map(|(_, number)| *number);
            let numbers: Vec<usize> = numbers.collect();
            assert!(numbers.is_sorted(), "consumer {consumer} sees them in order");
            assert!(numbers.len() > COUNT / 20, "consumer {consumer} has a share: {}", numbers.len());
        }
        all.sort_unstable_by_key(|(_, number)| *number);
        assert!(all.into_iter().map(|(_, number)| number).eq(0..COUNT), "each message once");
        assert_eq!(ready(&mut publisher, "jobs"), 0);
        server.signal("TERM");
    });
}

#[test]
fn each_queue_of_a_fanout_has_everything_in_order_over_a_kill() {
    let (mut server, mut peer) = server();
    let queues = ["jobs", "two", "three"];
    for queue in queues {
        peer.call(1, &declare(queue).flag("durable"), "queue.declare-ok");
        peer.call(1, &bind(queue, "amq.fanout", ""), "queue.bind-ok");
    }
    peer.call(1, &method("confirm.select"), "confirm.select-ok");
    for number in 0..COUNT {
        peer.raw.send(&persistent(&publish("amq.fanout", ""), &numbered(number, SIZE)));
    }
    let mut confirmed = 0;
    while confirmed < u64::try_from(COUNT).unwrap() {
        confirmed = peer.expect("basic.ack").number("delivery-tag");
    }
    for queue in queues {
        assert_eq!(ready(&mut peer, queue), COUNT);
    }
    let mut consumer = Peer::open(server.address());
    start(&mut consumer, "two", 50);
    take_in_order(&mut consumer, 0..COUNT);
    server.restart(Ending::Kill);
    for queue in ["jobs", "three"] {
        let mut consumer = Peer::open(server.address());
        start(&mut consumer, queue, 50);
        take_in_order(&mut consumer, 0..COUNT);
    }
}

#[test]
fn a_consumer_of_higher_priority_is_served_first_from_disk_too() {
    let (server, mut publisher) = server();
    fill(&mut publisher, "", "jobs", 0..COUNT);
    let consumer = |queue: &str, priority: i32| {
        let mut peer = Peer::open(server.address());
        peer.call(1, &prefetch(5), "basic.qos-ok");
        let arguments = entry("x-priority", int(priority));
        peer.call(1, &consume(queue, "c").set("arguments", arguments), "basic.consume-ok");
        peer
    };
    let mut low = consumer("jobs", 0);
    for expected in 0..5 {
        assert_eq!(next(&mut low).0, expected);
    }
    let mut high = consumer("jobs", 10);
    take_in_order(&mut high, 5..COUNT - 5);
}

#[test]
fn a_queue_many_times_as_large_as_its_memory_does_not_take_more() {
    const MANY: usize = 20 * 1024;
    let (mut server, mut publisher) = server();
    let mut most = 0;
    for part in 0..20 {
        fill(&mut publisher, "", "jobs", part * MANY / 20..(part + 1) * MANY / 20);
        most = most.max(server.resident());
    }
    println!("{} MiB at most while 200 MiB came in", most / MIB);
    assert!(most < BOUND, "{} MiB while 200 MiB came in", most / MIB);
    server.restart(Ending::Stop);
    let mut consumer = Peer::open(server.address());
    assert_eq!(ready(&mut consumer, "jobs"), MANY);
    start(&mut consumer, "jobs", 10);
    let mut most = 0;
    for part in 0..20 {
        take_in_order(&mut consumer, part * MANY / 20..(part + 1) * MANY / 20);
        most = most.max(server.resident());
    }
    println!("{} MiB at most while they went out", most / MIB);
    assert!(most < BOUND, "{} MiB while they went out", most / MIB);
    assert_eq!(ready(&mut consumer, "jobs"), 0);
}

#[test]
fn a_consumer_that_does_not_read_leaves_the_rest_on_disk() {
    // Where there is memory for it, what goes out of it is given back later, and in larger pieces.
    let mut server = Server::start_with(&[("vm_memory_high_watermark.absolute", &(BOUND * 10 / 9).to_string())]);
    let mut peer = durable(&server, "jobs");
    fill(&mut peer, "", "jobs", 0..10 * COUNT);
    server.restart(Ending::Stop);
    let mut deaf = Peer::open(server.address());
    deaf.call(1, &consume("jobs", "deaf").flag("no-ack"), "basic.consume-ok");
    // Meanwhile others are served.
    let mut other = durable(&server, "other");
    other.raw.send(&persistent(&publish("", "other"), &numbered(1, SIZE)));
    start(&mut other, "other", 1);
    assert_eq!(next(&mut other).0, 1);
    let resident = server.resident();
    println!("{} MiB while nobody reads", resident / MIB);
    assert!(resident < BOUND, "{} MiB", resident / MIB);
    for expected in 0..10 * COUNT {
        assert_eq!(next(&mut deaf).0, expected);
    }
    let resident = server.resident();
    println!("{} MiB once all is read", resident / MIB);
    assert!(resident < BOUND, "{} MiB", resident / MIB);
}
