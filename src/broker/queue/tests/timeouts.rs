//! Deliveries that stay unacked for too long.

use std::sync::Arc;
use std::time::Duration;

use leveret_protocol::{FieldTable, FieldValue};

use super::*;
use crate::broker::queue::Settings;

const SPAN: Duration = Duration::from_millis(100);

fn queue_of(arguments: &[(&str, FieldValue)]) -> Queue {
    let mut table = FieldTable::new();
    arguments.iter().for_each(|(name, value)| table.insert(name, value.clone()));
    Queue::new(false).with(Timestamp::ZERO, Settings::of(&table))
}

/// A queue of that type in which deliveries may stay unacked for 100 ms.
fn timed(queue_type: &'static str) -> Queue {
    queue_of(&[("x-queue-type", FieldValue::text(queue_type)), ("x-consumer-timeout", FieldValue::I32(100))])
}

fn at(millis: u64, queue: &mut Queue, input: Input<'_>) -> Vec<Effect> {
    let mut effects = Vec::new();
    queue.handle(Timestamp::from_millis(millis), input, &mut effects).unwrap();
    effects
}

fn publish_at(millis: u64, queue: &mut Queue, bodies: &[&str]) -> Vec<Effect> {
    at(millis, queue, Input::Publish(&mut bodies.iter().map(|body| message(body).into()).collect()))
}

fn ack_at(millis: u64, queue: &mut Queue, checkout: u64) -> Vec<Effect> {
    let checkouts = &[CheckoutId(checkout)];
    at(millis, queue, Input::Settle { consumer: ANN, checkouts, outcome: Outcome::Ack })
}

fn timed_out(consumer: ConsumerId, cancels: bool) -> Effect {
    Effect::TimedOut { consumer, timeout: SPAN, cancels }
}

fn due(queue: &Queue) -> Option<u64> {
    queue.next_deadline().map(Timestamp::as_millis)
}

#[test]
fn everything_that_the_consumer_holds_comes_back_and_it_ends() {
    for (queue_type, cancels) in [("quorum", true), ("classic", false)] {
        let mut queue = timed(queue_type);
        at(0, &mut queue, Input::Subscribe(consumer(ANN)));
        publish_at(10, &mut queue, &["a"]);
        publish_at(50, &mut queue, &["b"]);
        assert_eq!(due(&queue), Some(110));
        assert_eq!(at(109, &mut queue, Input::Tick), []);
        assert_eq!(at(110, &mut queue, Input::Tick), [timed_out(ANN, cancels)]);
        assert_eq!((queue.ready_count(), queue.consumer_count(), queue.unacked_bytes()), (2, 0, 0));
        assert_eq!(due(&queue), None);
        assert_eq!(ack_at(120, &mut queue, 1), [], "settling it later has no effect");
        assert_eq!(at(130, &mut queue, Input::Abandon(ANN)), []);
        let effects = at(140, &mut queue, Input::Subscribe(consumer(BOB)));
        assert_eq!(effects, [again(BOB, 1, "a"), again(BOB, 2, "b")]);
    }
}

#[test]
fn the_oldest_delivery_that_is_unacked_counts() {
    let mut queue = timed("quorum");
    at(0, &mut queue, Input::Subscribe(consumer(ANN)));
    for (millis, body) in [(10, "a"), (20, "b"), (30, "c")] {
        publish_at(millis, &mut queue, &[body]);
    }
    ack_at(40, &mut queue, 1);
    ack_at(40, &mut queue, 3);
    assert_eq!(at(110, &mut queue, Input::Tick), []);
    assert_eq!(due(&queue), Some(120));
    ack_at(115, &mut queue, 2);
    assert_eq!(at(120, &mut queue, Input::Tick), []);
    assert_eq!(due(&queue), None);
    publish_at(200, &mut queue, &["d"]);
    assert_eq!(due(&queue), Some(300));
}

#[test]
fn a_timeout_counts_as_no_failure() {
    let mut queue = queue_of(&[
        ("x-queue-type", FieldValue::text("quorum")),
        ("x-consumer-timeout", FieldValue::I32(100)),
        ("x-delivery-limit", FieldValue::I32(0)),
    ]);
    at(0, &mut queue, Input::Subscribe(consumer(ANN)));
    publish_at(0, &mut queue, &["a"]);
    assert_eq!(at(100, &mut queue, Input::Tick), [timed_out(ANN, true)]);
    assert_eq!(queue.ready_count(), 1);
}

