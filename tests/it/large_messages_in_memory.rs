//! Large messages under the memory limit: the broker keeps to it with messages that are a tenth of it each, whole or not, and
//! gives back what it does not need.

use crate::api::Api;
use crate::backlog::{MIB, number, numbered, ready};
use crate::client::PATIENCE;
use crate::memory::{LIMIT, flood, kept, kept_to, limited, limited_to};
use crate::peer::{Peer, published};
use crate::support::commands::{ack, consume, declare, get, method, publish};
use crate::support::properties::Properties;
use crate::support::raw::Event;
use crate::support::server::Server;

const LARGE: usize = 16 * MIB;

#[test]
fn large_messages_do_not_outgrow_the_limit() {
    const COUNT: usize = 40;
    let server = limited();
    let mut peer = Peer::open(server.address());
    peer.call(1, &declare("jobs"), "queue.declare-ok");
    flood(&mut peer, "jobs", 0..COUNT, LARGE);
    assert_eq!(ready(&mut peer, "jobs"), COUNT);
    println!("{} MiB at most while they came in", server.peak() / MIB);
    kept(&server);
    peer.call(1, &consume("jobs", "late").flag("no-ack"), "basic.consume-ok");
    for expected in 0..COUNT {
        let (_, body) = peer.delivery();
        assert_eq!((number(&body), body.len()), (expected, LARGE));
    }
    println!("{} MiB at most while they went out", server.peak() / MIB);
    kept(&server);
}

#[test]
fn what_was_freed_is_given_back_though_nothing_happens_any_more() {
    let server = limited();
    let mut peer = Peer::open(server.address());
    peer.call(1, &declare("jobs"), "queue.declare-ok");
    let before = server.resident();
    flood(&mut peer, "jobs", 0..10, LARGE);
    peer.call(1, &crate::support::commands::purge("jobs"), "queue.purge-ok");
    // Two of the log's buffers stay for the next ones.
    let after = before + 2 * LARGE;
    crate::memory::wait_until("what was purged is given back", || server.resident() < after);
}

/// Begins a message on a channel and sends so much of its body.
fn begin(peer: &mut Peer, channel: u16, size: usize, part: usize) {
    peer.raw.send_method(channel, &publish("", "jobs"));
    peer.raw.send_header(channel, u64::try_from(size).unwrap(), &Properties::default());
    go_on(peer, channel, part);
}

fn go_on(peer: &mut Peer, channel: u16, part: usize) {
    for piece in vec![b'.'; part].chunks(128 * 1024 - 8) {
        peer.raw.send_body(channel, piece);
    }
}

#[test]
fn many_publishers_in_the_middle_of_messages_do_not_outgrow_the_limit() {
    // All of them together are more than the limit, even before any is in a queue. It is twice what others have to do with:
    // in the middle of so many, the allocator has more in pieces.
    const PUBLISHERS: usize = 30;
    let limit = 2 * LIMIT;
    assert!(PUBLISHERS * LARGE > limit);
    let server = limited_to(limit);
    let address = server.address();
    let mut other = Peer::open(address);
    other.call(1, &declare("jobs"), "queue.declare-ok");
    std::thread::scope(|scope| {
        for number in 0..PUBLISHERS {
            scope.spawn(move || {
                let mut peer = Peer::open(address);
                peer.call(1, &method("confirm.select"), "confirm.select-ok");
                let whole = published(&publish("", "jobs"), &numbered(number, LARGE));
                assert_eq!(peer.raw.send_while_taken(&whole, PATIENCE), whole.len());
                assert_eq!(peer.expect("basic.ack").number("delivery-tag"), 1);
            });
        }
    });
    assert_eq!(ready(&mut other, "jobs"), PUBLISHERS);
    println!("{} MiB at most", server.peak() / MIB);
    kept_to(limit, &server);
}

