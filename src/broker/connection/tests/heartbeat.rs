//! Heartbeats as the connection sends and expects them. Their timing is `Heartbeat`'s.

use leveret_protocol::{FieldTable, FrameKind, connection};

use super::{Peer, connection_error, gone, raw, send, settings, tune_ok};
use crate::broker::connection::{Effect, Note};
use crate::broker::error::ConnectionError;

fn with_heartbeat(seconds: u16) -> Peer {
    Peer::running_with(settings(), FieldTable::default(), tune_ok(2047, 131_072, seconds))
}

#[test]
fn a_heartbeat_goes_out_after_half_an_interval_of_silence() {
    let mut peer = with_heartbeat(10);
    assert_eq!(peer.connection.next_deadline(), Some(peer.now.after(std::time::Duration::from_secs(5))));
    assert_eq!(peer.pass_seconds(4), []);
    assert_eq!(peer.pass_seconds(1), [Effect::SendHeartbeat]);
}

#[test]
fn other_traffic_stands_for_a_heartbeat() {
    let mut peer = with_heartbeat(10);
    peer.connection.note_sent();
    assert_eq!(peer.pass_seconds(5), []);
    assert_eq!(peer.pass_seconds(5), [Effect::SendHeartbeat]);
}

#[test]
fn a_client_that_is_silent_for_two_checks_is_dead() {
    let mut peer = with_heartbeat(10);
    let heard_until = 3;
    for _ in 0..heard_until {
        assert_eq!(peer.read(&raw(FrameKind::Heartbeat, 0, b"")), []);
        peer.pass_seconds(10);
    }
    peer.pass_seconds(10);
    assert!(!peer.connection.is_closed(), "one silent check");
    let [release, disconnect] = gone();
    assert_eq!(peer.pass_seconds(10), [Effect::Note(Note::MissedHeartbeats), release, disconnect]);
    assert!(peer.connection.is_closed());
    assert_eq!(peer.connection.next_deadline(), None);
}

#[test]
fn half_a_frame_is_a_sign_of_life() {
    let mut peer = with_heartbeat(10);
    for _ in 0..4 {
        let mut effects = Vec::new();
        peer.connection.receive(peer.now, b"\x01", &mut peer.arena, &mut effects);
        peer.pass_seconds(10);
    }
    assert!(!peer.connection.is_closed());
}

#[test]
fn without_an_interval_nothing_is_sent_or_expected() {
    let mut peer = with_heartbeat(0);
    assert_eq!(peer.connection.next_deadline(), None);
    assert_eq!(peer.pass_seconds(1_000_000), []);
}

#[test]
fn a_heartbeat_of_a_channel_closes_the_connection() {
    let mut peer = Peer::on_channel();
    let heartbeat = raw(FrameKind::Heartbeat, 1, b"");
    let effects = peer.read(&heartbeat);
    let Some(Effect::Note(Note::ConnectionError(error))) = effects.first() else { panic!("{effects:?}") };
    assert_eq!(error.code().code(), 505);
    assert_eq!(effects.len(), 4);
}

#[test]
fn a_heartbeat_with_a_payload_is_no_frame() {
    let mut peer = Peer::running(settings());
    let text = "type 8, all octets = <<1>>: unknown_frame";
    let error = ConnectionError::Frame(text.to_owned());
    assert_eq!(
        peer.read(&raw(FrameKind::Heartbeat, 0, &[1])),
        connection_error(error, &format!("501 FRAME_ERROR - {text}"), (0, 0), &[])
    );
}

#[test]
fn a_closing_connection_waits_no_longer_than_its_heartbeat() {
    for (heartbeat, patience) in [(0, 30), (10, 10), (60, 30)] {
        let mut peer = with_heartbeat(heartbeat);
        assert_eq!(peer.force_close().len(), 3);
        assert_eq!(peer.pass_seconds(patience - 1), []);
        assert_eq!(peer.pass_seconds(1), gone(), "heartbeat {heartbeat}");
    }
}

#[test]
fn a_closing_connection_sends_no_heartbeats_and_answers_none() {
    let mut peer = with_heartbeat(10);
    assert_eq!(peer.force_close().len(), 3);
    assert_eq!(peer.pass_seconds(5), []);
    assert_eq!(peer.read(&raw(FrameKind::Heartbeat, 3, b"")), []);
    let close = connection::Close { reply_code: 200, ..Default::default() };
    assert_eq!(peer.call(0, close), [send(0, connection::CloseOk {})]);
}