#[test]
fn what_is_overdue_alone_comes_back_where_that_is_asked_for() {
    let mut queue = queue_of(&[
        ("x-consumer-timeout", FieldValue::I32(100)),
        ("x-consumer-timeout-action", FieldValue::text("requeue")),
    ]);
    at(0, &mut queue, Input::Subscribe(consumer(ANN)));
    publish_at(0, &mut queue, &["a", "b"]);
    publish_at(60, &mut queue, &["c"]);
    ack_at(70, &mut queue, 2);
    assert_eq!(at(100, &mut queue, Input::Tick), [again(ANN, 4, "a")]);
    assert_eq!(queue.consumer_count(), 1);
    assert_eq!(due(&queue), Some(160), "that of c");
    assert_eq!(ack_at(110, &mut queue, 1), [], "the delivery of then is over");
    assert_eq!(at(160, &mut queue, Input::Tick), [again(ANN, 5, "c")]);
    assert_eq!(due(&queue), Some(200), "that of a, for the second time");
}

#[test]
fn a_time_of_the_consumer_counts_before_that_of_the_queue() {
    let mut queue = timed("classic");
    let patient = Subscription { timeout: Some(Duration::from_millis(500)), ..consumer(ANN) };
    let for_ever = Subscription { timeout: Some(Duration::ZERO), ..consumer(BOB) };
    at(0, &mut queue, Input::Subscribe(patient));
    at(0, &mut queue, Input::Subscribe(for_ever));
    publish_at(0, &mut queue, &["a", "b"]);
    assert_eq!(due(&queue), Some(500));
    let ended = Effect::TimedOut { consumer: ANN, timeout: Duration::from_millis(500), cancels: false };
    assert_eq!(at(500, &mut queue, Input::Tick), [ended, again(BOB, 2, "a")]);
    assert_eq!(due(&queue), None);
}

#[test]
fn a_consumer_may_ask_for_a_timeout_where_the_queue_has_none() {
    let mut queue = queue_of(&[]);
    assert!(!queue.times_out());
    at(0, &mut queue, Input::Subscribe(Subscription { timeout: Some(SPAN), ..consumer(ANN) }));
    publish_at(0, &mut queue, &["a"]);
    assert_eq!(due(&queue), Some(100));
}

#[test]
fn deliveries_without_acknowledgement_do_not_time_out() {
    let mut queue = timed("quorum");
    at(0, &mut queue, Input::Subscribe(Subscription { no_ack: true, ..consumer(ANN) }));
    publish_at(0, &mut queue, &["a"]);
    assert_eq!(due(&queue), None);
    publish_at(0, &mut queue, &["b"]);
    at(0, &mut queue, Input::Get { consumer: GETTER, no_ack: true });
    assert_eq!(due(&queue), None);
}

#[test]
fn what_a_channel_got_times_out_as_well() {
    let mut queue = timed("quorum");
    publish_at(0, &mut queue, &["a"]);
    at(5, &mut queue, Input::Get { consumer: GETTER, no_ack: false });
    assert_eq!(due(&queue), Some(105));
    assert_eq!(at(105, &mut queue, Input::Tick), [timed_out(GETTER, true)]);
    assert_eq!(queue.ready_count(), 1);
    let again = at(110, &mut queue, Input::Get { consumer: GETTER, no_ack: false });
    assert_eq!(again, [got_again(2, "a", 0)], "hand-outs are counted on");
}

#[test]
fn what_a_cancelled_consumer_holds_comes_back_without_a_word() {
    let mut queue = timed("quorum");
    at(0, &mut queue, Input::Subscribe(consumer(ANN)));
    publish_at(0, &mut queue, &["a"]);
    at(10, &mut queue, Input::Unsubscribe(ANN));
    assert_eq!(due(&queue), Some(100));
    assert_eq!(at(100, &mut queue, Input::Tick), []);
    assert_eq!(queue.ready_count(), 1);
}

#[test]
fn an_auto_delete_queue_whose_last_consumer_times_out_is_unused() {
    let settings = timed("classic").settings().clone();
    let mut queue = Queue::new(true).with(Timestamp::ZERO, settings);
    at(0, &mut queue, Input::Subscribe(consumer(ANN)));
    publish_at(0, &mut queue, &["a"]);
    assert_eq!(at(100, &mut queue, Input::Tick), [Effect::Unused, timed_out(ANN, false)]);
}

