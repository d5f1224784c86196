//! Prefetch: each consumer's own, and the limit that the consumers of a channel share.

use leveret_protocol::{FieldTable, FieldValue, basic, channel, tx};

use super::{
    ANN, BOB, GETTER, Peer, abandon, commit, connection_error, name, queue_of, send, settings, settle, tag_of, tune_ok,
};
use crate::broker::connection::{Effect, Reply, Request, Settings};
use crate::broker::error::ConnectionError;
use crate::broker::ids::{ConsumerId, DeliveryTag};
use crate::broker::queue::Outcome;

fn own(prefetch_count: u16) -> basic::Qos {
    basic::Qos { prefetch_count, ..Default::default() }
}

fn shared(prefetch_count: u16) -> basic::Qos {
    basic::Qos { prefetch_count, global: true, ..Default::default() }
}

fn ack(delivery_tag: u64) -> basic::Ack {
    basic::Ack { delivery_tag, multiple: false }
}

fn ack_all() -> basic::Ack {
    basic::Ack { delivery_tag: 0, multiple: true }
}

fn acked(consumer: ConsumerId, checkout: u64) -> Effect {
    settle(consumer, checkout, Outcome::Ack)
}

fn qos_ok() -> Effect {
    send(1, basic::QosOk {})
}

fn limited(consumer: ConsumerId, limited: bool) -> Effect {
    Effect::SetChannelLimited { queue: queue_of(consumer), consumer, limited }
}

fn prefetch(consumer: ConsumerId, prefetch: u16) -> Effect {
    Effect::SetPrefetch { queue: queue_of(consumer), consumer, prefetch }
}

fn offer(consumer: ConsumerId, room: usize) -> Effect {
    Effect::Offer { channel: 1, queue: queue_of(consumer), consumer, room }
}

fn wanting(peer: &mut Peer, consumers: &[ConsumerId]) -> Vec<Effect> {
    let mut effects = Vec::new();
    peer.connection.consumers_wanting(consumers, &mut effects);
    effects
}

fn taken(peer: &mut Peer, consumer: ConsumerId, taken: usize) -> Vec<Effect> {
    let mut effects = Vec::new();
    peer.connection.offer_taken(1, consumer, taken, &mut effects);
    effects
}

/// A channel with a limit for its two consumers, each of a queue of its own.
fn limited_to(limit: u16) -> Peer {
    let mut peer = Peer::on_channel();
    assert_eq!(peer.call(1, shared(limit)), [qos_ok()]);
    peer.consume(1, ANN, false);
    peer.consume(1, BOB, false);
    peer
}

/// As `limited_to`, where the first consumer holds as much as the limit allows.
fn exhausted(limit: u16) -> Peer {
    let mut peer = limited_to(limit);
    assert_eq!(wanting(&mut peer, &[ANN]), [offer(ANN, usize::from(limit))]);
    assert_eq!(taken(&mut peer, ANN, usize::from(limit)), []);
    peer.deliver_through(ANN, u64::from(limit));
    peer
}

/// Asks for a consumer; tells what prefetch it gets and whether it is under a limit of the channel.
fn consumed(peer: &mut Peer, no_ack: bool) -> (u16, bool) {
    let consume = basic::Consume { queue: name("q"), consumer_tag: name("new"), no_ack, ..Default::default() };
    let effects = peer.call(1, consume);
    let [Effect::Request { request: Request::Consume { prefetch, channel_limited, .. }, .. }] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    (*prefetch, *channel_limited)
}

#[test]
fn an_own_prefetch_is_for_consumers_that_start_later() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    assert_eq!(peer.call(1, own(5)), [qos_ok()]);
    assert_eq!(consumed(&mut peer, false), (5, false));
}

#[test]
fn a_prefetch_in_octets_is_not_there() {
    let qos = basic::Qos { prefetch_size: 10, ..Default::default() };
    let error = ConnectionError::NotImplemented("prefetch_size!=0 (10)".to_owned());
    let text = "540 NOT_IMPLEMENTED - prefetch_size!=0 (10)";
    assert_eq!(Peer::on_channel().call(1, qos), connection_error(error, text, (60, 10), &[1]));
}

