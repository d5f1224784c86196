//! Consumers: starting, cancelling by either side, their deliveries; and basic.get.

use std::time::Duration;

use leveret_protocol::{FieldTable, FieldValue, basic, channel, tx};

use super::{
    ANN, BOB, Peer, Stamp, abandon, channel_error, connection_error, name, queue_of, send, settings, settle, tag_of,
    with_capability,
};
use crate::broker::connection::{Effect, Reply, Request, Settings};
use crate::broker::error::{ChannelError, ConnectionError};
use crate::broker::ids::{CheckoutId, ConsumerId, DeliveryTag};
use crate::broker::queue::Outcome;

fn consume(consumer_tag: &'static str) -> basic::Consume {
    basic::Consume { queue: name("q"), consumer_tag: name(consumer_tag), ..Default::default() }
}

fn cancel(consumer: ConsumerId, nowait: bool) -> basic::Cancel {
    basic::Cancel { consumer_tag: tag_of(consumer), nowait }
}

fn cancel_ok(consumer: ConsumerId) -> Effect {
    send(1, basic::CancelOk { consumer_tag: tag_of(consumer) })
}

fn unsubscribe(consumer: ConsumerId) -> Effect {
    Effect::Unsubscribe { channel: 1, queue: Some(queue_of(consumer)), consumer }
}

fn consumer_cancelled(peer: &mut Peer, consumer: ConsumerId) -> Vec<Effect> {
    let mut effects = Vec::new();
    peer.connection.consumer_cancelled(consumer, &mut effects);
    effects
}

fn timed_out(peer: &mut Peer, consumer: ConsumerId, cancels: bool) -> Vec<Effect> {
    let mut effects = Vec::new();
    peer.connection.timed_out(peer.now, consumer, Duration::from_millis(250), cancels, &mut effects);
    effects
}

fn timeout_error(abandoned: &[ConsumerId]) -> Vec<Effect> {
    let text = "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 250 ms. This \
                timeout value can be configured, see consumers doc guide to learn more";
    let error = ChannelError::ConsumerTimeout { channel: 1, timeout: Duration::from_millis(250) };
    let abandoned = abandoned.iter().map(|consumer| abandon(*consumer));
    abandoned.chain(channel_error(1, error, &format!("406 {text}"), (0, 0))).collect()
}

#[test]
fn a_consumer_that_times_out_is_cancelled_where_the_client_understands_it() {
    let mut peer = Peer::on_channel_with(with_capability("consumer_cancel_notify"));
    peer.consume(1, ANN, false);
    peer.deliver(ANN, 1);
    let cancel = basic::Cancel { consumer_tag: tag_of(ANN), nowait: true };
    assert_eq!(timed_out(&mut peer, ANN, true), [send(1, cancel)]);
    assert_eq!(timed_out(&mut peer, ANN, true), []);
    let ack = basic::Ack { delivery_tag: 1, multiple: false };
    assert_eq!(peer.call(1, ack), [settle(ANN, 1, Outcome::Ack)], "settling it late is no error");
}

#[test]
fn otherwise_a_consumer_that_times_out_ends_its_channel() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    assert_eq!(timed_out(&mut peer, ANN, true), timeout_error(&[ANN]));
    let mut peer = Peer::on_channel_with(with_capability("consumer_cancel_notify"));
    peer.consume(1, ANN, false);
    assert_eq!(timed_out(&mut peer, ANN, false), timeout_error(&[ANN]));
}

#[test]
fn a_get_that_times_out_ends_its_channel_and_nobody_waits_any_more() {
    let mut peer = Peer::on_channel_with(with_capability("consumer_cancel_notify"));
    peer.get(1, 1, false);
    peer.call(1, basic::Get { queue: name("q"), ..Default::default() });
    assert!(peer.connection.is_waiting());
    assert_eq!(timed_out(&mut peer, super::GETTER, true), timeout_error(&[super::GETTER]));
    assert!(!peer.connection.is_waiting());
}

