//! From the protocol header to connection.open-ok.

use leveret_protocol::{FieldTable, FieldValue, FrameKind, PROTOCOL_HEADER, channel, connection};

use super::{
    Peer, connection_error, gone, name, octets, open, raw, send, settings, start_ok, tune_ok, with_capability,
};
use crate::broker::auth::sasl::{Login, Mechanism};
use crate::broker::connection::{Effect, Note};
use crate::broker::error::ConnectionError;

fn refused(reason: &str) -> Effect {
    Effect::Note(Note::HandshakeRefused(reason.to_owned()))
}

fn authenticate() -> Effect {
    let login = Login::Password { user: "guest".into(), password: "secret".into() };
    Effect::Authenticate { mechanism: Mechanism::Plain, login }
}

/// The client gets no answer, whatever it sends, until the socket is closed three seconds later.
fn assert_silence(peer: &mut Peer) {
    assert_eq!(peer.read(b"anything"), []);
    assert_eq!(peer.pass_seconds(2), []);
    assert_eq!(peer.pass_seconds(1), gone());
    assert!(peer.connection.is_closed());
    assert_eq!(peer.connection.next_deadline(), None);
}

#[test]
fn the_server_introduces_itself() {
    let mut capabilities = FieldTable::default();
    for capability in [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ] {
        capabilities.insert(capability, FieldValue::Bool(true));
    }
    let mut server_properties = FieldTable::default();
    server_properties.insert("capabilities", FieldValue::Table(capabilities));
    for (key, value) in [
        ("cluster_name", "hares"),
        ("copyright", "Copyright the Leveret authors"),
        ("information", "Licensed under the Apache License 2.0"),
        ("platform", "Rust"),
        ("product", "Leveret"),
        ("version", "1.2.3"),
    ] {
        server_properties.insert(key, FieldValue::text(value));
    }
    let start = connection::Start {
        version_major: 0,
        version_minor: 9,
        server_properties,
        mechanisms: "PLAIN AMQPLAIN".into(),
        locales: "en_US".into(),
    };
    for header in [PROTOCOL_HEADER, *b"AMQP\x01\x01\x00\x09"] {
        assert_eq!(Peer::new(settings()).read(&header), [send(0, start.clone())]);
    }
}

#[test]
fn another_protocol_header_is_answered_with_the_right_one() {
    let mut peer = Peer::new(settings());
    let [release, disconnect] = gone();
    assert_eq!(
        peer.read(b"GET / HTTP/1.1\r\n\r\n"),
        [Effect::Note(Note::BadProtocolHeader(*b"GET / HT")), Effect::SendProtocolHeader, release, disconnect]
    );
    assert!(peer.connection.is_closed());
}

#[test]
fn a_connection_opens_step_by_step() {
    let mut peer = Peer::starting(settings());
    assert_eq!(peer.call(0, start_ok(FieldTable::default())), [authenticate()]);
    assert!(peer.connection.is_waiting());
    assert_eq!(
        peer.authenticated(true),
        [send(0, connection::Tune { channel_max: 2047, frame_max: 131_072, heartbeat: 60 })]
    );
    assert_eq!(peer.call(0, tune_ok(100, 8192, 0)), []);
    assert_eq!(peer.call(0, open()), [Effect::OpenVhost(name("/"))]);
    assert!(peer.connection.is_waiting());
    assert_eq!(peer.vhost_opened(Ok(())), [send(0, connection::OpenOk::default())]);
    assert_eq!(peer.connection.next_deadline(), None, "no heartbeats were agreed on");
    assert_eq!(peer.connection.body_max(), 8192 - 8);
}

/// A client that sends its part of the handshake, and more, without waiting for answers.
fn eager() -> Vec<u8> {
    [
        PROTOCOL_HEADER.to_vec(),
        octets(0, start_ok(FieldTable::default())),
        octets(0, tune_ok(100, 8192, 0)),
        octets(0, open()),
        octets(1, channel::Open::default()),
        raw(FrameKind::Heartbeat, 0, b""),
        octets(0, connection::Close { reply_code: 200, ..Default::default() }),
    ]
    .concat()
}

/// All effects of the octets when they come in pieces of a size.
fn effects_of(octets: &[u8], size: usize) -> Vec<Effect> {
    let mut peer = Peer::new(settings());
    let mut all = Vec::new();
    let mut unread: Vec<u8> = Vec::new();
    for piece in octets.chunks(size) {
        unread.extend_from_slice(piece);
        loop {
            let mut effects = Vec::new();
            let taken = peer.connection.receive(peer.now, &unread, &mut peer.arena, &mut effects);
            unread.drain(..taken);
            let answered = match effects.last() {
                Some(Effect::Authenticate { .. }) => peer.authenticated(true),
                Some(Effect::OpenVhost(_)) => peer.vhost_opened(Ok(())),
                Some(_) | None => Vec::new(),
            };
            let done = answered.is_empty();
            all.extend(effects.into_iter().chain(answered));
            if done {
                break;
            }
        }
    }
    assert_eq!(unread, b"", "all is taken");
    all
}

