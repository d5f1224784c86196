//! Messages coming in: whole, frame by frame, octet by octet, wrong; and their confirms.

use leveret_protocol::{FrameKind, Properties, basic, confirm};

use super::{
    BEGIN, Peer, channel_error, connection_error, message, name, octets, publish, publish_frames, published, raw, send,
};
use crate::broker::connection::Effect;
use crate::broker::error::{ChannelError, ConnectionError};
use crate::broker::message::Traits;

fn header(channel: u16, class_id: u16, weight: u16, body_size: u64) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.extend_from_slice(&class_id.to_be_bytes());
    payload.extend_from_slice(&weight.to_be_bytes());
    payload.extend_from_slice(&body_size.to_be_bytes());
    payload.extend_from_slice(&[0, 0]);
    raw(FrameKind::Header, channel, &payload)
}

fn confirm(channel: u16, first: u64, through: u64) -> Effect {
    Effect::Confirm { channel, first, through }
}

fn in_confirm_mode() -> Peer {
    let mut peer = Peer::on_channel();
    assert_eq!(peer.call(1, confirm::Select { nowait: false }), [send(1, confirm::SelectOk {})]);
    peer
}

#[test]
fn a_whole_publish_is_handled_at_once() {
    let mut peer = Peer::on_channel();
    assert_eq!(peer.read(&publish(1, "q", b"body")), [published(1, "q", b"body")]);
    let empty = publish_frames(1, "q", Properties::default(), &[]).concat();
    assert_eq!(peer.read(&empty), [published(1, "q", b"")]);
}

#[test]
fn several_publishes_are_handled_in_order() {
    let mut peer = Peer::on_channel();
    peer.open_channel(2);
    let all = [publish(1, "a", b"first"), publish(2, "b", b"second"), publish(1, "c", b"third")].concat();
    assert_eq!(
        peer.read(&all),
        [published(1, "a", b"first"), published(2, "b", b"second"), published(1, "c", b"third")]
    );
}

#[test]
fn a_publish_in_pieces_equals_a_whole_one() {
    let frames = publish_frames(1, "q", Properties::default(), &[b"bo", b"", b"dy"]);
    let mut peer = Peer::on_channel();
    let (last, before) = frames.split_last().unwrap();
    for frame in before {
        assert_eq!(peer.read(frame), []);
    }
    assert_eq!(peer.read(last), [published(1, "q", b"body")]);
    assert_eq!(Peer::on_channel().read(&frames.concat()), [published(1, "q", b"body")]);
}

#[test]
fn a_publish_octet_by_octet_equals_a_whole_one() {
    for frames in [publish(1, "q", b"body"), publish_frames(1, "q", Properties::default(), &[b"bo", b"dy"]).concat()] {
        let mut peer = Peer::on_channel();
        let mut unread = Vec::new();
        let mut effects = Vec::new();
        for octet in frames {
            assert_eq!(effects, [], "not before the last octet");
            unread.push(octet);
            let taken = peer.connection.receive(peer.now, &unread, &mut peer.arena, &mut effects);
            unread.drain(..taken);
        }
        assert_eq!(effects, [published(1, "q", b"body")]);
        assert_eq!(unread, b"");
    }
}

#[test]
fn content_of_several_channels_may_be_mixed() {
    let mut peer = Peer::on_channel();
    peer.open_channel(2);
    let one = publish_frames(1, "a", Properties::default(), &[b"one"]);
    let two = publish_frames(2, "b", Properties::default(), &[b"two"]);
    let mixed = [&one[0], &two[0], &two[1], &one[1], &one[2], &two[2]].map(Vec::as_slice).concat();
    assert_eq!(peer.read(&mixed), [published(1, "a", b"one"), published(2, "b", b"two")]);
}

