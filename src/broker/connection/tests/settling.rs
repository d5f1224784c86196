//! ack, nack, reject and recover.

use leveret_protocol::{Method, basic};

use super::{ANN, BOB, GETTER, Peer, channel_error, connection_error, send, settle};
use crate::broker::connection::Effect;
use crate::broker::error::{ChannelError, ConnectionError};
use crate::broker::ids::DeliveryTag;
use crate::broker::queue::Outcome;

fn ack(delivery_tag: u64, multiple: bool) -> basic::Ack {
    basic::Ack { delivery_tag, multiple }
}

fn nack(delivery_tag: u64, multiple: bool, requeue: bool) -> basic::Nack {
    basic::Nack { delivery_tag, multiple, requeue }
}

/// A channel with a consumer that holds deliveries 1 to 4.
fn holding_four() -> Peer {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    peer.deliver_through(ANN, 4);
    peer
}

fn assert_unknown(mut peer: Peer, method: impl Into<Method>, delivery_tag: u64, holds: bool) {
    let method = method.into();
    let ids = (method.class_id(), method.method_id());
    let text = format!("406 PRECONDITION_FAILED - unknown delivery tag {delivery_tag}");
    let mut expected = Vec::new();
    if holds {
        expected.push(super::abandon(ANN));
    }
    expected.extend(channel_error(1, ChannelError::UnknownDeliveryTag(delivery_tag), &text, ids));
    assert_eq!(peer.call(1, method), expected);
}

#[test]
fn one_delivery_is_settled_as_the_method_says() {
    let mut peer = holding_four();
    assert_eq!(peer.call(1, ack(2, false)), [settle(ANN, 2, Outcome::Ack)]);
    assert_eq!(peer.call(1, nack(1, false, true)), [settle(ANN, 1, Outcome::Requeue)]);
    assert_eq!(peer.call(1, nack(3, false, false)), [settle(ANN, 3, Outcome::Discard)]);
    let reject = |requeue| basic::Reject { delivery_tag: 4, requeue };
    assert_eq!(peer.call(1, reject(true)), [settle(ANN, 4, Outcome::Fail)]);
    assert_eq!(holding_four().call(1, reject(false)), [settle(ANN, 4, Outcome::Discard)]);
}

#[test]
fn multiple_settles_all_up_to_the_tag_oldest_first() {
    let mut peer = holding_four();
    assert_eq!(peer.call(1, ack(2, false)).len(), 1);
    assert_eq!(peer.call(1, ack(3, true)), [settle(ANN, 1, Outcome::Ack), settle(ANN, 3, Outcome::Ack)]);
    assert_eq!(peer.call(1, nack(4, true, true)), [settle(ANN, 4, Outcome::Requeue)]);
}

#[test]
fn multiple_with_tag_0_settles_all_there_is() {
    let mut peer = holding_four();
    let all = [1, 2, 3, 4].map(|checkout| settle(ANN, checkout, Outcome::Discard));
    assert_eq!(peer.call(1, nack(0, true, false)), all);
    assert_eq!(peer.call(1, ack(0, true)), [], "there may be nothing");
}

#[test]
fn deliveries_of_several_consumers_are_settled_together() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    peer.consume(1, BOB, false);
    peer.deliver_through(ANN, 1);
    assert_eq!(peer.deliver(BOB, 1).unwrap().delivery_tag, DeliveryTag(2));
    assert_eq!(peer.get(1, 1, false), Some(DeliveryTag(3)));
    assert_eq!(
        peer.call(1, ack(3, true)),
        [settle(ANN, 1, Outcome::Ack), settle(BOB, 1, Outcome::Ack), settle(GETTER, 1, Outcome::Ack)]
    );
}

