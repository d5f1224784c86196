//! Bytes that come in pieces, or stop coming.

use std::time::{Duration, Instant};

use crate::peer::{Peer, published};
use crate::support::commands::{ack, consume, declare, declare_passive, method, publish};
use crate::support::raw::{Handshake, PROTOCOL_HEADER, frame};
use crate::support::server::Server;

const TIMEOUT: Duration = Duration::from_millis(400);

/// A server with a short handshake timeout, and one place for a connection.
fn impatient() -> Server {
    let timeout = TIMEOUT.as_millis().to_string();
    Server::start_with(&[("handshake_timeout", &timeout), ("connection_max", "1")])
}

#[test]
fn a_conversation_sent_byte_by_byte_is_understood() {
    let server = Server::start();
    let mut peer = Peer::connect(server.address());
    let handshake = Handshake::default();
    let mut steps = vec![
        (PROTOCOL_HEADER.to_vec(), Some("connection.start")),
        (frame(1, 0, &handshake.start_ok().encode()), Some("connection.tune")),
        (frame(1, 0, &handshake.tune_ok().encode()), None),
        (frame(1, 0, &handshake.open().encode()), Some("connection.open-ok")),
        (frame(1, 1, &method("channel.open").encode()), Some("channel.open-ok")),
        (frame(1, 1, &declare("jobs").encode()), Some("queue.declare-ok")),
        (published(&publish("", "jobs"), b"resize 42.png"), None),
        (frame(8, 0, b""), None),
        (published(&publish("", "jobs"), b""), None),
        (frame(1, 1, &consume("jobs", "worker").encode()), Some("basic.consume-ok")),
    ];
    for (bytes, answer) in steps.drain(..) {
        for byte in bytes {
            peer.raw.send(&[byte]);
        }
        if let Some(answer) = answer {
            peer.expect(answer);
        }
    }
    for (tag, body) in [(1, "resize 42.png"), (2, "")] {
        let (deliver, delivered) = peer.delivery();
        assert_eq!((deliver.number("delivery-tag"), String::from_utf8(delivered).unwrap().as_str()), (tag, body));
    }
    for byte in frame(1, 1, &ack(2).flag("multiple").encode()) {
        peer.raw.send(&[byte]);
    }
    // The method after it shows that the ack was understood.
    assert_eq!(peer.call(1, &declare_passive("jobs"), "queue.declare-ok").number("message-count"), 0);
    peer.call(1, &method("channel.close"), "channel.close-ok");
    let mut other = Peer::open(server.address());
    assert_eq!(other.call(1, &declare_passive("jobs"), "queue.declare-ok").number("message-count"), 0);
}

#[test]
fn a_handshake_that_stops_anywhere_is_ended_by_the_timeout() {
    let server = impatient();
    let handshake = Handshake::default();
    let start_ok = frame(1, 0, &handshake.start_ok().encode());
    let pieces: [&[u8]; 4] =
        [b"", b"AMQP\0", PROTOCOL_HEADER, &[PROTOCOL_HEADER, &start_ok[..start_ok.len() / 2]].concat()];
    let began = Instant::now();
    let mut peers: Vec<Peer> = pieces.iter().map(|_| Peer::connect(server.address())).collect();
    for (peer, piece) in peers.iter_mut().zip(pieces) {
        peer.raw.send(piece);
    }
    for (peer, piece) in peers.iter_mut().zip(pieces) {
        assert!(peer.hangs_up(), "after {piece:?}");
    }
    assert!(began.elapsed() >= TIMEOUT, "not before the time is over");
}

#[test]
fn a_trickle_of_bytes_does_not_put_the_handshake_timeout_off() {
    let server = impatient();
    let mut peer = Peer::connect(server.address());
    peer.raw.send(PROTOCOL_HEADER);
    peer.expect("connection.start");
    // A frame that announces more than ever comes.
    peer.raw.send(&[1, 0, 0, 0, 0, 0x1F, 0x40]);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        peer.raw.send(b"x");
        if peer.raw.next(Duration::from_millis(1)) == crate::support::raw::Event::Eof {
            return;
        }
    }
    panic!("the server still listens after {:?}", began.elapsed());
}

#[test]
fn a_handshake_that_is_not_over_takes_no_place_from_others() {
    let server = impatient();
    let mut idle = Peer::connect(server.address());
    let mut halfway = Peer::connect(server.address());
    halfway.raw.send(PROTOCOL_HEADER);
    halfway.expect("connection.start");
    let mut peer = Peer::open(server.address());
    assert!(idle.hangs_up());
    assert!(halfway.hangs_up());
    // Those who have gone give back nothing that they never had.
    let mut second = Peer::connect(server.address());
    second.handshake(&Handshake::default());
    let text = "NOT_ALLOWED - connection refused: node connection limit (1) is reached";
    assert_eq!(second.close("connection.close"), (530, text.to_owned()));
    peer.call(1, &declare("jobs"), "queue.declare-ok");
}

#[test]
fn a_client_that_stops_within_a_frame_is_ended_by_missing_heartbeats() {
    let server = Server::start();
    let mut peer = Peer::connect(server.address());
    peer.handshake(&Handshake { heartbeat: 1, ..Handshake::default() });
    peer.expect("connection.open-ok");
    peer.call(1, &method("channel.open"), "channel.open-ok");
    peer.call(1, &declare("mine").flag("exclusive"), "queue.declare-ok");
    peer.raw.send(&published(&publish("", "mine"), b"never whole")[..40]);
    assert!(peer.hangs_up());
    // What it held is given back: another connection may have the name.
    Peer::open(server.address()).call(1, &declare("mine"), "queue.declare-ok");
}