#[test]
fn what_concerns_the_broker_in_the_header_is_found_on_both_ways() {
    let properties = Properties { delivery_mode: Some(2), expiration: Some(name("1000")), ..Default::default() };
    let wanted = Traits::PERSISTENT.with(Traits::CHECKED).with(Traits::EXPIRES);
    for pieces in [&[&b"body"[..]][..], &[b"bo", b"dy"]] {
        let frames = publish_frames(1, "q", properties.clone(), pieces).concat();
        let effects = Peer::on_channel().read(&frames);
        let [Effect::Publish { message, .. }] = effects.as_slice() else { panic!("{effects:?}") };
        assert_eq!((message.traits(), message.body()), (wanted, &b"body"[..]));
    }
}

#[test]
fn mandatory_is_passed_on() {
    let mut peer = Peer::on_channel();
    let publish = basic::Publish { routing_key: name("q"), mandatory: true, ..Default::default() };
    let frames = [octets(1, publish), header(1, 60, 0, 0)].concat();
    let message = message(BEGIN, "q", b"");
    assert_eq!(peer.read(&frames), [Effect::Publish { channel: 1, message, mandatory: true, in_transaction: false }]);
}

#[test]
fn immediate_is_not_there() {
    let mut peer = Peer::on_channel();
    let publish = basic::Publish { immediate: true, ..Default::default() };
    let frames = [octets(1, publish), header(1, 60, 0, 0)].concat();
    let error = ConnectionError::NotImplemented("immediate=true".to_owned());
    let text = "540 NOT_IMPLEMENTED - immediate=true";
    assert_eq!(peer.read(&frames), connection_error(error, text, (60, 40), &[1]));
}

fn assert_unexpected(frames: &[u8], text: &str) {
    let error = ConnectionError::UnexpectedFrame(text.to_owned());
    let reply = format!("505 UNEXPECTED_FRAME - {text}");
    assert_eq!(Peer::on_channel().read(frames), connection_error(error, &reply, (60, 40), &[1]), "{text}");
}

#[test]
fn frames_that_make_no_content_close_the_connection() {
    let method = octets(1, basic::Publish::default());
    let no_header = "expected content header for class 60, got non content header frame instead";
    assert_unexpected(&[method.clone(), raw(FrameKind::Body, 1, b"body")].concat(), no_header);
    assert_unexpected(&[method.clone(), method.clone()].concat(), no_header);
    assert_unexpected(&[method.clone(), header(1, 60, 1, 0)].concat(), no_header);
    let class = "expected content header for class 60, got one for class 50 instead";
    assert_unexpected(&[method.clone(), header(1, 50, 0, 0)].concat(), class);
    let no_body = "expected content body, got non content body frame instead";
    assert_unexpected(&[method.clone(), header(1, 60, 0, 4), method.clone()].concat(), no_body);
    assert_unexpected(&[method, header(1, 60, 0, 4), header(1, 60, 0, 4)].concat(), no_body);
}

#[test]
fn more_body_than_announced_closes_the_connection() {
    let text = "content body frame exceeds remaining content size";
    let frames = [octets(1, basic::Publish::default()), header(1, 60, 0, 3), raw(FrameKind::Body, 1, b"body")].concat();
    let error = ConnectionError::Frame(text.to_owned());
    assert_eq!(
        Peer::on_channel().read(&frames),
        connection_error(error, &format!("501 FRAME_ERROR - {text}"), (60, 40), &[1])
    );
}

#[test]
fn a_body_that_is_too_large_is_read_to_its_end_and_closes_the_channel() {
    let mut peer = Peer::on_channel();
    let half = [7; 501];
    let frames = publish_frames(1, "q", Properties::default(), &[&half, &half]);
    let (last, before) = frames.split_last().unwrap();
    assert_eq!(peer.read(&before.concat()), []);
    let error = ChannelError::MessageTooLarge { size: 1002, limit: 1000 };
    let text = "406 PRECONDITION_FAILED - message size 1002 is larger than configured max size 1000";
    assert_eq!(peer.read(last), channel_error(1, error.clone(), text, (60, 40)));
    let whole = publish(1, "q", &[7; 1002]);
    assert_eq!(Peer::on_channel().read(&whole), channel_error(1, error, text, (60, 40)));
    assert_eq!(Peer::on_channel().read(&publish(1, "q", &[7; 1000])), [published(1, "q", &[7; 1000])]);
}

