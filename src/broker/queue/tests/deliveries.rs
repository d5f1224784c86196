//! How often messages came back: who is told, what counts as a failure, and when a message dies of it.

use leveret_protocol::{FieldTable, FieldValue, HeaderView};

use super::*;
use crate::broker::dead_letter;
use crate::broker::queue::{DeathReason, Departure, Settings};

fn queue_of(arguments: &[(&str, FieldValue)]) -> Queue {
    let mut table = FieldTable::new();
    arguments.iter().for_each(|(name, value)| table.insert(name, value.clone()));
    Queue::new(false).with(Timestamp::ZERO, Settings::of(&table))
}

fn quorum() -> (&'static str, FieldValue) {
    ("x-queue-type", FieldValue::text("quorum"))
}

fn limited(limit: i64) -> Queue {
    queue_of(&[("x-delivery-limit", FieldValue::I64(limit))])
}

/// A message whose header can be read.
fn proper(body: &str) -> Message {
    let header = [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0][..]].concat();
    MessageArena::default().store(b"\0\x01q", &header, body.as_bytes(), Traits::default(), Timestamp::ZERO).unwrap()
}

fn put(queue: &mut Queue, bodies: &[&str]) {
    let mut arrivals = bodies.iter().map(|body| proper(body).into()).collect();
    handle(queue, Input::Publish(&mut arrivals));
}

fn put_stored(queue: &mut Queue, bodies: &[&str]) {
    let arrival = |(sequence, body): (u64, &&str)| Arrival { message: proper(body), place: Some(lies_at(sequence)) };
    let mut arrivals = (1..).zip(bodies).map(arrival).collect();
    handle(queue, Input::Publish(&mut arrivals));
}

/// Gets the next message: its body, with the counts that it tells of as `x-delivery-count` and `x-acquired-count`.
fn next(queue: &mut Queue) -> Option<(String, i64, i64)> {
    match &get(queue, false)[..] {
        [Effect::Got(Some((delivery, _)))] => Some(shown(delivery)),
        [Effect::Got(None)] => None,
        other => panic!("{other:?}"),
    }
}

fn shown(delivery: &Delivery) -> (String, i64, i64) {
    let properties = HeaderView::parse(delivery.message.header()).unwrap().properties().unwrap();
    let headers = properties.headers.unwrap_or_default();
    let number = |name| headers.get(name).and_then(FieldValue::as_integer).unwrap_or_default();
    let body = String::from_utf8(delivery.message.body().to_vec()).unwrap();
    (body, number("x-delivery-count"), number("x-acquired-count"))
}

fn some(body: &str, failed: i64, acquired: i64) -> Option<(String, i64, i64)> {
    Some((body.to_owned(), failed, acquired))
}

#[test]
fn rejecting_counts_as_a_failure_and_requeueing_does_not() {
    let mut queue = queue_of(&[quorum()]);
    put(&mut queue, &["a"]);
    assert_eq!(next(&mut queue), some("a", 0, 0));
    settle(&mut queue, GETTER, 1, Outcome::Requeue);
    assert_eq!(next(&mut queue), some("a", 0, 1));
    settle(&mut queue, GETTER, 2, Outcome::Fail);
    assert_eq!(next(&mut queue), some("a", 1, 2));
    handle(&mut queue, Input::Return { consumer: GETTER, checkouts: &[CheckoutId(3)], failed: true });
    assert_eq!(next(&mut queue), some("a", 2, 3));
}

#[test]
fn the_loss_of_a_channel_counts_as_a_failure() {
    let mut queue = queue_of(&[quorum()]);
    put(&mut queue, &["a"]);
    handle(&mut queue, Input::Subscribe(consumer(ANN)));
    handle(&mut queue, Input::Abandon(ANN));
    let effects = handle(&mut queue, Input::Subscribe(consumer(BOB)));
    let [Effect::Deliver(delivery)] = &effects[..] else { panic!("{effects:?}") };
    assert!(delivery.redelivered);
    assert_eq!(shown(delivery), ("a".to_owned(), 1, 1));
}

#[test]
fn a_classic_queue_counts_only_where_it_has_a_limit() {
    let mut queue = queue_of(&[]);
    put(&mut queue, &["a"]);
    next(&mut queue);
    settle(&mut queue, GETTER, 1, Outcome::Fail);
    assert_eq!(next(&mut queue), some("a", 0, 0));
    let mut queue = limited(5);
    put(&mut queue, &["a"]);
    next(&mut queue);
    settle(&mut queue, GETTER, 1, Outcome::Fail);
    assert_eq!(next(&mut queue), some("a", 1, 1));
}

#[test]
fn a_message_that_fails_more_often_than_the_limit_is_gone() {
    let mut queue = limited(1);
    put_stored(&mut queue, &["a"]);
    next(&mut queue);
    assert_eq!(
        settle(&mut queue, GETTER, 1, Outcome::Fail),
        [Effect::Failed { sequence: SequenceNumber(1), count: 1 }]
    );
    next(&mut queue);
    let gone = Effect::Gone { sequence: SequenceNumber(1), place: lies_at(1) };
    assert_eq!(settle(&mut queue, GETTER, 2, Outcome::Fail), [gone]);
    assert_eq!(next(&mut queue), None);
}

