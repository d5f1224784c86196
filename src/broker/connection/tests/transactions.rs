//! tx: what waits for the commit, and what a rollback undoes.

use leveret_protocol::{basic, channel, confirm, tx};

use super::{ANN, BEGIN, Peer, abandon, channel_error, commit, message, publish, send, settle};
use crate::broker::connection::{Effect, Reply};
use crate::broker::error::ChannelError;
use crate::broker::queue::Outcome;

fn in_transaction() -> Peer {
    let mut peer = Peer::on_channel();
    assert_eq!(peer.call(1, tx::Select {}), [send(1, tx::SelectOk {})]);
    peer
}

/// A transaction on a channel with a consumer that holds deliveries 1 to 3.
fn holding_three() -> Peer {
    let mut peer = in_transaction();
    peer.consume(1, ANN, false);
    peer.deliver_through(ANN, 3);
    peer
}

fn ack(delivery_tag: u64, multiple: bool) -> basic::Ack {
    basic::Ack { delivery_tag, multiple }
}

fn kept(body: &[u8]) -> Effect {
    Effect::Publish { channel: 1, message: message(BEGIN, "q", body), mandatory: false, in_transaction: true }
}

#[test]
fn publishes_and_settlings_take_effect_at_the_commit() {
    let mut peer = holding_three();
    assert_eq!(peer.read(&publish(1, "q", b"body")), [kept(b"body")]);
    assert_eq!(peer.call(1, ack(2, true)), []);
    assert_eq!(peer.call(1, basic::Nack { delivery_tag: 3, multiple: false, requeue: true }), []);
    assert_eq!(
        peer.call(1, tx::Commit {}),
        [commit(&[(ANN, 1, Outcome::Ack), (ANN, 2, Outcome::Ack), (ANN, 3, Outcome::Requeue)])]
    );
    assert_eq!(peer.answer(1, Reply::Done), [send(1, tx::CommitOk {})]);
    assert_eq!(peer.call(1, tx::Commit {}), [commit(&[])]);
}

#[test]
fn nothing_is_read_between_a_commit_and_its_answer() {
    let mut peer = in_transaction();
    let octets = [super::octets(1, tx::Commit {}), publish(1, "q", b"next")].concat();
    let mut effects = Vec::new();
    let taken = peer.connection.receive(peer.now, &octets, &mut peer.arena, &mut effects);
    assert_eq!((taken, effects), (super::octets(1, tx::Commit {}).len(), vec![commit(&[])]));
    assert!(peer.connection.is_waiting());
    assert_eq!(peer.answer(1, Reply::Done), [send(1, tx::CommitOk {})]);
    assert_eq!(peer.read(&octets[taken..]), [kept(b"next")]);
}

#[test]
fn a_rollback_makes_settlings_undone() {
    let mut peer = holding_three();
    assert_eq!(peer.read(&publish(1, "q", b"body")), [kept(b"body")]);
    assert_eq!(peer.call(1, ack(2, true)), []);
    assert_eq!(peer.call(1, tx::Rollback {}), [Effect::Rollback(1), send(1, tx::RollbackOk {})]);
    assert_eq!(peer.call(1, ack(0, true)), []);
    let all = [1, 2, 3].map(|checkout| (ANN, checkout, Outcome::Ack));
    assert_eq!(peer.call(1, tx::Commit {}), [commit(&all)]);
}

#[test]
fn a_delivery_is_settled_once_in_a_transaction() {
    let mut peer = holding_three();
    assert_eq!(peer.call(1, ack(1, false)), []);
    let text = "406 PRECONDITION_FAILED - unknown delivery tag 1";
    let mut expected = vec![abandon(ANN)];
    expected.extend(channel_error(1, ChannelError::UnknownDeliveryTag(1), text, (60, 80)));
    assert_eq!(peer.call(1, ack(1, false)), expected);
}

#[test]
fn recover_is_not_part_of_the_transaction_and_leaves_what_is() {
    let mut peer = holding_three();
    assert_eq!(peer.call(1, ack(1, false)), []);
    let back = |checkout| settle(ANN, checkout, Outcome::Requeue);
    assert_eq!(peer.call(1, basic::Recover { requeue: true }), [back(2), back(3), send(1, basic::RecoverOk {})]);
    assert_eq!(peer.call(1, tx::Commit {}), [commit(&[(ANN, 1, Outcome::Ack)])]);
}

#[test]
fn closing_the_channel_gives_back_what_was_settled_without_a_commit() {
    let mut peer = holding_three();
    assert_eq!(peer.call(1, ack(0, true)), []);
    assert_eq!(
        peer.call(1, channel::Close { reply_code: 200, ..Default::default() }),
        [abandon(ANN), Effect::ChannelEnded(1), send(1, channel::CloseOk {})]
    );
}

#[test]
fn transactions_are_selected_first() {
    for (method, ids) in [(leveret_protocol::Method::from(tx::Commit {}), (90, 20)), (tx::Rollback {}.into(), (90, 30))]
    {
        let text = "406 PRECONDITION_FAILED - channel is not transactional";
        assert_eq!(Peer::on_channel().call(1, method), channel_error(1, ChannelError::NotTransactional, text, ids));
    }
}

#[test]
fn transactions_may_be_selected_again() {
    let mut peer = holding_three();
    assert_eq!(peer.call(1, ack(1, false)), []);
    assert_eq!(peer.call(1, tx::Select {}), [send(1, tx::SelectOk {})]);
    assert_eq!(peer.call(1, tx::Commit {}), [commit(&[(ANN, 1, Outcome::Ack)])]);
}

#[test]
fn transactions_and_confirms_exclude_each_other() {
    let mut peer = in_transaction();
    let text = "406 PRECONDITION_FAILED - cannot switch from tx to confirm mode";
    assert_eq!(
        peer.call(1, confirm::Select { nowait: false }),
        channel_error(1, ChannelError::TxToConfirm, text, (85, 10))
    );
    let mut peer = Peer::on_channel();
    assert_eq!(peer.call(1, confirm::Select { nowait: true }), []);
    let text = "406 PRECONDITION_FAILED - cannot switch from confirm to tx mode";
    assert_eq!(peer.call(1, tx::Select {}), channel_error(1, ChannelError::ConfirmToTx, text, (90, 10)));
}
