//! What no client should send: garbage, giant announcements, tables without end. The sender is shown out; nobody else
//! notices, and memory is not spent on it.

use crate::peer::{Peer, published};
use crate::support::commands::{declare, publish};
use crate::support::method::Method;
use crate::support::raw::{Event, Handshake, PROTOCOL_HEADER, frame, header};
use crate::support::server::Server;
use crate::support::value::{Table, Value};

const MIB: usize = 1024 * 1024;

/// Something that looks like noise and is the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

/// A table in a table in a table, as bytes: nothing that can be built as a value would be so deep.
fn nested(depth: usize) -> Vec<u8> {
    let mut table = vec![0, 0, 0, 0];
    for _ in 0..depth {
        let mut outer = Vec::with_capacity(table.len() + 6);
        outer.extend_from_slice(&u32::try_from(table.len() + 2).unwrap().to_be_bytes());
        outer.extend_from_slice(&[0, b'F']);
        outer.append(&mut table);
        table = outer;
    }
    table
}

/// Others are served at once.
fn is_well(server: &Server, witness: &mut Peer) {
    witness.call(1, &declare("witness"), "queue.declare-ok");
    Peer::open(server.address()).call(1, &declare("witness"), "queue.declare-ok");
}

#[test]
fn whoever_does_not_speak_amqp_is_told_the_version_and_shown_out() {
    let server = Server::start();
    let mut witness = Peer::open(server.address());
    let greetings: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"AMQP\x01\x01\x00\x0a", &[0; 4096], &noise(MIB)];
    for greeting in greetings {
        let mut peer = Peer::connect(server.address());
        peer.raw.send(greeting);
        assert_eq!(peer.event(), Event::ProtocolHeader(*b"AMQP\x00\x00\x09\x01"));
        assert!(peer.hangs_up());
    }
    is_well(&server, &mut witness);
}

#[test]
fn noise_after_the_handshake_closes_the_connection() {
    let server = Server::start();
    let mut witness = Peer::open(server.address());
    let mut peer = Peer::open(server.address());
    peer.raw.send(&noise(64 * 1024));
    let (code, text) = peer.close("connection.close");
    assert_eq!(code, 501, "{text}");
    is_well(&server, &mut witness);
}

#[test]
fn a_frame_that_announces_too_much_is_refused_by_its_first_bytes() {
    let server = Server::start();
    let mut witness = Peer::open(server.address());
    let before = server.resident();
    for frame_type in [1, 2, 3, 8] {
        let mut peer = Peer::open(server.address());
        peer.raw.send(&[frame_type, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF]);
        let (code, text) = peer.close("connection.close");
        assert_eq!(code, 501, "{text}");
    }
    is_well(&server, &mut witness);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 32 * MIB, "{grown} bytes more");
}

#[test]
fn bodies_that_are_announced_and_do_not_come_cost_nothing() {
    let server = Server::start();
    let mut peer = Peer::open(server.address());
    peer.call(1, &declare("jobs"), "queue.declare-ok");
    let before = server.resident();
    for channel in 2..1002 {
        peer.call(channel, &Method::new("channel.open"), "channel.open-ok");
        peer.raw.send_method(channel, &publish("", "jobs"));
        peer.raw.send_frame(2, channel, &header(60, 0, 16 * 1024 * 1024, &[0, 0]));
        peer.raw.send_body(channel, b"the first bytes");
    }
    assert_eq!(peer.call(1, &declare("jobs"), "queue.declare-ok").number("message-count"), 0);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 32 * MIB, "{grown} bytes for a thousand announcements");
}

#[test]
fn tables_nested_without_end_are_a_syntax_error() {
    let server = Server::start();
    let mut witness = Peer::open(server.address());
    let deep = nested(20_000);
    let mut arguments = Method::new("queue.declare").set("queue", "deep").encode();
    arguments.truncate(arguments.len() - 4);
    arguments.extend_from_slice(&deep);
    let mut peer = Peer::open(server.address());
    peer.raw.send_frame(1, 1, &arguments);
    let (code, text) = peer.close("connection.close");
    assert_eq!(code, 502, "{text}");
    is_well(&server, &mut witness);
}

#[test]
fn headers_nested_without_end_are_a_syntax_error_too() {
    let server = Server::start();
    let mut witness = Peer::open(server.address());
    // Flag of the headers property, then the table.
    let properties = [&[0x20, 0x00], nested(20_000).as_slice()].concat();
    for exchange in ["", "amq.headers"] {
        let mut peer = Peer::open(server.address());
        peer.raw.send_method(1, &publish(exchange, "witness"));
        peer.raw.send_frame(2, 1, &header(60, 0, 0, &properties));
        let (code, text) = peer.close("connection.close");
        assert_eq!(code, 502, "{text}");
    }
    is_well(&server, &mut witness);
}

#[test]
fn a_handshake_that_makes_no_sense_ends_after_a_silence() {
    let server = Server::start();
    let mut witness = Peer::open(server.address());
    let mut properties: Table = Vec::new();
    for _ in 0..500 {
        properties = vec![("t".to_owned(), Value::Table(properties))];
    }
    let too_deep = Handshake { client_properties: properties, ..Handshake::default() }.start_ok();
    let pieces = [frame(1, 0, &too_deep.encode()), vec![1, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF], noise(4096)];
    let mut peers = Vec::new();
    for piece in &pieces {
        let mut peer = Peer::connect(server.address());
        peer.raw.send(PROTOCOL_HEADER);
        peer.expect("connection.start");
        peer.raw.send(piece);
        peers.push(peer);
    }
    for peer in &mut peers {
        assert!(peer.hangs_up());
    }
    is_well(&server, &mut witness);
}

#[test]
fn a_frame_end_that_is_missing_closes_the_connection_and_what_came_before_counts() {
    let server = Server::start();
    let mut peer = Peer::open(server.address());
    peer.call(1, &declare("jobs"), "queue.declare-ok");
    let mut bytes = published(&publish("", "jobs"), b"good");
    let mut broken = frame(1, 1, &publish("", "jobs").encode());
    *broken.last_mut().unwrap() = 0;
    bytes.extend(broken);
    peer.raw.send(&bytes);
    assert_eq!(peer.close("connection.close").0, 501);
    let mut other = Peer::open(server.address());
    assert_eq!(other.call(1, &declare("jobs"), "queue.declare-ok").number("message-count"), 1);
}