#[test]
fn a_timeout_that_comes_while_messages_are_unacked_counts_from_then_on() {
    let mut queue = queue_of(&[]);
    at(0, &mut queue, Input::Subscribe(consumer(ANN)));
    publish_at(0, &mut queue, &["a"]);
    let settings = Settings { consumer_timeout: Some(SPAN), ..queue.settings().clone() };
    at(1000, &mut queue, Input::Configure(Arc::new(settings.clone())));
    at(1000, &mut queue, Input::Tick);
    assert_eq!(due(&queue), Some(1100));
    at(1050, &mut queue, Input::Configure(Arc::new(Settings { consumer_timeout: None, ..settings })));
    at(1050, &mut queue, Input::Tick);
    assert_eq!(due(&queue), None);
}

#[test]
fn the_node_says_where_nobody_else_does() {
    let of = |timeout: Option<u64>, arguments: &[(&str, FieldValue)]| {
        let mut queue = queue_of(arguments);
        queue.set_default_timeout(timeout.map(Duration::from_millis));
        at(0, &mut queue, Input::Subscribe(consumer(ANN)));
        publish_at(0, &mut queue, &["a"]);
        due(&queue)
    };
    let quorum = ("x-queue-type", FieldValue::text("quorum"));
    assert_eq!(of(None, &[]), None);
    assert_eq!(of(None, std::slice::from_ref(&quorum)), Some(30 * 60 * 1000));
    assert_eq!(of(Some(7), &[]), Some(7));
    assert_eq!(of(Some(7), std::slice::from_ref(&quorum)), Some(7));
    assert_eq!(of(Some(0), std::slice::from_ref(&quorum)), None);
    assert_eq!(of(Some(7), &[quorum, ("x-consumer-timeout", FieldValue::I32(0))]), None);
}

#[test]
fn times_are_kept_only_of_what_is_outstanding() {
    let mut queue = timed("classic");
    at(0, &mut queue, Input::Subscribe(consumer(ANN)));
    publish_at(0, &mut queue, &["stays"]);
    for number in 2..2000 {
        publish_at(number, &mut queue, &["passes"]);
        ack_at(number, &mut queue, number);
    }
    assert!(queue.unacked().map(crate::broker::queue::unacked::Unacked::times).sum::<usize>() < 100);
    assert_eq!(due(&queue), Some(100));
}

#[test]
fn a_delivery_may_be_given_more_time_or_less() {
    let mut queue = timed("quorum");
    at(0, &mut queue, Input::Subscribe(consumer(ANN)));
    publish_at(0, &mut queue, &["a"]);
    publish_at(50, &mut queue, &["b"]);
    let extend = |millis, queue: &mut Queue, checkout, by| {
        let by = Duration::from_millis(by);
        assert_eq!(at(millis, queue, Input::Extend { consumer: ANN, checkout: CheckoutId(checkout), by }), []);
    };
    extend(90, &mut queue, 1, 200);
    assert_eq!(at(100, &mut queue, Input::Tick), []);
    assert_eq!(due(&queue), Some(150), "that of b");
    ack_at(120, &mut queue, 2);
    assert_eq!(at(150, &mut queue, Input::Tick), []);
    assert_eq!(due(&queue), Some(290));
    extend(200, &mut queue, 1, 10);
    assert_eq!(at(210, &mut queue, Input::Tick), [timed_out(ANN, true)]);
    extend(220, &mut queue, 1, 10);
    assert_eq!(due(&queue), None, "nobody holds it");
}

#[test]
fn of_several_late_deliveries_only_those_come_back_that_were_given_no_more_time() {
    let mut queue = queue_of(&[
        ("x-consumer-timeout", FieldValue::I32(100)),
        ("x-consumer-timeout-action", FieldValue::text("requeue")),
    ]);
    at(0, &mut queue, Input::Subscribe(Subscription { prefetch: 2, ..consumer(ANN) }));
    publish_at(0, &mut queue, &["a", "b"]);
    at(10, &mut queue, Input::Extend { consumer: ANN, checkout: CheckoutId(1), by: Duration::from_millis(500) });
    assert_eq!(at(100, &mut queue, Input::Tick), [again(ANN, 3, "b")]);
    assert_eq!(due(&queue), Some(200));
    ack_at(150, &mut queue, 3);
    assert_eq!(at(510, &mut queue, Input::Tick), [again(ANN, 4, "a")]);
}

