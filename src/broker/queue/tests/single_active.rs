//! One consumer at a time is served: who it is, and when another one is.

use leveret_protocol::{FieldTable, FieldValue};

use super::*;
use crate::broker::queue::Settings;

fn single(queue_type: &'static str) -> Queue {
    let mut arguments = FieldTable::new();
    arguments.insert("x-single-active-consumer", FieldValue::Bool(true));
    arguments.insert("x-queue-type", FieldValue::text(queue_type));
    Queue::new(false).with(Timestamp::ZERO, Settings::of(&arguments))
}

fn join(queue: &mut Queue, id: ConsumerId, priority: i64) -> Vec<Effect> {
    handle(queue, Input::Subscribe(Subscription { priority, ..consumer(id) }))
}

#[test]
fn only_the_first_consumer_is_served_until_it_goes() {
    let mut queue = single("classic");
    assert_eq!(join(&mut queue, ANN, 0), []);
    assert_eq!(join(&mut queue, BOB, 5), []);
    assert_eq!(publish(&mut queue, &["a", "b"]), [first(ANN, 1, "a"), first(ANN, 2, "b")]);
    assert!(queue.is_active(ANN) && !queue.is_active(BOB));
    assert_eq!(handle(&mut queue, Input::Unsubscribe(ANN)), []);
    assert!(!queue.is_active(ANN) && queue.is_active(BOB));
    assert_eq!(publish(&mut queue, &["c"]), [first(BOB, 1, "c")]);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Requeue), [again(BOB, 2, "a")]);
}

#[test]
fn the_next_is_the_oldest_of_the_highest_priority() {
    let mut queue = single("classic");
    for (id, priority) in [(ANN, 0), (CLEO, 3), (BOB, 3)] {
        assert_eq!(join(&mut queue, id, priority), []);
    }
    assert_eq!(handle(&mut queue, Input::Unsubscribe(ANN)), []);
    assert!(queue.is_active(BOB), "ids are given in the order of time");
}

#[test]
fn what_a_lost_channel_held_goes_to_the_next_one() {
    let mut queue = single("classic");
    join(&mut queue, ANN, 0);
    join(&mut queue, BOB, 0);
    publish(&mut queue, &["a", "b"]);
    assert_eq!(handle(&mut queue, Input::Abandon(ANN)), [again(BOB, 1, "a"), again(BOB, 2, "b")]);
}

#[test]
fn nobody_is_active_in_a_queue_without_consumers() {
    let mut queue = single("classic");
    join(&mut queue, ANN, 0);
    assert_eq!(handle(&mut queue, Input::Abandon(ANN)), []);
    assert!(!queue.is_active(ANN));
    assert_eq!(publish(&mut queue, &["a"]), []);
    assert_eq!(join(&mut queue, BOB, 0), [first(BOB, 1, "a")]);
}

#[test]
fn a_waiting_consumer_that_goes_changes_nothing() {
    let mut queue = single("classic");
    join(&mut queue, ANN, 0);
    join(&mut queue, BOB, 0);
    assert_eq!(handle(&mut queue, Input::Unsubscribe(BOB)), []);
    assert_eq!(publish(&mut queue, &["a"]), [first(ANN, 1, "a")]);
}

#[test]
fn an_active_consumer_that_is_full_holds_up_the_others() {
    let mut queue = single("classic");
    handle(&mut queue, Input::Subscribe(Subscription { prefetch: 1, ..consumer(ANN) }));
    join(&mut queue, BOB, 0);
    assert_eq!(publish(&mut queue, &["a", "b"]), [first(ANN, 1, "a")]);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Ack), [first(ANN, 2, "b")]);
}

#[test]
fn no_consumer_has_such_a_queue_to_itself() {
    let mut queue = single("classic");
    let exclusive = Subscription { exclusive: true, ..consumer(ANN) };
    assert_eq!(try_handle(&mut queue, Input::Subscribe(exclusive)), Err(Refusal::ExclusiveUse));
    assert_eq!(get(&mut queue, true), [Effect::Got(None)], "basic.get is another thing");
}

#[test]
fn a_consumer_of_a_quorum_queue_makes_way_for_a_higher_priority_once_it_holds_nothing() {
    let mut queue = single("quorum");
    join(&mut queue, ANN, 0);
    publish(&mut queue, &["a", "b"]);
    assert_eq!(join(&mut queue, BOB, 1), []);
    assert_eq!(publish(&mut queue, &["c"]), [], "the first one is to make way");
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Ack), []);
    assert!(queue.is_active(ANN));
    assert_eq!(settle(&mut queue, ANN, 2, Outcome::Ack), [first(BOB, 1, "c")]);
    assert!(!queue.is_active(ANN) && queue.is_active(BOB));
}

#[test]
fn a_consumer_of_a_quorum_queue_that_holds_nothing_makes_way_at_once() {
    let mut queue = single("quorum");
    join(&mut queue, ANN, 0);
    assert_eq!(join(&mut queue, BOB, 1), []);
    assert_eq!(join(&mut queue, CLEO, 1), []);
    assert_eq!(publish(&mut queue, &["a"]), [first(BOB, 1, "a")]);
}

#[test]
fn a_consumer_that_is_to_make_way_goes_on_if_the_other_one_leaves() {
    let mut queue = single("quorum");
    join(&mut queue, ANN, 0);
    publish(&mut queue, &["a"]);
    join(&mut queue, BOB, 1);
    assert_eq!(publish(&mut queue, &["b"]), []);
    assert_eq!(handle(&mut queue, Input::Unsubscribe(BOB)), [first(ANN, 2, "b")]);
}

#[test]
fn room_that_is_offered_to_a_consumer_which_waits_is_not_used() {
    let mut queue = single("quorum");
    handle(&mut queue, Input::Subscribe(Subscription { channel_limited: true, ..consumer(ANN) }));
    assert_eq!(publish(&mut queue, &["a"]), [Effect::Wanting(ANN)]);
    assert_eq!(join(&mut queue, BOB, 1), [first(BOB, 1, "a")]);
    assert_eq!(publish(&mut queue, &["b"]), [first(BOB, 2, "b")]);
    assert_eq!(handle(&mut queue, Input::Offer { consumer: ANN, room: 1 }), [Effect::Taken(0)]);
}

#[test]
fn getting_from_such_a_quorum_queue_is_refused() {
    let mut queue = single("quorum");
    let refused = try_handle(&mut queue, Input::Get { consumer: GETTER, no_ack: true });
    assert_eq!(refused, Err(Refusal::ExclusiveUse));
}
