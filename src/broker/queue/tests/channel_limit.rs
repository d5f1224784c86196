//! Consumers whose channel has a limit for all its consumers: they get what the channel offers room for, and no more.

use super::{
    ANN, BOB, CLEO, GETTER, again, consumer, first, get, got, handle, message, publish, settle, with_consumers,
};
use crate::broker::ids::ConsumerId;
use crate::broker::queue::{Effect, Input, Outcome, Queue, Subscription};

/// A consumer of a channel with a limit.
fn limited(id: ConsumerId) -> Subscription {
    Subscription { channel_limited: true, ..consumer(id) }
}

fn offer(queue: &mut Queue, consumer: ConsumerId, room: usize) -> Vec<Effect> {
    handle(queue, Input::Offer { consumer, room })
}

#[test]
fn nothing_is_handed_out_without_an_offer() {
    let mut queue = with_consumers(&[limited(ANN)]);
    assert_eq!(publish(&mut queue, &["a", "b"]), [Effect::Wanting(ANN)]);
    assert_eq!(publish(&mut queue, &["c"]), [], "told once");
    assert_eq!(queue.ready_count(), 3);
}

#[test]
fn an_offer_is_used_at_once_and_more_is_wanted_while_there_are_messages() {
    let mut queue = with_consumers(&[limited(ANN)]);
    assert_eq!(publish(&mut queue, &["a", "b", "c"]), [Effect::Wanting(ANN)]);
    assert_eq!(
        offer(&mut queue, ANN, 2),
        [first(ANN, 1, "a"), first(ANN, 2, "b"), Effect::Taken(2), Effect::Wanting(ANN)]
    );
    assert_eq!(offer(&mut queue, ANN, 1), [first(ANN, 3, "c"), Effect::Taken(1)]);
}

#[test]
fn the_rest_of_an_offer_does_not_stay_in_the_queue() {
    let mut queue = with_consumers(&[limited(ANN)]);
    assert_eq!(publish(&mut queue, &["a"]), [Effect::Wanting(ANN)]);
    assert_eq!(offer(&mut queue, ANN, 5), [first(ANN, 1, "a"), Effect::Taken(1)]);
    assert_eq!(publish(&mut queue, &["b"]), [Effect::Wanting(ANN)]);
}

#[test]
fn an_offer_that_comes_too_late_is_not_used() {
    let mut queue = with_consumers(&[limited(ANN)]);
    assert_eq!(publish(&mut queue, &["a"]), [Effect::Wanting(ANN)]);
    assert_eq!(get(&mut queue, true), [got(1, "a", 0)]);
    assert_eq!(offer(&mut queue, ANN, 1), [Effect::Taken(0)]);
    assert_eq!(publish(&mut queue, &["b"]), [Effect::Wanting(ANN)]);
    assert_eq!(handle(&mut queue, Input::Unsubscribe(ANN)), []);
    assert_eq!(offer(&mut queue, ANN, 1), [Effect::Taken(0)], "the consumer is gone");
    assert_eq!(queue.ready_count(), 1);
}

#[test]
fn a_wanting_consumer_does_not_keep_messages_from_others() {
    let mut queue = with_consumers(&[limited(ANN), consumer(BOB), limited(CLEO)]);
    assert_eq!(
        publish(&mut queue, &["a", "b"]),
        [Effect::Wanting(ANN), first(BOB, 1, "a"), Effect::Wanting(CLEO), first(BOB, 2, "b")]
    );
    assert_eq!(publish(&mut queue, &["c"]), [first(BOB, 3, "c")]);
    assert_eq!(offer(&mut queue, ANN, 1), [Effect::Taken(0)]);
}

#[test]
fn two_consumers_of_the_channel_are_both_told_and_served_as_they_are_offered_room() {
    let mut queue = with_consumers(&[limited(ANN), limited(BOB)]);
    assert_eq!(publish(&mut queue, &["a", "b"]), [Effect::Wanting(ANN), Effect::Wanting(BOB)]);
    assert_eq!(offer(&mut queue, ANN, 1), [first(ANN, 1, "a"), Effect::Taken(1), Effect::Wanting(ANN)]);
    assert_eq!(offer(&mut queue, BOB, 1), [first(BOB, 1, "b"), Effect::Taken(1)]);
    assert_eq!(offer(&mut queue, ANN, 1), [Effect::Taken(0)]);
}