#[test]
fn a_client_that_believes_the_specification_changes_running_consumers() {
    let mut kombu = FieldTable::default();
    kombu.insert("product", FieldValue::text("py-amqp"));
    let mut dynamic = Peer::running_with(
        Settings { qos_dynamic: true, ..settings() },
        FieldTable::default(),
        tune_ok(2047, 131_072, 0),
    );
    dynamic.open_channel(1);
    for mut peer in [Peer::on_channel_with(kombu), dynamic] {
        peer.consume(1, ANN, false);
        assert_eq!(peer.call(1, own(5)), [qos_ok(), prefetch(ANN, 5)]);
        assert_eq!(peer.call(1, shared(7)), [qos_ok(), limited(ANN, true)]);
        assert_eq!(peer.call(1, shared(8)), [qos_ok()]);
        assert_eq!(peer.call(1, own(6)), [qos_ok(), prefetch(ANN, 6), limited(ANN, false)]);
        assert_eq!(consumed(&mut peer, false), (6, false));
    }
}

#[test]
fn a_shared_limit_leaves_the_consumers_own_as_they_are() {
    let mut peer = Peer::on_channel();
    assert_eq!(peer.call(1, own(5)), [qos_ok()]);
    peer.consume(1, ANN, false);
    assert_eq!(peer.call(1, shared(3)), [qos_ok(), limited(ANN, true)]);
    assert_eq!(consumed(&mut peer, false), (5, true));
}

#[test]
fn consumers_without_acknowledgements_are_not_limited() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, true);
    peer.consume(1, BOB, false);
    assert_eq!(peer.call(1, shared(1)), [qos_ok(), limited(BOB, true)]);
    peer.deliver_through(ANN, 3);
    assert_eq!(wanting(&mut peer, &[BOB]), [offer(BOB, 1)], "their deliveries do not count");
    assert_eq!(peer.call(1, own(0)), [qos_ok(), limited(BOB, false)]);
    let mut peer = Peer::on_channel();
    assert_eq!(peer.call(1, shared(1)), [qos_ok()]);
    assert_eq!(consumed(&mut peer, true), (0, false));
}

#[test]
fn another_channel_is_not_limited() {
    let mut peer = Peer::on_channel();
    peer.open_channel(2);
    peer.consume(2, BOB, false);
    assert_eq!(peer.call(1, shared(1)), [qos_ok()]);
    assert_eq!(wanting(&mut peer, &[BOB]), [], "its queue has not been told to ask");
}

#[test]
fn two_consumers_share_the_room_as_they_ask_for_it() {
    let mut peer = limited_to(3);
    assert_eq!(wanting(&mut peer, &[ANN]), [offer(ANN, 3)]);
    assert_eq!(taken(&mut peer, ANN, 2), [], "the rest stays with the channel");
    assert_eq!(wanting(&mut peer, &[BOB]), [offer(BOB, 1)]);
    assert_eq!(taken(&mut peer, BOB, 1), []);
    assert_eq!(wanting(&mut peer, &[ANN, BOB]), []);
}

#[test]
fn the_room_is_divided_among_those_that_wait() {
    let mut peer = limited_to(5);
    assert_eq!(wanting(&mut peer, &[BOB, ANN]), [offer(BOB, 3), offer(ANN, 2)]);
}

#[test]
fn room_that_is_on_its_way_is_not_offered_again() {
    let mut peer = limited_to(2);
    assert_eq!(wanting(&mut peer, &[ANN]), [offer(ANN, 2)]);
    assert_eq!(wanting(&mut peer, &[BOB]), []);
    assert_eq!(taken(&mut peer, ANN, 1), [offer(BOB, 1)]);
    assert_eq!(taken(&mut peer, BOB, 0), []);
    assert_eq!(wanting(&mut peer, &[BOB]), [offer(BOB, 1)]);
}