#[test]
fn who_stops_in_the_middle_of_a_message_does_not_stop_others_for_long() {
    let server = limited();
    let mut hogs: Vec<Peer> = (0..3).map(|_| Peer::open(server.address())).collect();
    hogs[0].call(1, &declare("jobs"), "queue.declare-ok");
    for hog in &mut hogs {
        begin(hog, 1, LARGE, LARGE - 1);
    }
    let mut peer = Peer::open(server.address());
    peer.call(1, &method("confirm.select"), "confirm.select-ok");
    begin(&mut peer, 1, LARGE, LARGE);
    peer.expect("basic.ack");
    kept(&server);
    drop(hogs);
    begin(&mut peer, 1, LARGE, LARGE);
    peer.expect("basic.ack");
}

#[test]
fn a_message_that_has_begun_is_completed_under_the_alarm_and_the_next_one_waits() {
    let server = Server::start();
    let api = Api::of(&server);
    let path = "/nodes/leveret%40localhost/vm_memory_high_watermark";
    let mut peers: Vec<Peer> = (0..3).map(|_| Peer::open(server.address())).collect();
    peers[0].call(1, &declare("jobs"), "queue.declare-ok");
    for peer in &mut peers {
        peer.call(1, &method("confirm.select"), "confirm.select-ok");
        begin(peer, 1, LARGE, LARGE / 2);
    }
    assert_eq!(api.put(path, r#"{"absolute": "1kB"}"#).status, 204);
    api.until("/nodes/leveret%40localhost", |node| node["mem_alarm"] == true);
    for peer in &mut peers {
        go_on(peer, 1, LARGE / 2);
        peer.publish(&publish("", "jobs"), b"next");
        assert_eq!(peer.expect("connection.blocked").text("reason"), "low on memory");
        assert_eq!(peer.expect("basic.ack").number("delivery-tag"), 1);
    }
    assert_eq!(ready(&mut Peer::open(server.address()), "jobs"), 3, "the next ones wait");
    assert_eq!(api.put(path, r#"{"relative": 0.6}"#).status, 204);
    for peer in &mut peers {
        peer.expect("connection.unblocked");
        assert_eq!(peer.expect("basic.ack").number("delivery-tag"), 2);
    }
}

#[test]
fn messages_that_are_sent_at_once_on_many_channels_come_one_by_one_when_memory_is_short() {
    const CHANNELS: u16 = 60;
    let server = limited();
    let mut peer = Peer::open(server.address());
    peer.call(1, &declare("jobs"), "queue.declare-ok");
    for channel in 2..=CHANNELS {
        peer.call(channel, &method("channel.open"), "channel.open-ok");
    }
    for channel in 1..=CHANNELS {
        begin(&mut peer, channel, LARGE, LARGE / 4);
    }
    for channel in 1..=CHANNELS {
        go_on(&mut peer, channel, LARGE / 4 * 3);
    }
    let mut closed = Vec::new();
    let mut other = Peer::open(server.address());
    crate::memory::wait_until("all but some are refused", || {
        while let Event::Method { channel, method } = peer.raw.next(std::time::Duration::from_millis(20)) {
            assert_eq!((method.name, method.number("reply-code")), ("channel.close", 506));
            assert_eq!(
                method.text("reply-text"),
                "RESOURCE_ERROR - memory is low, and the content of another message is not complete on this \
                 connection: send large messages one after the other, or on several connections"
            );
            closed.push(channel);
        }
        closed.len() + ready(&mut other, "jobs") == usize::from(CHANNELS)
    });
    println!("{} of {CHANNELS} are refused; {} MiB at most", closed.len(), server.peak() / MIB);
    assert!((1..usize::from(CHANNELS)).contains(&closed.len()), "one is always taken");
    // Of 960 MiB.
    kept(&server);
    // The connection goes on, with the channels that are left and with new ones.
    for channel in &closed {
        peer.raw.send_method(*channel, &method("channel.close-ok"));
    }
    peer.call(closed[0], &method("channel.open"), "channel.open-ok");
    begin(&mut peer, closed[0], LARGE, LARGE);
    let whole = usize::from(CHANNELS) - closed.len() + 1;
    crate::memory::wait_until("one more is taken", || ready(&mut other, "jobs") == whole);
}

#[test]
fn small_messages_are_taken_from_any_channel_however_short_memory_is() {
    let server = limited();
    let mut hogs: Vec<Peer> = (0..3).map(|_| Peer::open(server.address())).collect();
    hogs[0].call(1, &declare("jobs"), "queue.declare-ok");
    for hog in &mut hogs {
        begin(hog, 1, LARGE, LARGE - 1);
    }
    let mut peer = Peer::open(server.address());
    for channel in 2..=10 {
        peer.call(channel, &method("channel.open"), "channel.open-ok");
    }
    for channel in 1..=10 {
        begin(&mut peer, channel, 2000, 1000);
    }
    for channel in 1..=10 {
        go_on(&mut peer, channel, 1000);
    }
    let mut other = Peer::open(server.address());
    crate::memory::wait_until("all are taken", || ready(&mut other, "jobs") == 10);
    for hog in &mut hogs {
        go_on(hog, 1, 1);
    }
    crate::memory::wait_until("the large ones, too", || ready(&mut other, "jobs") == 13);
}

#[test]
fn who_gets_without_settling_is_refused_when_memory_is_short() {
    const SIZE: usize = 64 * 1024;
    const MANY: usize = LIMIT / 4 * 5 / SIZE;
    let server = limited();
    let mut peer = Peer::open(server.address());
    peer.call(1, &declare("jobs"), "queue.declare-ok");
    flood(&mut peer, "jobs", 0..MANY, SIZE);
    let mut greedy = Peer::open(server.address());
    let mut taken = 0;
    let refusal = loop {
        greedy.raw.send_method(1, &get("jobs"));
        match greedy.event() {
            Event::Method { method, .. } if method.name == "basic.get-ok" => {}
            Event::Method { method, .. } => break method,
            other => panic!("{other:?}"),
        }
        assert!(matches!(greedy.event(), Event::Header { .. }));
        let Event::Body { bytes, .. } = greedy.event() else { panic!("a body follows") };
        assert_eq!(number(&bytes), taken);
        taken += 1;
    };
    assert_eq!((refusal.name, refusal.number("reply-code")), ("channel.close", 506));
    assert_eq!(
        refusal.text("reply-text"),
        "RESOURCE_ERROR - memory is low, and messages taken by basic.get on this connection and not settled take 4194304 \
         bytes of it or more: settle some before getting more"
    );
    println!("{taken} of {MANY} were taken");
    assert!(taken < MANY / 2);
    kept(&server);
    // They have come back, and who settles what it gets has all of them.
    greedy.raw.send_method(1, &method("channel.close-ok"));
    greedy.call(1, &method("channel.open"), "channel.open-ok");
    for expected in 0..MANY {
        greedy.raw.send_method(1, &get("jobs"));
        let (got, body) = greedy.delivery();
        assert_eq!((number(&body), got.is_set("redelivered")), (expected, expected < taken));
        greedy.raw.send_method(1, &ack(got.number("delivery-tag")));
    }
    greedy.call(1, &get("jobs"), "basic.get-empty");
    kept(&server);
}

#[test]
fn half_a_message_of_a_connection_that_ends_takes_no_memory_any_more() {
    let server = limited();
    let api = Api::of(&server);
    let mut peer = Peer::open(server.address());
    peer.call(1, &declare("jobs"), "queue.declare-ok");
    let whole = published(&publish("", "jobs"), &numbered(0, LARGE));
    peer.raw.send(&whole[..whole.len() / 2]);
    let readers =
        || api.get("/nodes/leveret%40localhost/memory").body["memory"]["connection_readers"].as_u64().unwrap();
    crate::memory::wait_until("half of it is there", || readers() > 7 << 20);
    drop(peer);
    crate::memory::wait_until("it is gone", || readers() == 0);
}
