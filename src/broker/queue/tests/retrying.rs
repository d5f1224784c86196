//! Messages that consumers give back are tried again later, and die when that has been often enough.

use std::time::Duration;

use super::{ANN, at, consumer, handle_at, with_header};
use crate::broker::delay;
use crate::broker::ids::{CheckoutId, SequenceNumber};
use crate::broker::message::Message;
use crate::broker::queue::{
    Arrival, Dead, DeadLetter, DeathReason, Delays, Departure, Effect, Input, Outcome, Queue, Retry, RetryOn, Settings,
};

fn queue(on: RetryOn) -> Queue {
    let delays = Delays::Listed(vec![Duration::from_millis(100), Duration::from_millis(1000)]);
    let retry = Some(Retry { delays, limit: None, jitter_percent: 0, on });
    let dead_letter = Some(DeadLetter { exchange: "dlx".try_into().unwrap(), routing_key: None });
    let mut queue = Queue::new(false).with(at(0), Settings { retry, dead_letter, ..Settings::default() });
    handle_at(&mut queue, 0, Input::Subscribe(consumer(ANN)));
    queue
}

fn message(body: &str) -> Message {
    with_header(body, "a", true.into(), at(0))
}

fn publish(queue: &mut Queue, now: u64, message: &Message) -> Vec<Effect> {
    handle_at(queue, now, Input::Publish(&mut vec![Arrival::from(message.clone())]))
}

fn settle(queue: &mut Queue, now: u64, checkout: u64, outcome: Outcome) -> Vec<Effect> {
    handle_at(queue, now, Input::Settle { consumer: ANN, checkouts: &[CheckoutId(checkout)], outcome })
}

fn retried(effects: &[Effect]) -> Message {
    let [Effect::Retried { message, stored: None }] = effects else { panic!("{effects:?}") };
    message.clone()
}

fn died(queue: &mut Queue) -> Vec<DeathReason> {
    let mut dead = Vec::new();
    handle_at(queue, 0, Input::TakeDead(&mut dead));
    let reason = |dead: Dead| match dead.reason {
        Departure::Died(reason) => reason,
        Departure::Released => panic!("{dead:?}"),
    };
    dead.into_iter().map(reason).collect()
}

/// The delivery in the effects: whether it was handed out before, how often it was tried again.
fn delivered(effects: &[Effect]) -> (bool, u64) {
    let [Effect::Deliver(delivery)] = effects else { panic!("{effects:?}") };
    let headers = delay::headers_of(&delivery.message).unwrap_or_default();
    (delivery.redelivered, delay::attempts(&headers))
}

#[test]
fn each_attempt_waits_its_time_and_after_the_last_the_message_dies() {
    let mut queue = queue(RetryOn::Requeue);
    assert_eq!(delivered(&publish(&mut queue, 0, &message("m"))), (false, 0));
    let again = retried(&settle(&mut queue, 10, 1, Outcome::Requeue));
    assert_eq!(publish(&mut queue, 10, &again), []);
    assert_eq!((queue.ready_count(), queue.waiting_count(), queue.next_deadline()), (0, 1, Some(at(110))));
    assert_eq!(delivered(&handle_at(&mut queue, 110, Input::Tick)), (true, 1));
    let again = retried(&settle(&mut queue, 200, 2, Outcome::Requeue));
    publish(&mut queue, 200, &again);
    assert_eq!(delivered(&handle_at(&mut queue, 1200, Input::Tick)), (true, 2));
    assert_eq!(settle(&mut queue, 1300, 3, Outcome::Requeue), [Effect::Died]);
    assert_eq!(died(&mut queue), [DeathReason::DeliveryLimit]);
    assert_eq!((queue.waiting_count(), queue.unacked_bytes(), queue.loaded_bytes()), (0, 0, 0));
}

#[test]
fn a_message_whose_time_has_passed_is_ready_at_once_and_marked() {
    let mut queue = queue(RetryOn::Requeue);
    publish(&mut queue, 0, &message("m"));
    let again = retried(&settle(&mut queue, 10, 1, Outcome::Requeue));
    assert_eq!(delivered(&publish(&mut queue, 500, &again)), (true, 1));
}

#[test]
fn which_outcomes_are_tried_again_is_for_the_queue_to_say() {
    for (on, requeue, reject) in
        [(RetryOn::Requeue, true, false), (RetryOn::Reject, false, true), (RetryOn::All, true, true)]
    {
        let mut queue = queue(on);
        for (checkout, outcome, expected) in [(1, Outcome::Requeue, requeue), (2, Outcome::Discard, reject)] {
            publish(&mut queue, 0, &message("m"));
            let effects = settle(&mut queue, 0, checkout, outcome);
            let is_retried = matches!(effects.as_slice(), [Effect::Retried { .. }]);
            assert_eq!(is_retried, expected, "{on:?} {outcome:?} {effects:?}");
            handle_at(&mut queue, 0, Input::TakeDead(&mut Vec::new()));
            if outcome == Outcome::Requeue && !expected {
                settle(&mut queue, 0, checkout + 1, Outcome::Ack);
                return_to_checkout_two(&mut queue);
            }
        }
    }
}

/// The delivery that came again has taken a number; the next one is looked at under its own.
fn return_to_checkout_two(queue: &mut Queue) {
    handle_at(queue, 0, Input::Abandon(ANN));
    handle_at(queue, 0, Input::Subscribe(consumer(ANN)));
    publish(queue, 0, &message("m"));
    settle(queue, 0, 1, Outcome::Ack);
}

#[test]
fn a_rejected_message_that_has_had_enough_dies_rejected() {
    let mut queue = queue(RetryOn::All);
    let spent = delay::tried_again(&message("m"), 2, at(0)).unwrap();
    publish(&mut queue, 0, &spent);
    assert_eq!(settle(&mut queue, 0, 1, Outcome::Discard), [Effect::Died]);
    assert_eq!(died(&mut queue), [DeathReason::Rejected]);
}

#[test]
fn what_a_consumer_leaves_behind_is_no_attempt() {
    let mut queue = queue(RetryOn::All);
    publish(&mut queue, 0, &message("m"));
    assert_eq!(handle_at(&mut queue, 0, Input::Abandon(ANN)), []);
    assert_eq!((queue.ready_count(), queue.waiting_count()), (1, 0));
    assert_eq!(queue.next_sequence(), SequenceNumber(2));
}
