//! Messages that are not complete: counted, refused where there are several and memory is short, and completed under an
//! alarm by whoever is let.

use leveret_protocol::{FrameKind, Properties, connection};

use super::{Peer, channel_error, name, publish_frames, published, raw, send, settings, tune_ok, with_capability};
use crate::broker::alarm::Alarms;
use crate::broker::connection::{Effect, Settings};
use crate::broker::error::ChannelError;

const MEMORY: Alarms = Alarms { memory: true, disk: false };

/// More than what counts as small.
const PIECE: [u8; 3000] = [b'.'; 3000];

/// Frames of a message that is large, with a body in two pieces.
fn large(channel: u16) -> Vec<Vec<u8>> {
    publish_frames(channel, "q", Properties::default(), &[&PIECE, &PIECE])
}

fn refused(channel: u16) -> Vec<Effect> {
    let reply = "506 RESOURCE_ERROR - memory is low, and the content of another message is not complete on this \
                 connection: send large messages one after the other, or on several connections";
    channel_error(channel, ChannelError::SentAtOnce, reply, (60, 40))
}

fn with_channels() -> Peer {
    let settings = Settings { max_message_size: 1 << 20, ..settings() };
    let mut peer = Peer::running_with(settings, with_capability("connection.blocked"), tune_ok(2047, 131_072, 0));
    for channel in 1..=3 {
        peer.open_channel(channel);
    }
    peer
}

#[test]
fn what_is_not_complete_is_counted_until_it_is_or_its_channel_ends() {
    let mut peer = with_channels();
    let (one, two) = (large(1), large(2));
    assert_eq!(peer.connection.assembling(), 0);
    assert_eq!(peer.read(&one[..3].concat()), []);
    let of_one = peer.connection.assembling();
    assert!((PIECE.len()..PIECE.len() + 64).contains(&of_one), "{of_one}");
    assert_eq!(peer.read(&two[..3].concat()), []);
    assert_eq!(peer.connection.assembling(), 2 * of_one);
    assert_eq!(peer.read(&one[3]), [published(1, "q", &PIECE.repeat(2))]);
    assert_eq!(peer.connection.assembling(), of_one);
    assert_eq!(peer.read(&one[..2].concat()), []);
    let begun = peer.connection.assembling() - of_one;
    peer.connection.assemble_one_by_one(true);
    assert_eq!(peer.read(&two[3]), refused(2));
    assert_eq!(peer.connection.assembling(), begun);
}

#[test]
fn of_several_large_ones_all_but_one_lose_their_channels_when_memory_is_short() {
    let mut peer = with_channels();
    for channel in 1..=3 {
        assert_eq!(peer.read(&large(channel)[..3].concat()), []);
    }
    peer.connection.assemble_one_by_one(true);
    for channel in [2, 1] {
        assert_eq!(peer.read(&large(channel)[3]), refused(channel));
    }
    assert_eq!(peer.read(&large(3)[3]), [published(3, "q", &PIECE.repeat(2))]);
    assert_eq!(peer.read(&large(3).concat()), [published(3, "q", &PIECE.repeat(2))]);
}

#[test]
fn small_ones_are_taken_beside_a_large_one_when_memory_is_short() {
    let mut peer = with_channels();
    peer.connection.assemble_one_by_one(true);
    let small = |channel| publish_frames(channel, "q", Properties::default(), &[b"bo", b"dy"]);
    assert_eq!(peer.read(&large(1)[..3].concat()), []);
    for channel in [2, 3] {
        assert_eq!(peer.read(&small(channel)[..3].concat()), []);
    }
    for channel in [2, 3] {
        assert_eq!(peer.read(&small(channel)[3]), [published(channel, "q", b"body")]);
    }
    assert_eq!(peer.read(&large(1)[3]), [published(1, "q", &PIECE.repeat(2))]);
}

#[test]
fn who_is_let_completes_the_body_under_an_alarm_and_sends_no_further_one() {
    let mut peer = with_channels();
    let frames = large(1);
    assert_eq!(peer.read(&frames[..3].concat()), []);
    let mut effects = Vec::new();
    peer.connection.alarm(peer.now, MEMORY, &mut effects);
    let rest = [&frames[3][..], &frames.concat()].concat();
    let blocked = || send(0, connection::Blocked { reason: name("low on memory") });
    assert_eq!(peer.connection.receive(peer.now, &rest, &mut peer.arena, &mut effects), 0);
    assert_eq!(effects, [blocked()]);
    assert!(peer.connection.is_blocked() && peer.connection.is_blocked_amid_a_body());

    peer.connection.let_finish(true);
    assert!(!peer.connection.is_blocked());
    let mut effects = Vec::new();
    let taken = peer.connection.receive(peer.now, &rest, &mut peer.arena, &mut effects);
    assert_eq!(taken, frames[3].len(), "what follows waits");
    assert_eq!(effects, [published(1, "q", &PIECE.repeat(2))], "it is not told again that it is blocked");
    assert!(peer.connection.is_blocked() && !peer.connection.is_blocked_amid_a_body());
    let mut effects: Vec<Effect> = Vec::new();
    peer.connection.alarm(peer.now, Alarms::NONE, &mut effects);
    assert_eq!(effects, [send(0, connection::Unblocked {})]);
    assert_eq!(peer.read(&rest[taken..]), [published(1, "q", &PIECE.repeat(2))]);
    assert_eq!(peer.read(&raw(FrameKind::Heartbeat, 0, b"")), []);
}