#[test]
fn more_time_for_a_delivery_is_asked_for_with_a_passive_declare() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    peer.deliver(ANN, 7);
    let declare = |arguments: &[(&str, i64)]| {
        let mut table = FieldTable::default();
        arguments.iter().for_each(|(name, value)| table.insert(name, FieldValue::I64(*value)));
        leveret_protocol::queue::Declare { queue: name("q"), passive: true, arguments: table, ..Default::default() }
    };
    let extend =
        Effect::Extend { queue: queue_of(ANN), consumer: ANN, checkout: CheckoutId(7), by: Duration::from_secs(5) };
    let find = request(1, Request::FindQueue(name("q")));
    let asked = declare(&[("x-extend-delivery", 1), ("x-extend-by", 5000)]);
    assert_eq!(peer.call(1, asked), [extend, find]);
    peer.answer(1, Reply::Queue { name: name("q"), message_count: 0, consumer_count: 1 });
    let unknown = declare(&[("x-extend-delivery", 2), ("x-extend-by", 5000)]);
    let text = "406 PRECONDITION_FAILED - unknown delivery tag 2";
    let refused = channel_error(1, ChannelError::UnknownDeliveryTag(2), text, (50, 10));
    assert_eq!(peer.call(1, unknown), [vec![abandon(ANN)], refused].concat());
}

fn request(channel: u16, request: Request) -> Effect {
    Effect::Request { channel, request }
}

#[test]
fn a_consumer_starts_as_it_was_asked_for() {
    let mut peer = Peer::running(Settings { default_prefetch: 7, ..settings() });
    peer.open_channel(1);
    let mut arguments = FieldTable::default();
    arguments.insert("x-priority", FieldValue::I32(-3));
    let consume = basic::Consume { no_ack: true, exclusive: true, arguments: arguments.clone(), ..consume("t") };
    assert_eq!(
        peer.call(1, consume),
        [request(
            1,
            Request::Consume {
                queue: name("q"),
                consumer_tag: name("t"),
                no_ack: true,
                exclusive: true,
                arguments,
                prefetch: 7,
                channel_limited: false,
            }
        )]
    );
}

#[test]
fn deliveries_are_numbered_over_all_consumers_of_a_channel() {
    let mut peer = Peer::on_channel();
    peer.open_channel(2);
    peer.consume(1, ANN, false);
    peer.consume(1, BOB, true);
    peer.consume(2, ConsumerId(3), false);
    let stamp = |consumer, channel, delivery_tag| {
        Some(Stamp { channel, consumer_tag: tag_of(consumer), delivery_tag: DeliveryTag(delivery_tag) })
    };
    assert_eq!(peer.deliver(ANN, 1), stamp(ANN, 1, 1));
    assert_eq!(peer.deliver(BOB, 1), stamp(BOB, 1, 2));
    assert_eq!(peer.deliver(ConsumerId(3), 1), stamp(ConsumerId(3), 2, 1));
    assert_eq!(peer.deliver(ANN, 2), stamp(ANN, 1, 3));
}

#[test]
fn a_delivery_for_a_consumer_that_is_gone_takes_no_tag() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    assert_eq!(peer.deliver(BOB, 1), None);
    assert_eq!(peer.deliver(ANN, 1).unwrap().delivery_tag, DeliveryTag(1));
}

#[test]
fn a_tag_is_used_once_on_a_channel() {
    let mut peer = Peer::on_channel();
    peer.open_channel(2);
    peer.consume(1, ANN, false);
    assert_eq!(peer.call(2, consume("1")).len(), 1, "another channel may use it");
    peer.refuse(2, ChannelError::NoPreviousQueue);
    let error = ConnectionError::ConsumerTagInUse(name("1"));
    let text = "530 NOT_ALLOWED - attempt to reuse consumer tag '1'";
    let mut expected = connection_error(error, text, (60, 20), &[1, 2]);
    expected.insert(1, abandon(ANN));
    assert_eq!(peer.call(1, consume("1")), expected);
}

#[test]
fn a_channel_has_so_many_consumers_and_no_more() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    peer.consume(1, BOB, false);
    let text = "reached maximum (2) of consumers per channel";
    let reply = format!("530 NOT_ALLOWED - {text}");
    let mut expected = connection_error(ConnectionError::NotAllowed(text.to_owned()), &reply, (60, 20), &[1]);
    expected.splice(1..1, [abandon(ANN), abandon(BOB)]);
    assert_eq!(peer.call(1, consume("third")), expected);
}

