//! What a client notices of alarms: who publishes is blocked and told once, who does not notices nothing.

use leveret_protocol::{FieldTable, FrameKind, Properties, basic, connection};

use super::{
    ANN, Peer, gone, name, octets, publish, publish_frames, published, published_at, raw, send, settings, settle,
    tune_ok, with_capability,
};
use crate::broker::alarm::{Alarm, Alarms};
use crate::broker::connection::Effect;
use crate::broker::ids::DeliveryTag;
use crate::broker::queue::Outcome;

const DISK: Alarms = Alarms { memory: false, disk: true };
const BOTH: Alarms = Alarms { memory: true, disk: true };

impl Peer {
    fn alarm(&mut self, alarms: Alarms) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.connection.alarm(self.now, alarms, &mut effects);
        effects
    }

    /// Reads octets; those that are left, and the effects.
    fn read_some<'a>(&mut self, octets: &'a [u8]) -> (&'a [u8], Vec<Effect>) {
        let mut effects = Vec::new();
        let taken = self.connection.receive(self.now, octets, &mut self.arena, &mut effects);
        (&octets[taken..], effects)
    }
}

/// A client that wants to be told, on channel 1.
fn curious(heartbeat: u16) -> Peer {
    let mut peer =
        Peer::running_with(settings(), with_capability("connection.blocked"), tune_ok(2047, 131_072, heartbeat));
    peer.open_channel(1);
    peer
}

fn blocked(reason: &'static str) -> Effect {
    send(0, connection::Blocked { reason: name(reason) })
}

fn unblocked() -> Effect {
    send(0, connection::Unblocked {})
}

#[test]
fn a_publish_during_an_alarm_waits_for_its_end() {
    let mut peer = curious(0);
    assert_eq!(peer.read(&publish(1, "q", b"before")), [published(1, "q", b"before")]);
    assert_eq!(peer.alarm(DISK), []);
    assert!(!peer.connection.is_blocked(), "nothing was published yet");
    let during = [publish(1, "q", b"one"), publish(1, "q", b"two")].concat();
    let (rest, effects) = peer.read_some(&during);
    assert_eq!(effects, [blocked("low on disk")]);
    assert!(peer.connection.is_blocked());
    assert_eq!(peer.read_some(rest), (rest, Vec::new()), "nothing is read while it is blocked");
    assert_eq!(peer.alarm(Alarms::NONE), [unblocked()]);
    assert_eq!(peer.read(rest), [published(1, "q", b"one"), published(1, "q", b"two")]);
}

#[test]
fn a_body_that_is_under_way_waits_as_well() {
    let mut peer = curious(0);
    let frames = publish_frames(1, "q", Properties::default(), &[b"bo", b"dy"]);
    assert_eq!(peer.read(&frames[..3].concat()), []);
    assert_eq!(peer.alarm(DISK), []);
    assert_eq!(peer.read_some(&frames[3]), (&frames[3][..], vec![blocked("low on disk")]));
    assert_eq!(peer.alarm(Alarms::NONE), [unblocked()]);
    assert_eq!(peer.read(&frames[3]), [published(1, "q", b"body")]);
}

#[test]
fn the_client_is_told_once_however_many_alarms_come_and_go() {
    let mut peer = curious(0);
    assert_eq!(peer.alarm(BOTH), []);
    let publish = publish(1, "q", b"body");
    let (rest, effects) = peer.read_some(&publish);
    assert_eq!(effects, [blocked("low on memory & disk")]);
    assert_eq!(peer.alarm(BOTH.with(Alarm::Disk, false)), []);
    assert_eq!(peer.alarm(DISK), []);
    assert_eq!(peer.alarm(Alarms::NONE), [unblocked()]);
    assert_eq!(peer.alarm(Alarms::NONE), []);
    assert_eq!(peer.read(rest), [published(1, "q", b"body")]);
    assert_eq!(peer.alarm(Alarms { memory: true, disk: false }), []);
    assert_eq!(peer.read_some(&publish).1, [blocked("low on memory")]);
}