#[test]
fn more_time_means_nothing_where_there_is_no_timeout() {
    let mut queue = queue_of(&[]);
    at(0, &mut queue, Input::Subscribe(consumer(ANN)));
    publish_at(0, &mut queue, &["a"]);
    at(0, &mut queue, Input::Extend { consumer: ANN, checkout: CheckoutId(1), by: SPAN });
    assert_eq!(due(&queue), None);
}

#[test]
fn unacked_deliveries_are_listed_by_their_messages_with_their_times() {
    let mut queue = timed("quorum");
    at(0, &mut queue, Input::Subscribe(consumer(ANN)));
    publish_at(0, &mut queue, &["a", "b"]);
    publish_at(50, &mut queue, &["c"]);
    at(60, &mut queue, Input::Extend { consumer: ANN, checkout: CheckoutId(2), by: Duration::from_millis(500) });
    let told = |queue: &Queue, after: Option<u64>, most| {
        let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millis);
        let listed = queue.outstanding(after.map(SequenceNumber), most).into_iter();
        listed.map(|one| (one.sequence.0, one.checkout.0, millis(one.since), millis(one.deadline))).collect::<Vec<_>>()
    };
    let all = [(1, 1, Some(0), Some(100)), (2, 2, Some(0), Some(560)), (3, 3, Some(50), Some(150))];
    assert_eq!(told(&queue, None, 9), all);
    assert_eq!(told(&queue, None, 2), all[..2]);
    assert_eq!(told(&queue, Some(1), 1), all[1..2]);
    let one = queue.outstanding_of(SequenceNumber(3)).unwrap();
    assert_eq!((one.consumer, one.checkout, one.message.body()), (ANN, CheckoutId(3), &b"c"[..]));
    ack_at(70, &mut queue, 3);
    assert_eq!(queue.outstanding_of(SequenceNumber(3)), None);
    let mut queue = queue_of(&[]);
    at(0, &mut queue, Input::Subscribe(consumer(ANN)));
    publish_at(0, &mut queue, &["a"]);
    assert_eq!(told(&queue, None, 9), [(1, 1, None, None)], "nothing times out");
}

#[test]
fn what_comes_back_to_a_queue_with_delayed_retries_is_not_ready_before_its_time() {
    let mut queue = queue_of(&[
        ("x-queue-type", FieldValue::text("quorum")),
        ("x-delayed-retry-type", FieldValue::text("all")),
        ("x-delayed-retry-min", FieldValue::I32(100)),
        ("x-delayed-retry-max", FieldValue::I32(150)),
        ("x-consumer-timeout", FieldValue::I32(0)),
    ]);
    at(0, &mut queue, Input::Subscribe(Subscription { prefetch: 1, ..consumer(ANN) }));
    publish_at(0, &mut queue, &["a", "b"]);
    let back = |millis, queue: &mut Queue, checkout, outcome| {
        at(millis, queue, Input::Settle { consumer: ANN, checkouts: &[CheckoutId(checkout)], outcome })
    };
    // The next one is served meanwhile.
    let [Effect::Deliver(next)] = &back(10, &mut queue, 1, Outcome::Fail)[..] else { panic!("b is delivered") };
    assert_eq!((next.message.body(), queue.ready_count(), queue.waiting_count()), (&b"b"[..], 0, 1));
    assert_eq!(due(&queue), Some(110));
    ack_at(20, &mut queue, 2);
    let [Effect::Deliver(again)] = &at(110, &mut queue, Input::Tick)[..] else { panic!("its time has come") };
    assert_eq!((again.checkout, again.redelivered), (CheckoutId(3), true));
    assert_eq!(back(120, &mut queue, 3, Outcome::Fail), []);
    assert_eq!(due(&queue), Some(270), "twice the shortest is more than the longest");
    at(270, &mut queue, Input::Tick);
    // It did not fail this time: the delay is that of two failures.
    assert_eq!(back(300, &mut queue, 4, Outcome::Requeue), []);
    assert_eq!(due(&queue), Some(450));
    // It goes with its channel.
    at(450, &mut queue, Input::Tick);
    assert_eq!(at(460, &mut queue, Input::Abandon(ANN)), []);
    assert_eq!((due(&queue), queue.waiting_count()), (Some(610), 1));
    assert_eq!(
        queue.delivered_ranges(),
        [SequenceNumber(1)..=SequenceNumber(1)],
        "it came back, though it is not ready"
    );
    assert_eq!(at(470, &mut queue, Input::Purge), [Effect::Removed(1)]);
    assert_eq!((due(&queue), queue.failures().len()), (None, 0));
}