#[test]
fn what_is_handed_out_counts_before_it_is_written_and_after() {
    let mut peer = limited_to(2);
    assert_eq!(wanting(&mut peer, &[ANN]), [offer(ANN, 2)]);
    assert_eq!(taken(&mut peer, ANN, 2), []);
    assert_eq!(wanting(&mut peer, &[BOB]), []);
    peer.deliver_through(ANN, 2);
    assert_eq!(wanting(&mut peer, &[ANN]), []);
    assert_eq!(peer.call(1, ack(1)), [acked(ANN, 1), offer(BOB, 1)]);
    assert_eq!(taken(&mut peer, BOB, 1), []);
    assert_eq!(peer.call(1, ack(2)), [acked(ANN, 2), offer(ANN, 1)]);
}

#[test]
fn an_ack_makes_room_for_those_that_wait_in_turn() {
    let mut peer = exhausted(2);
    assert_eq!(wanting(&mut peer, &[BOB, ANN]), []);
    assert_eq!(peer.call(1, ack(1)), [acked(ANN, 1), offer(BOB, 1)]);
    assert_eq!(taken(&mut peer, BOB, 1), []);
    assert_eq!(wanting(&mut peer, &[BOB]), [], "it waits again, behind the other");
    assert_eq!(peer.call(1, ack(2)), [acked(ANN, 2), offer(ANN, 1)]);
    assert_eq!(taken(&mut peer, ANN, 1), []);
    assert_eq!(peer.deliver(BOB, 1).unwrap().delivery_tag, DeliveryTag(3));
    assert_eq!(peer.call(1, ack(3)), [acked(BOB, 1), offer(BOB, 1)]);
}

#[test]
fn a_queue_that_has_nothing_any_more_passes_the_room_on() {
    let mut peer = exhausted(1);
    assert_eq!(wanting(&mut peer, &[ANN, BOB]), []);
    assert_eq!(peer.call(1, ack(1)), [acked(ANN, 1), offer(ANN, 1)]);
    assert_eq!(taken(&mut peer, ANN, 0), [offer(BOB, 1)]);
    assert_eq!(taken(&mut peer, BOB, 0), []);
}

#[test]
fn a_busy_queue_does_not_starve_the_other() {
    let mut peer = exhausted(1);
    assert_eq!(wanting(&mut peer, &[ANN, BOB]), []);
    let mut turns = Vec::new();
    for _ in 0..4 {
        let effects = peer.call(1, ack_all());
        let Some(Effect::Offer { consumer, room: 1, .. }) = effects.last() else { panic!("{effects:?}") };
        turns.push(*consumer);
        assert_eq!(taken(&mut peer, *consumer, 1), []);
        assert_eq!(wanting(&mut peer, &[*consumer]), []);
        assert!(peer.deliver(*consumer, 9).is_some());
    }
    assert_eq!(turns, [ANN, BOB, ANN, BOB]);
}

#[test]
fn a_consumer_that_asks_twice_waits_once() {
    let mut peer = exhausted(1);
    assert_eq!(wanting(&mut peer, &[BOB, BOB]), []);
    assert_eq!(wanting(&mut peer, &[BOB]), []);
    assert_eq!(peer.call(1, ack(1)), [acked(ANN, 1), offer(BOB, 1)]);
    assert_eq!(wanting(&mut peer, &[BOB]), []);
    assert_eq!(taken(&mut peer, BOB, 0), []);
}

#[test]
fn a_cancelled_consumer_gives_its_place_up_but_what_it_holds_counts() {
    let mut peer = exhausted(2);
    assert_eq!(wanting(&mut peer, &[ANN, BOB]), []);
    let cancel = basic::Cancel { consumer_tag: tag_of(ANN), nowait: true };
    let queue = Some(queue_of(ANN));
    assert_eq!(peer.call(1, cancel), [Effect::Unsubscribe { channel: 1, queue, consumer: ANN }]);
    peer.connection.consumer_ended(ANN);
    assert_eq!(wanting(&mut peer, &[ANN]), [], "told before it ended");
    assert_eq!(peer.call(1, ack(1)), [acked(ANN, 1), offer(BOB, 1)]);
}

#[test]
fn room_offered_to_a_consumer_that_is_cancelled_comes_back() {
    let mut peer = limited_to(2);
    assert_eq!(wanting(&mut peer, &[ANN, BOB]), [offer(ANN, 1), offer(BOB, 1)]);
    let cancel = basic::Cancel { consumer_tag: tag_of(ANN), nowait: true };
    assert_eq!(peer.call(1, cancel).len(), 1);
    peer.connection.consumer_ended(ANN);
    assert_eq!(taken(&mut peer, ANN, 0), []);
    assert_eq!(taken(&mut peer, BOB, 1), []);
    assert_eq!(wanting(&mut peer, &[BOB]), [offer(BOB, 1)]);
}