#[test]
fn a_client_that_does_not_know_of_blocking_is_blocked_without_a_word() {
    let mut peer = Peer::on_channel();
    assert_eq!(peer.alarm(DISK), []);
    let publish = publish(1, "q", b"body");
    let (rest, effects) = peer.read_some(&publish);
    assert_eq!(effects, []);
    assert!(peer.connection.is_blocked());
    assert_eq!(peer.alarm(Alarms::NONE), []);
    assert_eq!(peer.read(rest), [published(1, "q", b"body")]);
}

#[test]
fn whoever_does_not_publish_notices_nothing() {
    let mut peer = Peer::running_with(settings(), FieldTable::default(), tune_ok(2047, 131_072, 0));
    assert_eq!(peer.alarm(DISK), []);
    peer.open_channel(1);
    peer.consume(1, ANN, false);
    peer.deliver_through(ANN, 1);
    let ack = basic::Ack { delivery_tag: DeliveryTag(1).0, multiple: false };
    assert_eq!(peer.call(1, ack), [settle(ANN, 1, Outcome::Ack)]);
    assert_eq!(peer.read(&raw(FrameKind::Heartbeat, 0, b"")), []);
    assert_eq!(peer.alarm(Alarms::NONE), []);
}

#[test]
fn an_ack_behind_a_publish_waits_with_it_and_one_before_it_does_not() {
    let mut peer = curious(0);
    peer.consume(1, ANN, false);
    peer.deliver_through(ANN, 2);
    assert_eq!(peer.alarm(DISK), []);
    let ack = |tag| octets(1, basic::Ack { delivery_tag: tag, multiple: false });
    let all = [ack(1), publish(1, "q", b"body"), ack(2)].concat();
    let (rest, effects) = peer.read_some(&all);
    assert_eq!(effects, [settle(ANN, 1, Outcome::Ack), blocked("low on disk")]);
    assert_eq!(peer.alarm(Alarms::NONE), [unblocked()]);
    assert_eq!(peer.read(rest), [published(1, "q", b"body"), settle(ANN, 2, Outcome::Ack)]);
}

#[test]
fn a_blocked_client_gets_heartbeats_and_is_not_missed() {
    let mut peer = curious(10);
    assert_eq!(peer.alarm(DISK), []);
    let publish = publish(1, "q", b"body");
    let (rest, effects) = peer.read_some(&publish);
    assert_eq!(effects, [blocked("low on disk")]);
    for _ in 0..10 {
        assert_eq!(peer.pass_seconds(5), [Effect::SendHeartbeat]);
        assert_eq!(peer.pass_seconds(5), []);
    }
    assert_eq!(peer.alarm(Alarms::NONE), [unblocked()]);
    assert_eq!(peer.read(rest), [published_at(peer.now, 1, "q", b"body")]);
    for _ in 0..2 {
        peer.pass_seconds(10);
        assert!(!peer.connection.is_closed(), "it has its time to be heard");
    }
    peer.pass_seconds(10);
    assert!(peer.connection.is_closed(), "silence counts again");
}

#[test]
fn a_blocked_connection_can_be_closed_by_the_broker() {
    let mut peer = curious(0);
    assert_eq!(peer.alarm(DISK), []);
    let publish = publish(1, "q", b"body");
    let (rest, _) = peer.read_some(&publish);
    assert_eq!(peer.force_close().len(), 4);
    assert!(!peer.connection.is_blocked());
    let close_ok = octets(0, connection::CloseOk {});
    assert_eq!(peer.read(&[rest, &close_ok].concat()), gone());
    assert_eq!(peer.alarm(Alarms::NONE), []);
}

#[test]
fn content_that_nobody_announced_is_an_error_at_once() {
    let mut peer = curious(0);
    assert_eq!(peer.alarm(DISK), []);
    let frames = publish_frames(1, "q", Properties::default(), &[b"body"]);
    let effects = peer.read(&frames[1]);
    assert!(matches!(effects.first(), Some(Effect::Note(_))), "{effects:?}");
}
