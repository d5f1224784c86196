//! The limits that client and server agree on, and what they bound afterwards.

use leveret_protocol::{FieldTable, FrameKind, channel};

use super::{Peer, connection_error, octets, raw, send, settings, tune_ok};
use crate::broker::connection::{Effect, Settings};
use crate::broker::error::ConnectionError;

fn assert_refused(settings: Settings, channel_max: u16, frame_max: u32, text: &str) {
    let mut peer = Peer::tuning(settings);
    let error = ConnectionError::NotAllowed(text.to_owned());
    let reply = format!("530 NOT_ALLOWED - {text}");
    assert_eq!(peer.call(0, tune_ok(channel_max, frame_max, 60)), connection_error(error, &reply, (10, 30), &[]));
}

#[test]
fn more_than_was_offered_is_refused() {
    let channel_max = "negotiated channel_max = 2048 is higher than the maximum allowed value (2047)";
    assert_refused(settings(), 2048, 131_072, channel_max);
    let frame_max = "negotiated frame_max = 131073 is higher than the maximum allowed value (131072)";
    assert_refused(settings(), 2047, 131_073, frame_max);
    assert_refused(settings(), 2048, 131_073, channel_max);
}

#[test]
fn no_limit_is_more_than_any() {
    let text = "negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (2047)";
    assert_refused(settings(), 0, 131_072, text);
    let text = "negotiated frame_max = 0 (no limit) is higher than the maximum allowed value (131072)";
    assert_refused(settings(), 2047, 0, text);
}

#[test]
fn a_frame_max_below_the_protocols_minimum_is_refused() {
    let text = "negotiated frame_max = 4095 is lower than the minimum allowed value (4096)";
    assert_refused(settings(), 2047, 4095, text);
    assert_refused(Settings { frame_max: 0, ..settings() }, 2047, 4095, text);
}

#[test]
fn anything_within_bounds_is_taken() {
    let unlimited = Settings { frame_max: 0, channel_max: 0, ..settings() };
    for (settings, channel_max, frame_max) in [
        (settings(), 1, 4096),
        (settings(), 2047, 131_072),
        (unlimited.clone(), 0, 0),
        (unlimited, 65_535, 4_000_000_000),
    ] {
        let mut peer = Peer::tuning(settings);
        assert_eq!(peer.call(0, tune_ok(channel_max, frame_max, 65_535)), []);
    }
}

#[test]
fn the_frame_max_counts_from_tune_ok_on() {
    let mut peer = Peer::running_with(settings(), FieldTable::default(), tune_ok(2047, 4096, 0));
    peer.open_channel(1);
    let text = "type 3, all octets = <<>>: {frame_too_large,4097,4088}";
    let error = ConnectionError::Frame(text.to_owned());
    let reply = format!("501 FRAME_ERROR - {text}");
    assert_eq!(peer.read(&raw(FrameKind::Body, 1, &[0; 4097])), connection_error(error, &reply, (0, 0), &[1]));
}

#[test]
fn one_channel_more_than_agreed_closes_the_connection() {
    let mut peer = Peer::running_with(settings(), FieldTable::default(), tune_ok(2, 8192, 0));
    peer.open_channel(7);
    peer.open_channel(60_000);
    let text = "number of channels opened (2) has reached the negotiated channel_max (2)";
    let error = ConnectionError::NotAllowed(text.to_owned());
    let reply = format!("530 NOT_ALLOWED - {text}");
    assert_eq!(peer.call(1, channel::Open::default()), connection_error(error, &reply, (0, 0), &[7, 60_000]));
}

#[test]
fn a_closed_channel_makes_room_for_another() {
    let mut peer = Peer::running_with(settings(), FieldTable::default(), tune_ok(1, 8192, 0));
    peer.open_channel(1);
    let both =
        [octets(1, channel::Close { reply_code: 200, ..Default::default() }), octets(2, channel::Open::default())];
    assert_eq!(
        peer.read(&both.concat()),
        [Effect::ChannelEnded(1), send(1, channel::CloseOk {}), send(2, channel::OpenOk::default())]
    );
}