#[test]
fn a_consumer_whose_queue_is_gone_gives_its_place_up() {
    let mut peer = exhausted(1);
    assert_eq!(wanting(&mut peer, &[BOB]), []);
    peer.connection.consumer_cancelled(BOB, &mut Vec::new());
    assert_eq!(peer.call(1, ack(1)), [acked(ANN, 1)]);
}

#[test]
fn a_channel_that_closes_forgets_its_limit() {
    let mut peer = exhausted(1);
    assert_eq!(wanting(&mut peer, &[BOB]), []);
    assert_eq!(
        peer.call(1, channel::Close { reply_code: 200, ..Default::default() }),
        [abandon(ANN), abandon(BOB), Effect::ChannelEnded(1), send(1, channel::CloseOk {})]
    );
    peer.open_channel(1);
    assert_eq!(wanting(&mut peer, &[BOB]), []);
    assert_eq!(taken(&mut peer, BOB, 1), [], "an answer to the channel before");
    assert_eq!(consumed(&mut peer, false), (0, false));
}

#[test]
fn a_lowered_limit_only_blocks_until_enough_is_settled() {
    let mut peer = exhausted(3);
    assert_eq!(peer.call(1, shared(1)), [qos_ok()]);
    assert_eq!(wanting(&mut peer, &[BOB]), []);
    assert_eq!(peer.call(1, ack(1)), [acked(ANN, 1)]);
    assert_eq!(peer.call(1, ack(2)), [acked(ANN, 2)]);
    assert_eq!(peer.call(1, ack(3)), [acked(ANN, 3), offer(BOB, 1)]);
}

#[test]
fn a_raised_limit_is_offered_at_once() {
    let mut peer = exhausted(1);
    assert_eq!(wanting(&mut peer, &[BOB, ANN]), []);
    assert_eq!(peer.call(1, shared(4)), [qos_ok(), offer(BOB, 2), offer(ANN, 1)]);
}

#[test]
fn a_limit_of_0_or_an_own_prefetch_removes_the_shared_one() {
    for qos in [shared(0), own(0), own(9)] {
        let mut peer = exhausted(1);
        assert_eq!(wanting(&mut peer, &[BOB]), []);
        assert_eq!(peer.call(1, qos.clone()), [qos_ok(), limited(ANN, false), limited(BOB, false)]);
        assert_eq!(peer.call(1, ack(1)), [acked(ANN, 1)]);
        assert_eq!(peer.call(1, qos), [qos_ok()], "it is gone");
        assert!(!consumed_after_cancel(&mut peer).1);
    }
}

fn consumed_after_cancel(peer: &mut Peer) -> (u16, bool) {
    assert_eq!(peer.call(1, basic::Cancel { consumer_tag: tag_of(ANN), nowait: true }).len(), 1);
    consumed(peer, false)
}

#[test]
fn a_limit_that_is_set_counts_what_is_outstanding() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    peer.deliver_through(ANN, 2);
    assert_eq!(peer.call(1, shared(2)), [qos_ok(), limited(ANN, true)]);
    assert_eq!(wanting(&mut peer, &[ANN]), []);
    assert_eq!(peer.call(1, ack(2)), [acked(ANN, 2), offer(ANN, 1)]);
}

#[test]
fn what_was_on_its_way_when_the_limit_was_set_is_delivered_and_counts() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    assert_eq!(peer.call(1, shared(1)), [qos_ok(), limited(ANN, true)]);
    peer.deliver_through(ANN, 3);
    assert_eq!(wanting(&mut peer, &[ANN]), []);
    assert_eq!(peer.call(1, ack(3)), [acked(ANN, 3)]);
    assert_eq!(peer.call(1, ack_all()), [acked(ANN, 1), acked(ANN, 2), offer(ANN, 1)]);
}

