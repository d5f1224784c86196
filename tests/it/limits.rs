//! Limits on channels and connections, which end in 530.

use std::time::{Duration, Instant};

use crate::peer::Peer;
use crate::support::commands::{declare, method};
use crate::support::raw::{Event, Handshake, frame};
use crate::support::server::Server;

#[test]
fn channels_open_up_to_channel_max_and_one_more_closes_the_connection() {
    let server = Server::start();
    let mut peer = Peer::open(server.address());
    let opens: Vec<u8> = (2..=2047).flat_map(|channel| frame(1, channel, &method("channel.open").encode())).collect();
    peer.raw.send(&opens);
    for _ in 2..=2047 {
        peer.expect("channel.open-ok");
    }
    for channel in [1, 1000, 2047] {
        peer.call(channel, &declare("jobs"), "queue.declare-ok");
    }
    peer.raw.send_method(2048, &method("channel.open"));
    let text = "NOT_ALLOWED - number of channels opened (2047) has reached the negotiated channel_max (2047)";
    assert_eq!(peer.close("connection.close"), (530, text.to_owned()));
    peer.raw.send_method(0, &method("connection.close-ok"));
    assert!(peer.hangs_up());
}

#[test]
fn more_connections_than_connection_max_are_refused_until_one_ends() {
    let server = Server::start_with(&[("connection_max", "2")]);
    let first = Peer::open(server.address());
    let _second = Peer::open(server.address());
    let mut third = Peer::connect(server.address());
    third.handshake(&Handshake::default());
    let text = "NOT_ALLOWED - connection refused: node connection limit (2) is reached";
    assert_eq!(third.close("connection.close"), (530, text.to_owned()));
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(Instant::now() < deadline, "the place of a connection that is lost is free again");
        let mut next = Peer::connect(server.address());
        next.handshake(&Handshake::default());
        if matches!(next.event(), Event::Method { method, .. } if method.name == "connection.open-ok") {
            return;
        }
    }
}

#[test]
fn hundreds_of_connections_that_come_and_go_leave_nothing_behind() {
    let server = Server::start_with(&[("connection_max", "1000")]);
    let round = || {
        let mut peers: Vec<Peer> = (0..100).map(|_| Peer::open(server.address())).collect();
        for (number, peer) in peers.iter_mut().enumerate() {
            peer.call(1, &declare(&format!("mine-{number}")).flag("exclusive"), "queue.declare-ok");
        }
    };
    round();
    let before = server.resident();
    for _ in 0..5 {
        round();
    }
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 16 * 1024 * 1024, "{grown} bytes after 500 connections");
}