#[test]
fn a_cancelled_consumer_makes_room_for_another() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    peer.consume(1, BOB, false);
    assert_eq!(peer.call(1, cancel(ANN, false)), [unsubscribe(ANN), cancel_ok(ANN)]);
    peer.connection.consumer_ended(ANN);
    assert_eq!(peer.call(1, consume("1")).len(), 1);
}

#[test]
fn consumers_that_come_and_go_leave_nothing_behind_but_what_they_hold() {
    let mut peer = Peer::on_channel();
    for number in 1..=1000 {
        let consumer = ConsumerId(number);
        peer.consume(1, consumer, false);
        if number == 7 {
            assert!(peer.deliver(consumer, 1).is_some());
        }
        assert_eq!(peer.call(1, cancel(consumer, true)), [unsubscribe(consumer)]);
        peer.connection.consumer_ended(consumer);
    }
    let effects = peer.call(1, channel::Close { reply_code: 200, ..Default::default() });
    assert_eq!(effects.first(), Some(&abandon(ConsumerId(7))));
    assert!(effects.len() < 50, "{} effects", effects.len());
}

#[test]
fn a_consumer_whose_settling_waits_for_a_commit_is_not_forgotten() {
    let mut peer = Peer::on_channel();
    assert_eq!(peer.call(1, tx::Select {}), [send(1, tx::SelectOk {})]);
    peer.consume(1, ANN, false);
    peer.deliver_through(ANN, 1);
    assert_eq!(peer.call(1, basic::Ack { delivery_tag: 1, multiple: false }), []);
    assert_eq!(peer.call(1, cancel(ANN, true)), [unsubscribe(ANN)]);
    peer.connection.consumer_ended(ANN);
    for number in 1..=1000 {
        let consumer = ConsumerId(10 + number);
        peer.consume(1, consumer, false);
        assert_eq!(peer.call(1, cancel(consumer, true)), [unsubscribe(consumer)]);
        peer.connection.consumer_ended(consumer);
    }
    let effects = peer.call(1, channel::Close { reply_code: 200, ..Default::default() });
    assert_eq!(effects.first(), Some(&abandon(ANN)));
    assert!(effects.len() < 50, "{} effects", effects.len());
}

#[test]
fn cancel_ok_follows_the_last_delivery() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    assert_eq!(peer.call(1, cancel(ANN, false)), [unsubscribe(ANN), cancel_ok(ANN)]);
    assert_eq!(peer.deliver(ANN, 1).unwrap().delivery_tag, DeliveryTag(1), "handed out before");
    peer.connection.consumer_ended(ANN);
    assert_eq!(peer.deliver(ANN, 2), None);
    assert_eq!(peer.call(1, basic::Ack { delivery_tag: 1, multiple: false }), [settle(ANN, 1, Outcome::Ack)]);
}

#[test]
fn cancel_without_a_reply_has_none() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    assert_eq!(peer.call(1, cancel(ANN, true)), [unsubscribe(ANN)]);
    peer.connection.consumer_ended(ANN);
    assert_eq!(peer.call(1, cancel(ANN, true)), []);
    assert_eq!(peer.call(1, basic::Qos::default()), [send(1, basic::QosOk {})], "nothing is left to be answered");
}

#[test]
fn cancelling_what_is_not_there_is_no_error() {
    let mut peer = Peer::on_channel();
    assert_eq!(peer.call(1, cancel(ANN, false)), [cancel_ok(ANN)]);
}

#[test]
fn a_client_is_told_that_a_queue_took_its_consumer_along_if_it_can_take_it() {
    let mut peer = Peer::on_channel_with(with_capability("consumer_cancel_notify"));
    peer.consume(1, ANN, false);
    assert_eq!(consumer_cancelled(&mut peer, ANN), [send(1, cancel(ANN, true))]);
    assert_eq!(peer.deliver(ANN, 1), None);
    assert_eq!(consumer_cancelled(&mut peer, ANN), [], "once");
    assert_eq!(peer.call(1, basic::CancelOk { consumer_tag: tag_of(ANN) }), []);
}

#[test]
fn a_client_that_cannot_take_it_is_not_told() {
    for client_properties in [FieldTable::default(), with_capability("connection.blocked")] {
        let mut peer = Peer::on_channel_with(client_properties);
        peer.consume(1, ANN, false);
        assert_eq!(consumer_cancelled(&mut peer, ANN), []);
        assert_eq!(peer.deliver(ANN, 1), None);
    }
}