#[test]
fn nothing_is_read_while_an_answer_is_awaited() {
    let mut peer = Peer::new(settings());
    let mut effects = Vec::new();
    let (header, start_ok) = (PROTOCOL_HEADER.len(), octets(0, start_ok(FieldTable::default())).len());
    assert_eq!(peer.connection.receive(peer.now, &eager(), &mut peer.arena, &mut effects), header + start_ok);
    assert_eq!(effects.len(), 2);
    assert_eq!(peer.connection.receive(peer.now, &eager(), &mut peer.arena, &mut effects), 0);
    assert_eq!(effects.len(), 2);
}

#[test]
fn what_comes_octet_by_octet_has_the_same_effects_as_what_comes_at_once() {
    let whole = effects_of(&eager(), usize::MAX);
    let [release, disconnect] = gone();
    let after_start = [
        authenticate(),
        send(0, connection::Tune { channel_max: 2047, frame_max: 131_072, heartbeat: 60 }),
        Effect::OpenVhost(name("/")),
        send(0, connection::OpenOk::default()),
        send(1, channel::OpenOk::default()),
        Effect::ChannelEnded(1),
        release.clone(),
        send(0, connection::CloseOk {}),
        release,
        disconnect,
    ];
    assert_eq!(whole[1..], after_start);
    for size in [1, 2, 3, 7, 11, 64] {
        assert_eq!(effects_of(&eager(), size), whole, "in pieces of {size}");
    }
}

#[test]
fn a_mechanism_that_is_not_offered_is_met_with_silence() {
    for mechanism in ["ANONYMOUS", "EXTERNAL", "plain", ""] {
        let mut peer = Peer::starting(settings());
        let start_ok = connection::StartOk { mechanism: name(mechanism), ..start_ok(FieldTable::default()) };
        assert_eq!(peer.call(0, start_ok), [refused(&format!("mechanism '{mechanism}' is not offered"))]);
        assert_silence(&mut peer);
    }
}

#[test]
fn a_malformed_login_is_met_with_silence() {
    let mut peer = Peer::starting(settings());
    let start_ok = connection::StartOk { response: "guest".into(), ..start_ok(FieldTable::default()) };
    assert_eq!(peer.call(0, start_ok), [refused("malformed PLAIN response")]);
    assert_silence(&mut peer);
}

#[test]
fn a_refused_login_is_told_to_clients_that_can_take_it() {
    let mut peer = Peer::authenticating(settings(), with_capability("authentication_failure_close"));
    let text = "403 ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker \
                logfile.";
    let error = ConnectionError::LoginRefused { mechanism: "PLAIN".to_owned() };
    assert_eq!(peer.authenticated(false), connection_error(error, text, (0, 0), &[]));
    assert_eq!(peer.call(0, tune_ok(1, 8192, 0)), []);
    assert_eq!(peer.pass_seconds(2), []);
    assert_eq!(peer.pass_seconds(1), gone());
}

#[test]
fn a_client_that_agrees_to_the_refusal_need_not_wait() {
    let mut peer = Peer::authenticating(settings(), with_capability("authentication_failure_close"));
    assert_eq!(peer.authenticated(false).len(), 3);
    assert_eq!(peer.call(0, connection::CloseOk {}), gone());
}

#[test]
fn a_refused_login_is_met_with_silence_otherwise() {
    let mut not_true = FieldTable::default();
    not_true.insert("authentication_failure_close", FieldValue::Bool(true));
    for client_properties in [FieldTable::default(), with_capability("connection.blocked"), not_true] {
        let mut peer = Peer::authenticating(settings(), client_properties);
        assert_eq!(peer.authenticated(false), [refused("login refused")]);
        assert_silence(&mut peer);
    }
}

#[test]
fn a_vhost_that_cannot_be_entered_is_told_with_the_method_that_asked() {
    let mut peer = Peer::entering(settings());
    let error = ConnectionError::NotAllowed("vhost other not found".to_owned());
    let text = "530 NOT_ALLOWED - vhost other not found";
    assert_eq!(peer.vhost_opened(Err(error.clone())), connection_error(error, text, (10, 40), &[]));
    assert_eq!(peer.call(1, channel::Open::default()), []);
    assert_eq!(peer.call(0, connection::CloseOk {}), gone());
}

