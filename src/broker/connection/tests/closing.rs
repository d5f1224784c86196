//! The end of a connection: by either side, by both at once, by an error, by the loss of the socket.

use leveret_protocol::{FieldTable, FrameKind, basic, channel, connection, tx};

use super::{
    ANN, BOB, Peer, abandon, close, connection_error, gone, octets, open, publish, raw, send, settings, tune_ok,
};
use crate::broker::connection::{Effect, Note};
use crate::broker::error::{ChannelError, ConnectionError};

fn client_close() -> connection::Close {
    connection::Close { reply_code: 200, ..Default::default() }
}

#[test]
fn a_client_that_closes_gives_back_what_it_holds_before_close_ok() {
    let mut peer = Peer::on_channel();
    peer.open_channel(2);
    peer.consume(1, ANN, false);
    peer.consume(2, BOB, true);
    let [release, disconnect] = gone();
    assert_eq!(
        peer.call(0, client_close()),
        [
            abandon(ANN),
            Effect::ChannelEnded(1),
            abandon(BOB),
            Effect::ChannelEnded(2),
            release.clone(),
            send(0, connection::CloseOk {}),
            release,
            disconnect
        ]
    );
    assert!(peer.connection.is_closed());
    assert_eq!(peer.deliver(ANN, 1), None, "its consumers are gone");
    assert_eq!(peer.read(b"whatever follows"), []);
}

#[test]
fn the_broker_closes_and_waits_for_close_ok() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    let forced = ConnectionError::Forced("maintenance".to_owned());
    assert_eq!(
        peer.force_close(),
        [
            Effect::Note(Note::ConnectionError(forced.into())),
            abandon(ANN),
            Effect::ChannelEnded(1),
            Effect::ReleaseExclusive,
            close("320 CONNECTION_FORCED - maintenance", (0, 0))
        ]
    );
    assert_eq!(peer.call(1, basic::Ack { delivery_tag: 1, multiple: false }), []);
    assert_eq!(peer.read(&publish(1, "q", b"body")), []);
    assert_eq!(peer.call(0, open()), []);
    assert_eq!(peer.read(&raw(FrameKind::Method, 0, &[0, 10, 0, 99])), []);
    assert!(!peer.connection.is_closed());
    assert_eq!(peer.call(0, connection::CloseOk {}), gone());
    assert!(peer.connection.is_closed());
}

#[test]
fn both_sides_may_close_at_once() {
    let mut peer = Peer::running(settings());
    assert_eq!(peer.force_close().len(), 3);
    assert_eq!(peer.call(0, client_close()), [send(0, connection::CloseOk {})]);
    assert_eq!(peer.call(0, connection::CloseOk {}), gone());
}

#[test]
fn a_client_that_does_not_agree_is_dropped() {
    let mut peer = Peer::running(settings());
    assert_eq!(peer.force_close().len(), 3);
    assert_eq!(peer.pass_seconds(29), []);
    assert_eq!(peer.pass_seconds(1), gone());
}

#[test]
fn a_second_reason_to_close_changes_nothing() {
    let mut peer = Peer::running(settings());
    assert_eq!(peer.force_close().len(), 3);
    assert_eq!(peer.force_close(), []);
    assert_eq!(peer.call(0, connection::CloseOk {}), gone());
    assert_eq!(peer.force_close(), []);
}

#[test]
fn before_the_connection_opens_it_is_closed_without_a_word() {
    for mut peer in [
        Peer::new(settings()),
        Peer::starting(settings()),
        Peer::authenticating(settings(), FieldTable::default()),
        Peer::tuning(settings()),
        Peer::entering(settings()),
    ] {
        assert_eq!(peer.force_close(), gone());
        assert!(peer.connection.is_closed());
        assert_eq!(peer.authenticated(true), []);
        assert_eq!(peer.vhost_opened(Ok(())), []);
        assert!(peer.connection.is_closed());
    }
}

#[test]
fn once_the_limits_are_settled_it_is_told() {
    let mut peer = Peer::opening(settings());
    let forced = ConnectionError::Forced("maintenance".to_owned());
    let text = "320 CONNECTION_FORCED - maintenance";
    assert_eq!(peer.force_close(), connection_error(forced, text, (0, 0), &[]));
    assert_eq!(peer.call(0, open()), []);
    assert_eq!(peer.call(0, connection::CloseOk {}), gone());
}