#[test]
fn a_consumer_uses_an_offer_only_as_far_as_its_own_prefetch_allows() {
    let mut queue = with_consumers(&[Subscription { prefetch: 2, ..limited(ANN) }]);
    assert_eq!(publish(&mut queue, &["a", "b", "c"]), [Effect::Wanting(ANN)]);
    assert_eq!(offer(&mut queue, ANN, 3), [first(ANN, 1, "a"), first(ANN, 2, "b"), Effect::Taken(2)]);
    assert_eq!(publish(&mut queue, &["d"]), [], "its own prefetch is used up");
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Ack), [Effect::Wanting(ANN)]);
    assert_eq!(offer(&mut queue, ANN, 3), [first(ANN, 3, "c"), Effect::Taken(1)]);
}

#[test]
fn a_consumer_uses_an_offer_only_as_far_as_its_window_allows() {
    let cost = message("a").cost();
    let mut queue = with_consumers(&[Subscription { window: cost, ..limited(ANN) }]);
    assert_eq!(publish(&mut queue, &["a", "b"]), [Effect::Wanting(ANN)]);
    assert_eq!(offer(&mut queue, ANN, 2), [first(ANN, 1, "a"), Effect::Taken(1)]);
    assert_eq!(handle(&mut queue, Input::Written(ANN, cost)), [Effect::Wanting(ANN)]);
    assert_eq!(offer(&mut queue, ANN, 2), [first(ANN, 2, "b"), Effect::Taken(1)]);
}

#[test]
fn a_running_consumer_comes_under_the_limit_and_out_of_it() {
    let mut queue = with_consumers(&[consumer(ANN)]);
    assert_eq!(publish(&mut queue, &["a"]), [first(ANN, 1, "a")]);
    assert_eq!(handle(&mut queue, Input::SetChannelLimited(ANN, true)), []);
    assert_eq!(publish(&mut queue, &["b", "c"]), [Effect::Wanting(ANN)]);
    assert_eq!(handle(&mut queue, Input::SetChannelLimited(ANN, true)), [Effect::Wanting(ANN)], "a limit set anew");
    assert_eq!(handle(&mut queue, Input::SetChannelLimited(ANN, false)), [first(ANN, 2, "b"), first(ANN, 3, "c")]);
    assert_eq!(publish(&mut queue, &["d"]), [first(ANN, 4, "d")]);
}

#[test]
fn a_consumer_that_comes_to_a_queue_with_messages_is_wanting() {
    let mut queue = with_consumers(&[]);
    assert_eq!(publish(&mut queue, &["a"]), []);
    assert_eq!(handle(&mut queue, Input::Subscribe(limited(ANN))), [Effect::Wanting(ANN)]);
}

#[test]
fn what_comes_back_is_announced_again() {
    let mut queue = with_consumers(&[limited(ANN)]);
    assert_eq!(publish(&mut queue, &["a", "b"]), [Effect::Wanting(ANN)]);
    assert_eq!(offer(&mut queue, ANN, 2), [first(ANN, 1, "a"), first(ANN, 2, "b"), Effect::Taken(2)]);
    assert_eq!(settle(&mut queue, ANN, 2, Outcome::Requeue), [Effect::Wanting(ANN)]);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Requeue), []);
    assert_eq!(offer(&mut queue, ANN, 2), [again(ANN, 3, "a"), again(ANN, 4, "b"), Effect::Taken(2)]);
}

#[test]
fn what_a_channel_leaves_behind_is_announced_to_the_others() {
    let mut queue = with_consumers(&[limited(ANN), limited(BOB)]);
    assert_eq!(publish(&mut queue, &["a"]), [Effect::Wanting(ANN), Effect::Wanting(BOB)]);
    assert_eq!(offer(&mut queue, ANN, 1), [first(ANN, 1, "a"), Effect::Taken(1)]);
    assert_eq!(offer(&mut queue, BOB, 1), [Effect::Taken(0)]);
    assert_eq!(handle(&mut queue, Input::Abandon(ANN)), [Effect::Wanting(BOB)]);
    assert_eq!(offer(&mut queue, BOB, 1), [again(BOB, 1, "a"), Effect::Taken(1)]);
}

#[test]
fn higher_priorities_are_told_first() {
    let mut queue = with_consumers(&[limited(ANN), Subscription { priority: 1, ..limited(BOB) }]);
    assert_eq!(publish(&mut queue, &["a"]), [Effect::Wanting(BOB), Effect::Wanting(ANN)]);
}

#[test]
fn an_offer_to_what_never_consumed_changes_nothing() {
    let mut queue = with_consumers(&[]);
    assert_eq!(publish(&mut queue, &["a"]), []);
    assert_eq!(offer(&mut queue, GETTER, 1), [Effect::Taken(0)]);
    assert_eq!(queue.ready_count(), 1);
}