#[test]
fn a_message_that_fails_too_often_is_dead_lettered_with_that_reason() {
    let mut queue = queue_of(&[
        quorum(),
        ("x-delivery-limit", FieldValue::I32(0)),
        ("x-dead-letter-exchange", FieldValue::text("dead")),
    ]);
    put(&mut queue, &["a"]);
    next(&mut queue);
    assert_eq!(settle(&mut queue, GETTER, 1, Outcome::Fail), [Effect::Died]);
    let mut dead = Vec::new();
    handle(&mut queue, Input::TakeDead(&mut dead));
    assert_eq!(dead.iter().map(|dead| dead.reason).collect::<Vec<_>>(), [Departure::Died(DeathReason::DeliveryLimit)]);
    assert_eq!(DeathReason::DeliveryLimit.name(), "delivery_limit");
}

#[test]
fn a_quorum_queue_allows_twenty_failures_unless_it_says_otherwise() {
    let most = |arguments: &[(&str, FieldValue)]| queue_of(arguments).settings().most_failures();
    assert_eq!(most(&[quorum()]), Some(20));
    assert_eq!(most(&[quorum(), ("x-delivery-limit", FieldValue::text("anything"))]), Some(20));
    assert_eq!(most(&[quorum(), ("x-delivery-limit", FieldValue::I32(-1))]), None);
    assert_eq!(most(&[quorum(), ("x-delivery-limit", FieldValue::I32(3))]), Some(3));
    assert_eq!(most(&[]), None);
    assert_eq!(most(&[("x-delivery-limit", FieldValue::I32(-1))]), None);
}

#[test]
fn counts_go_with_their_messages() {
    let mut queue = queue_of(&[quorum(), ("x-max-length", FieldValue::I32(4))]);
    put(&mut queue, &["acked", "discarded", "purged", "held"]);
    for _ in 0..4 {
        next(&mut queue);
    }
    for checkout in 1..=4 {
        settle(&mut queue, GETTER, checkout, Outcome::Requeue);
    }
    assert_eq!(queue.hand_outs.deliveries.len(), 4);
    next(&mut queue);
    next(&mut queue);
    settle(&mut queue, GETTER, 5, Outcome::Ack);
    settle(&mut queue, GETTER, 6, Outcome::Discard);
    assert_eq!(queue.hand_outs.deliveries.len(), 2);
    let last = handle(&mut queue, Input::Get { consumer: ANN, no_ack: false });
    assert!(matches!(&last[..], [Effect::Got(Some(_))]));
    handle(&mut queue, Input::Purge);
    assert_eq!(queue.hand_outs.deliveries.len(), 1, "only the one that is held");
    settle(&mut queue, ANN, 1, Outcome::Requeue);
    handle(&mut queue, Input::Subscribe(Subscription { no_ack: true, ..consumer(BOB) }));
    assert_eq!(queue.hand_outs.deliveries.len(), 0, "sent without acknowledgement");
}

#[test]
fn counts_of_messages_that_cannot_be_read_any_more_are_forgotten() {
    let failed = [(SequenceNumber(1), 3), (SequenceNumber(2), 1)];
    let settings = queue_of(&[quorum()]).settings().clone();
    let queue = Queue::recovered(false, vec![run(1, 2)], SequenceNumber(3), &[SequenceNumber(1)..=SequenceNumber(2)]);
    let mut queue = queue.having_failed(failed).with(Timestamp::ZERO, settings);
    assert_eq!(get(&mut queue, false), [Effect::GotLater, Effect::Load(run(1, 2))]);
    let mut messages = vec![(SequenceNumber(2), lies_at(2), proper("b"))];
    let lost = Run { count: 1, ..run(1, 2) };
    assert_eq!(handle(&mut queue, Input::Loaded { run: run(1, 2), messages: &mut messages }), [Effect::Lost(lost)]);
    assert_eq!(queue.hand_outs.deliveries.len(), 1);
    assert_eq!(next(&mut queue), some("b", 1, 1));
}

#[test]
fn a_quorum_queue_serves_what_came_back_first_in_the_order_of_its_return() {
    let mut queue = queue_of(&[quorum()]);
    put(&mut queue, &["a", "b", "c", "d"]);
    for _ in 0..3 {
        next(&mut queue);
    }
    for checkout in [3, 1, 2] {
        settle(&mut queue, GETTER, checkout, Outcome::Requeue);
    }
    let bodies: Vec<_> = std::iter::from_fn(|| next(&mut queue)).map(|(body, ..)| body).collect();
    assert_eq!(bodies, ["c", "a", "b", "d"]);
}

#[test]
fn a_consumer_of_a_quorum_queue_without_a_prefetch_holds_two_thousand() {
    let mut queue = queue_of(&[quorum()]);
    handle(&mut queue, Input::Subscribe(Subscription { window: usize::MAX, ..consumer(ANN) }));
    put(&mut queue, &["x"; 2001]);
    assert_eq!(queue.ready_count(), 1);
    handle(&mut queue, Input::SetPrefetch(ANN, 2001));
    assert_eq!(queue.ready_count(), 0);
}

#[test]
fn a_quorum_queue_takes_no_notice_of_exclusive_consumers() {
    let mut queue = queue_of(&[quorum()]);
    for id in [ANN, BOB] {
        handle(&mut queue, Input::Subscribe(Subscription { exclusive: true, ..consumer(id) }));
    }
    assert_eq!(queue.consumer_count(), 2);
}

#[test]
fn a_message_whose_header_cannot_be_read_is_delivered_as_it_is() {
    assert_eq!(dead_letter::with_headers(&message("a"), |_| {}), None);
    let mut queue = queue_of(&[quorum()]);
    publish(&mut queue, &["a"]);
    get(&mut queue, false);
    settle(&mut queue, GETTER, 1, Outcome::Fail);
    assert_eq!(get(&mut queue, false), [got_again(2, "a", 0)]);
}