#[test]
fn a_silent_connection_stays_silent_when_it_is_to_close() {
    let mut peer = Peer::starting(settings());
    assert_eq!(peer.call(0, open()).len(), 1);
    assert_eq!(peer.force_close(), []);
    assert_eq!(peer.pass_seconds(3), gone());
}

#[test]
fn a_lost_socket_gives_back_what_the_connection_holds() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    let mut effects = Vec::new();
    peer.connection.end(&mut effects);
    let [release, disconnect] = gone();
    assert_eq!(effects, [abandon(ANN), Effect::ChannelEnded(1), release, disconnect]);
}

#[test]
fn a_method_of_another_state_closes_an_open_connection() {
    let mut peer = Peer::running(settings());
    let error = ConnectionError::UnexpectedMethod("running");
    let text = "504 CHANNEL_ERROR - unexpected method in connection state running";
    assert_eq!(peer.call(0, tune_ok(1, 8192, 0)), connection_error(error, text, (10, 31), &[]));
}

#[test]
fn a_channels_method_on_the_connection_closes_it() {
    let mut peer = Peer::running(settings());
    let error = ConnectionError::UnexpectedMethod("running");
    let text = "504 CHANNEL_ERROR - unexpected method in connection state running";
    assert_eq!(peer.call(0, tx::Select {}), connection_error(error, text, (90, 10), &[]));
}

#[test]
fn a_connections_method_on_a_channel_closes_the_connection() {
    let mut peer = Peer::on_channel();
    let text = "503 COMMAND_INVALID - unimplemented method";
    assert_eq!(
        peer.call(1, client_close()),
        connection_error(ConnectionError::UnimplementedMethod, text, (10, 50), &[1])
    );
}

#[test]
fn after_octets_that_are_no_frame_the_client_has_three_seconds() {
    let mut peer = Peer::on_channel();
    let text = "type 1, all octets = <<0,10,0,50>>: {invalid_frame_end_marker,0}";
    let error = ConnectionError::Frame(text.to_owned());
    assert_eq!(
        peer.read(b"\x01\0\x01\0\0\0\x04\0\x0a\0\x32\0more"),
        connection_error(error, &format!("501 FRAME_ERROR - {text}"), (0, 0), &[1])
    );
    assert_eq!(peer.pass_seconds(2), []);
    assert_eq!(peer.pass_seconds(1), gone());
}

#[test]
fn octets_that_are_no_frame_end_a_closing_connection() {
    let mut peer = Peer::running(settings());
    assert_eq!(peer.force_close().len(), 3);
    assert_eq!(peer.read(b"\x01\0\x01\0\0\0\x04\0\x0a\0\x32\0more"), gone());
}

#[test]
fn a_body_without_a_method_on_the_connection_closes_it() {
    let mut peer = Peer::running(settings());
    let effects = peer.read(&raw(FrameKind::Body, 0, b"body"));
    let text = "type 3, all octets = <<\"body\">>";
    let error = ConnectionError::UnexpectedFrame(text.to_owned());
    assert_eq!(effects, connection_error(error, &format!("505 UNEXPECTED_FRAME - {text}"), (0, 0), &[]));
}

#[test]
fn secrets_may_be_renewed() {
    let mut peer = Peer::running(settings());
    assert_eq!(peer.call(0, connection::UpdateSecret::default()), [send(0, connection::UpdateSecretOk {})]);
}

#[test]
fn a_publish_that_turns_out_wrong_after_the_connection_has_ended_is_only_noted() {
    let mut peer = Peer::on_channel();
    let both = [publish(1, "q", b"body"), octets(0, client_close())].concat();
    assert_eq!(peer.read(&both).len(), 6);
    let note = Effect::Note(Note::ChannelError(1, ChannelError::DefaultExchange.into()));
    assert_eq!(peer.refuse_publish(1, ChannelError::DefaultExchange), [note]);
}

#[test]
fn an_open_channel_is_needed_after_the_broker_forgot_one() {
    let mut peer = Peer::on_channel();
    let close = channel::Close { reply_code: 200, ..Default::default() };
    assert_eq!(peer.call(1, close.clone()), [Effect::ChannelEnded(1), send(1, channel::CloseOk {})]);
    let text = "504 CHANNEL_ERROR - expected 'channel.open'";
    assert_eq!(peer.call(1, close), connection_error(ConnectionError::ChannelNotOpen, text, (20, 40), &[]));
}