#[test]
fn a_method_out_of_turn_is_met_with_silence_before_the_limits_are_settled() {
    let mut peer = Peer::starting(settings());
    assert_eq!(peer.call(0, tune_ok(1, 8192, 0)), [refused("unexpected connection.tune-ok")]);
    assert_silence(&mut peer);
    let mut peer = Peer::starting(settings());
    assert_eq!(peer.call(0, connection::Close::default()), [refused("unexpected connection.close")]);
    assert_silence(&mut peer);
    let mut peer = Peer::tuning(settings());
    assert_eq!(peer.call(0, open()), [refused("unexpected connection.open")]);
    assert_silence(&mut peer);
}

#[test]
fn a_method_out_of_turn_is_told_once_the_limits_are_settled() {
    let mut peer = Peer::opening(settings());
    let error = ConnectionError::UnexpectedMethod("opening");
    let text = "504 CHANNEL_ERROR - unexpected method in connection state opening";
    assert_eq!(peer.call(0, tune_ok(1, 8192, 0)), connection_error(error, text, (10, 31), &[]));
}

#[test]
fn a_channel_before_the_connection_is_open_is_met_with_silence() {
    for mut peer in [Peer::starting(settings()), Peer::tuning(settings()), Peer::opening(settings())] {
        assert_eq!(peer.call(1, channel::Open::default()), [refused("channel frame before connection.open")]);
        assert_silence(&mut peer);
    }
}

#[test]
fn octets_that_are_no_frame_are_met_with_silence_before_the_limits_are_settled() {
    let text = "type 9, all octets = <<>>: {frame_too_large,4294967295,131064}";
    for mut peer in [Peer::starting(settings()), Peer::tuning(settings())] {
        assert_eq!(peer.read(b"\x09\0\0\xff\xff\xff\xffmore"), [refused(text)]);
        assert_silence(&mut peer);
    }
    let mut peer = Peer::opening(settings());
    let error = ConnectionError::Frame(text.to_owned());
    let reply = format!("501 FRAME_ERROR - {text}");
    assert_eq!(peer.read(b"\x09\0\0\xff\xff\xff\xffmore"), connection_error(error, &reply, (0, 0), &[]));
}

#[test]
fn a_method_that_does_not_exist_is_met_with_silence_before_the_limits_are_settled() {
    let unknown = raw(FrameKind::Method, 0, &[0, 10, 0, 99]);
    let mut peer = Peer::starting(settings());
    assert_eq!(peer.read(&unknown).len(), 1);
    assert_silence(&mut peer);
    let mut peer = Peer::opening(settings());
    let text = "503 COMMAND_INVALID - unimplemented method";
    assert_eq!(peer.read(&unknown), connection_error(ConnectionError::UnimplementedMethod, text, (10, 99), &[]));
}

#[test]
fn a_client_may_give_up_once_it_has_logged_in() {
    for mut peer in [Peer::tuning(settings()), Peer::opening(settings())] {
        let effects = peer.call(0, connection::Close { reply_code: 200, ..Default::default() });
        let [release, disconnect] = gone();
        assert_eq!(effects, [release.clone(), send(0, connection::CloseOk {}), release, disconnect]);
    }
}

#[test]
fn a_handshake_that_takes_too_long_ends_in_every_state() {
    for mut peer in [
        Peer::new(settings()),
        Peer::starting(settings()),
        Peer::authenticating(settings(), FieldTable::default()),
        Peer::tuning(settings()),
        Peer::opening(settings()),
        Peer::entering(settings()),
    ] {
        assert_eq!(peer.connection.next_deadline(), Some(peer.now.after(settings().handshake_timeout)));
        assert_eq!(peer.pass_seconds(9), []);
        let [release, disconnect] = gone();
        assert_eq!(peer.pass_seconds(1), [Effect::Note(Note::HandshakeTimeout), release, disconnect]);
        assert_eq!(peer.read(&PROTOCOL_HEADER), []);
        assert_eq!(peer.authenticated(true), [], "an answer that comes too late");
        assert_eq!(peer.vhost_opened(Ok(())), []);
        assert!(peer.connection.is_closed());
    }
}

#[test]
fn a_frame_before_tuning_may_be_as_large_as_the_configured_maximum() {
    let mut client_properties = FieldTable::default();
    client_properties.insert("information", FieldValue::text(&"x".repeat(100_000)));
    let mut peer = Peer::starting(settings());
    assert_eq!(peer.call(0, start_ok(client_properties.clone())), [authenticate()]);
    assert_eq!(*peer.connection.client_properties(), client_properties);
    let mut small = Peer::starting(crate::broker::connection::Settings { frame_max: 4096, ..settings() });
    assert_eq!(small.call(0, start_ok(client_properties)).len(), 1);
    assert_silence(&mut small);
}