#[test]
fn a_body_beyond_all_bounds_is_not_waited_for() {
    let text = "content body size 536870913 exceeds maximum allowed size 536870912";
    let frames = [octets(1, basic::Publish::default()), header(1, 60, 0, 536_870_913)].concat();
    let error = ConnectionError::Frame(text.to_owned());
    assert_eq!(
        Peer::on_channel().read(&frames),
        connection_error(error, &format!("501 FRAME_ERROR - {text}"), (60, 40), &[1])
    );
}

#[test]
fn a_header_that_cannot_be_read_closes_the_connection() {
    let mut payload = vec![0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    payload.extend_from_slice(&[0x80, 0, 200]);
    let frames = [octets(1, basic::Publish::default()), raw(FrameKind::Header, 1, &payload)].concat();
    let effects = Peer::on_channel().read(&frames);
    let [Effect::Note(_), Effect::ChannelEnded(1), Effect::ReleaseExclusive, Effect::Send { channel: 0, method }] =
        effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!(method.name(), "connection.close");
}

#[test]
fn publishes_of_one_read_are_confirmed_together() {
    let mut peer = in_confirm_mode();
    let three = [publish(1, "q", b"1"), publish(1, "q", b"2"), publish(1, "q", b"3")].concat();
    let published = |body| published(1, "q", body);
    assert_eq!(peer.read(&three), [published(b"1"), published(b"2"), published(b"3"), confirm(1, 1, 3)]);
    assert_eq!(peer.read(&publish(1, "q", b"4")), [published(b"4"), confirm(1, 4, 4)]);
}

#[test]
fn whatever_comes_between_publishes_finds_the_earlier_ones_confirmed() {
    let mut peer = in_confirm_mode();
    peer.open_channel(2);
    let mixed = [
        publish(1, "q", b"1"),
        publish(2, "q", b"other"),
        publish(1, "q", b"2"),
        octets(1, basic::Qos::default()),
        publish(1, "q", b"3"),
    ];
    assert_eq!(
        peer.read(&mixed.concat()),
        [
            published(1, "q", b"1"),
            confirm(1, 1, 1),
            published(2, "q", b"other"),
            published(1, "q", b"2"),
            confirm(1, 2, 2),
            send(1, basic::QosOk {}),
            published(1, "q", b"3"),
            confirm(1, 3, 3)
        ]
    );
}

#[test]
fn confirms_of_two_channels_are_counted_apart() {
    let mut peer = in_confirm_mode();
    peer.open_channel(2);
    assert_eq!(peer.call(2, confirm::Select { nowait: true }), []);
    let both = [publish(1, "q", b"1"), publish(2, "q", b"1"), publish(2, "q", b"2")].concat();
    assert_eq!(
        peer.read(&both),
        [published(1, "q", b"1"), confirm(1, 1, 1), published(2, "q", b"1"), published(2, "q", b"2"), confirm(2, 1, 2)]
    );
}

#[test]
fn counting_begins_with_the_first_select() {
    let mut peer = Peer::on_channel();
    assert_eq!(peer.read(&publish(1, "q", b"before")), [published(1, "q", b"before")]);
    assert_eq!(peer.call(1, confirm::Select { nowait: false }), [send(1, confirm::SelectOk {})]);
    assert_eq!(peer.read(&publish(1, "q", b"1")), [published(1, "q", b"1"), confirm(1, 1, 1)]);
    assert_eq!(peer.call(1, confirm::Select { nowait: false }), [send(1, confirm::SelectOk {})]);
    assert_eq!(peer.read(&publish(1, "q", b"2")), [published(1, "q", b"2"), confirm(1, 2, 2)]);
}