#[test]
fn a_tag_that_was_never_given_is_unknown() {
    assert_unknown(Peer::on_channel(), ack(1, false), 1, false);
    assert_unknown(holding_four(), ack(5, false), 5, true);
    assert_unknown(holding_four(), ack(5, true), 5, true);
    assert_unknown(holding_four(), nack(5, true, true), 5, true);
    assert_unknown(holding_four(), nack(u64::MAX, false, true), u64::MAX, true);
    assert_unknown(holding_four(), basic::Reject { delivery_tag: 5, requeue: true }, 5, true);
    assert_unknown(holding_four(), ack(0, false), 0, true);
}

#[test]
fn a_tag_is_settled_once() {
    let mut peer = holding_four();
    assert_eq!(peer.call(1, ack(2, true)).len(), 2);
    assert_unknown(peer, nack(1, false, true), 1, true);
    let mut peer = holding_four();
    assert_eq!(peer.call(1, ack(2, false)).len(), 1);
    assert_unknown(peer, ack(2, true), 2, true);
}

#[test]
fn what_needs_no_acknowledgement_has_a_tag_but_cannot_be_settled() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, true);
    peer.deliver_through(ANN, 1);
    assert_eq!(peer.get(1, 1, true), Some(DeliveryTag(2)));
    assert_eq!(peer.call(1, ack(0, true)), []);
    assert_unknown(peer, ack(1, false), 1, true);
}

#[test]
fn another_channels_tag_is_unknown() {
    let mut peer = holding_four();
    peer.open_channel(2);
    let text = "406 PRECONDITION_FAILED - unknown delivery tag 1";
    assert_eq!(peer.call(2, ack(1, false)), channel_error(2, ChannelError::UnknownDeliveryTag(1), text, (60, 80)));
    assert_eq!(peer.call(1, ack(1, false)), [settle(ANN, 1, Outcome::Ack)]);
}

#[test]
fn recover_gives_everything_back() {
    let mut peer = holding_four();
    assert_eq!(peer.get(1, 1, false), Some(DeliveryTag(5)));
    assert_eq!(peer.call(1, ack(2, false)).len(), 1);
    let back = |checkout| settle(ANN, checkout, Outcome::Requeue);
    assert_eq!(
        peer.call(1, basic::Recover { requeue: true }),
        [back(1), back(3), back(4), settle(GETTER, 1, Outcome::Requeue), send(1, basic::RecoverOk {})]
    );
    assert_eq!(peer.call(1, basic::Recover { requeue: true }), [send(1, basic::RecoverOk {})]);
    assert_eq!(peer.deliver(ANN, 5).unwrap().delivery_tag, DeliveryTag(6), "tags are not given again");
}

#[test]
fn recover_async_has_no_answer() {
    let mut peer = holding_four();
    let all = [1, 2, 3, 4].map(|checkout| settle(ANN, checkout, Outcome::Requeue));
    assert_eq!(peer.call(1, basic::RecoverAsync { requeue: true }), all);
}

#[test]
fn recover_to_the_same_consumer_is_not_there() {
    let text = "540 NOT_IMPLEMENTED - requeue=false";
    let error = || ConnectionError::NotImplemented("requeue=false".to_owned());
    assert_eq!(
        Peer::on_channel().call(1, basic::Recover { requeue: false }),
        connection_error(error(), text, (60, 110), &[1])
    );
    assert_eq!(
        Peer::on_channel().call(1, basic::RecoverAsync { requeue: false }),
        connection_error(error(), text, (60, 100), &[1])
    );
}

#[test]
fn what_a_cancelled_consumer_holds_can_be_settled() {
    let mut peer = holding_four();
    assert_eq!(peer.call(1, basic::Cancel { consumer_tag: super::tag_of(ANN), nowait: true }).len(), 1);
    peer.connection.consumer_ended(ANN);
    assert_eq!(peer.call(1, ack(1, false)), [settle(ANN, 1, Outcome::Ack)]);
    assert_eq!(
        peer.call(1, leveret_protocol::channel::Close { reply_code: 200, ..Default::default() }),
        [super::abandon(ANN), Effect::ChannelEnded(1), send(1, leveret_protocol::channel::CloseOk {})]
    );
}