#[test]
fn both_sides_may_cancel_at_once() {
    let mut peer = Peer::on_channel_with(with_capability("consumer_cancel_notify"));
    peer.consume(1, ANN, false);
    assert_eq!(consumer_cancelled(&mut peer, ANN), [send(1, cancel(ANN, true))]);
    assert_eq!(peer.call(1, cancel(ANN, false)), [cancel_ok(ANN)]);
    assert_eq!(peer.call(1, consume("1")).len(), 1, "the tag is free");
}

#[test]
fn deliveries_of_a_queue_that_is_gone_can_still_be_settled() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    peer.deliver_through(ANN, 1);
    assert_eq!(consumer_cancelled(&mut peer, ANN), []);
    assert_eq!(peer.call(1, basic::Ack { delivery_tag: 1, multiple: false }), [settle(ANN, 1, Outcome::Ack)]);
}

fn consume_replies(no_ack: bool) -> basic::Consume {
    basic::Consume { queue: name("amq.rabbitmq.reply-to"), no_ack, ..consume("replies") }
}

fn replies() -> Reply {
    Reply::Consuming { consumer_tag: name("replies"), consumer: ANN, queue: None, no_ack: true }
}

#[test]
fn replies_are_consumed_without_a_queue() {
    let mut peer = Peer::on_channel();
    assert_eq!(peer.call(1, consume_replies(true)), [request(1, Request::OpenReplyTo(name("replies")))]);
    assert_eq!(peer.answer(1, replies()), [send(1, basic::ConsumeOk { consumer_tag: name("replies") })]);
    assert_eq!(peer.deliver(ANN, 0).unwrap().delivery_tag, DeliveryTag(1));
    let cancel = basic::Cancel { consumer_tag: name("replies"), nowait: false };
    assert_eq!(
        peer.call(1, cancel),
        [
            Effect::CloseReplyTo(1),
            Effect::Unsubscribe { channel: 1, queue: None, consumer: ANN },
            send(1, basic::CancelOk { consumer_tag: name("replies") })
        ]
    );
    assert_eq!(peer.call(1, consume_replies(true)).len(), 1, "it may be opened again");
}

#[test]
fn replies_need_no_acknowledgement() {
    let text = "406 PRECONDITION_FAILED - reply consumer cannot acknowledge";
    assert_eq!(
        Peer::on_channel().call(1, consume_replies(false)),
        channel_error(1, ChannelError::ReplyConsumerAcknowledges, text, (60, 20))
    );
}

#[test]
fn a_channel_consumes_replies_once() {
    let mut peer = Peer::on_channel();
    assert_eq!(peer.call(1, consume_replies(true)).len(), 1);
    assert_eq!(peer.answer(1, replies()).len(), 1);
    let text = "406 PRECONDITION_FAILED - reply consumer already set";
    let again = basic::Consume { consumer_tag: name("again"), ..consume_replies(true) };
    assert_eq!(peer.call(1, again), channel_error(1, ChannelError::ReplyConsumerSet, text, (60, 20)));
}

#[test]
fn get_numbers_its_message_with_the_deliveries() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    peer.deliver_through(ANN, 1);
    assert_eq!(peer.get(1, 1, false), Some(DeliveryTag(2)));
    assert!(!peer.connection.is_waiting());
    assert_eq!(peer.deliver(ANN, 2).unwrap().delivery_tag, DeliveryTag(3));
}

#[test]
fn get_may_find_nothing() {
    let mut peer = Peer::on_channel();
    let get = basic::Get { queue: name("q"), no_ack: true, ..Default::default() };
    assert_eq!(peer.call(1, get), [request(1, Request::Get { queue: name("q"), no_ack: true })]);
    assert!(peer.connection.is_waiting());
    assert_eq!(peer.answer(1, Reply::Empty), [send(1, basic::GetEmpty::default())]);
    assert!(!peer.connection.is_waiting());
}

#[test]
fn what_was_got_goes_back_with_its_channel() {
    let mut peer = Peer::on_channel();
    assert_eq!(peer.get(1, 1, false), Some(DeliveryTag(1)));
    assert_eq!(
        peer.call(1, channel::Close { reply_code: 200, ..Default::default() }),
        [abandon(super::GETTER), Effect::ChannelEnded(1), send(1, channel::CloseOk {})]
    );
}