#[test]
fn gets_count_only_if_they_were_outstanding_when_the_limit_was_set() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    assert_eq!(peer.get(1, 1, false), Some(DeliveryTag(1)));
    assert_eq!(peer.call(1, shared(2)), [qos_ok(), limited(ANN, true)]);
    assert_eq!(peer.get(1, 2, false), Some(DeliveryTag(2)));
    assert_eq!(peer.get(1, 3, true), Some(DeliveryTag(3)));
    assert_eq!(wanting(&mut peer, &[ANN]), [offer(ANN, 1)]);
    assert_eq!(taken(&mut peer, ANN, 1), []);
    assert_eq!(wanting(&mut peer, &[ANN]), []);
    assert_eq!(peer.call(1, ack(2)), [acked(GETTER, 2)], "it did not count");
    assert_eq!(peer.call(1, ack(1)), [acked(GETTER, 1), offer(ANN, 1)]);
    assert_eq!(taken(&mut peer, ANN, 1), []);
    assert_eq!(wanting(&mut peer, &[ANN]), []);
}

#[test]
fn a_limit_that_is_set_anew_counts_the_gets_of_before() {
    let mut peer = limited_to(1);
    assert_eq!(peer.get(1, 1, false), Some(DeliveryTag(1)));
    assert_eq!(peer.call(1, shared(0)).len(), 3);
    assert_eq!(peer.call(1, shared(1)).len(), 3);
    assert_eq!(wanting(&mut peer, &[ANN]), []);
    assert_eq!(peer.call(1, ack(1)), [acked(GETTER, 1), offer(ANN, 1)]);
}

#[test]
fn what_is_given_back_makes_room_like_an_ack() {
    let requeue = |checkout| settle(ANN, checkout, Outcome::Requeue);
    for (method, settled) in [
        (basic::Nack { delivery_tag: 2, multiple: true, requeue: true }.into(), vec![requeue(1), requeue(2)]),
        (basic::Reject { delivery_tag: 1, requeue: true }.into(), vec![settle(ANN, 1, Outcome::Fail)]),
        (basic::RecoverAsync { requeue: true }.into(), vec![requeue(1), requeue(2)]),
        (leveret_protocol::Method::from(basic::Recover { requeue: true }), {
            vec![requeue(1), requeue(2), send(1, basic::RecoverOk {})]
        }),
    ] {
        let mut peer = exhausted(2);
        assert_eq!(wanting(&mut peer, &[BOB]), []);
        let room = settled.iter().filter(|effect| matches!(effect, Effect::Settle { .. })).count();
        assert_eq!(peer.call(1, method), [settled, vec![offer(BOB, room)]].concat());
    }
}

#[test]
fn recover_forgets_that_gets_do_not_count() {
    let mut peer = limited_to(1);
    assert_eq!(peer.get(1, 1, false), Some(DeliveryTag(1)));
    assert_eq!(peer.call(1, basic::RecoverAsync { requeue: true }), [settle(GETTER, 1, Outcome::Requeue)]);
    assert_eq!(wanting(&mut peer, &[ANN]), [offer(ANN, 1)]);
    assert_eq!(taken(&mut peer, ANN, 1), []);
    assert_eq!(wanting(&mut peer, &[ANN]), []);
}

#[test]
fn settlings_of_a_transaction_make_room_at_the_commit() {
    let mut peer = exhausted(2);
    assert_eq!(peer.call(1, tx::Select {}), [send(1, tx::SelectOk {})]);
    assert_eq!(peer.get(1, 1, false), Some(DeliveryTag(3)));
    assert_eq!(wanting(&mut peer, &[BOB]), []);
    assert_eq!(peer.call(1, ack_all()), []);
    assert_eq!(peer.call(1, tx::Rollback {}), [Effect::Rollback(1), send(1, tx::RollbackOk {})]);
    assert_eq!(peer.call(1, ack(3)), []);
    assert_eq!(peer.call(1, ack(1)), []);
    let settled = [(GETTER, 1, Outcome::Ack), (ANN, 1, Outcome::Ack)];
    assert_eq!(peer.call(1, tx::Commit {}), [commit(&settled), offer(BOB, 1)]);
    assert_eq!(peer.answer(1, Reply::Done), [send(1, tx::CommitOk {})]);
}
