//! When stored messages leave memory, in which order they come back, and who has to wait for them.

use super::{
    ANN, BOB, GETTER, again, consumer, delivery, first, get, got, handle, message, publish, settle, stored, with_paged,
};
use crate::broker::ids::SequenceNumber;
use crate::broker::message::Message;
use crate::broker::queue::tests::{lies_at, run};
use crate::broker::queue::{Arrival, Effect, Input, Outcome, Place, Queue, Run, Subscription};

fn publish_stored(queue: &mut Queue, bodies: &[&str]) -> Vec<Effect> {
    let first = queue.next_sequence().0;
    let mut arrivals = (first..).zip(bodies).map(|(sequence, body)| stored(sequence, body)).collect();
    handle(queue, Input::Publish(&mut arrivals))
}

fn loaded(queue: &mut Queue, run: Run, bodies: &[&str]) -> Vec<Effect> {
    let numbers = run.first.0..;
    let mut messages: Vec<(SequenceNumber, Place, Message)> =
        numbers.zip(bodies).map(|(number, body)| (SequenceNumber(number), lies_at(number), message(body))).collect();
    let effects = handle(queue, Input::Loaded { run, messages: &mut messages });
    assert_eq!(messages, [], "the queue takes all messages");
    effects
}

fn limited(limit: usize) -> Queue {
    let mut queue = Queue::new(false);
    queue.set_memory_limit(limit);
    queue
}

#[test]
fn stored_messages_stay_in_memory_until_the_limit_is_reached() {
    let cost = message("a").cost();
    let mut queue = limited(2 * cost);
    assert_eq!(publish_stored(&mut queue, &["a"]), []);
    assert!(!queue.is_paged());
    assert_eq!(publish_stored(&mut queue, &["b"]), []);
    assert!(queue.is_paged(), "whatever comes now has to have a place");
    assert_eq!(publish_stored(&mut queue, &["c", "d"]), []);
    assert_eq!((queue.ready_count(), queue.loaded_bytes()), (4, 2 * cost));
    assert_eq!(queue.held_in(lies_at(1).file).runs, [run(3, 2)]);
}

#[test]
fn messages_without_a_place_stay_in_memory_whatever_the_limit() {
    let mut queue = limited(0);
    assert_eq!(publish(&mut queue, &["a", "b"]), []);
    assert_eq!(queue.loaded_bytes(), 2 * message("a").cost());
    assert_eq!(get(&mut queue, true), [got(1, "a", 1)]);
}

#[test]
fn while_something_is_paged_what_follows_is_paged_even_if_there_is_room() {
    let mut queue = with_paged(&["a"]);
    queue.set_memory_limit(usize::MAX);
    assert!(queue.is_paged());
    assert_eq!(publish_stored(&mut queue, &["b"]), []);
    assert_eq!((queue.ready_count(), queue.loaded_bytes()), (2, 0));
}

#[test]
fn a_consumer_has_the_first_run_loaded_and_gets_it_in_order() {
    let mut queue = with_paged(&["a", "b"]);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [Effect::Load(run(1, 2))]);
    assert_eq!(publish_stored(&mut queue, &["c"]), [], "one load at a time");
    assert_eq!(
        loaded(&mut queue, run(1, 2), &["a", "b"]),
        [first(ANN, 1, "a"), first(ANN, 2, "b"), Effect::Load(run(3, 1))]
    );
    assert_eq!(loaded(&mut queue, run(3, 1), &["c"]), [first(ANN, 3, "c")]);
    assert!(queue.is_paged(), "its limit is 0");
    assert_eq!(queue.unacked_bytes(), 3 * message("a").cost());
}

#[test]
fn nothing_is_loaded_while_nobody_wants_it() {
    let mut queue = with_paged(&["a"]);
    assert_eq!(handle(&mut queue, Input::Unsubscribe(ANN)), []);
    assert_eq!(publish_stored(&mut queue, &["b"]), []);
}

#[test]
fn the_next_run_is_loaded_when_memory_falls_below_half_of_the_limit() {
    let cost = message("a").cost();
    let mut queue = limited(4 * cost);
    assert_eq!(publish_stored(&mut queue, &["a", "b", "c", "d", "e"]), []);
    let one = Subscription { prefetch: 1, ..consumer(ANN) };
    assert_eq!(handle(&mut queue, Input::Subscribe(one)), [first(ANN, 1, "a")]);
    let gone = |sequence| Effect::Gone { sequence: SequenceNumber(sequence), place: lies_at(sequence) };
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Ack), [gone(1), first(ANN, 2, "b")]);
    assert_eq!(settle(&mut queue, ANN, 2, Outcome::Ack), [gone(2), first(ANN, 3, "c"), Effect::Load(run(5, 1))]);
    assert_eq!(loaded(&mut queue, run(5, 1), &["e"]), []);
    assert_eq!(settle(&mut queue, ANN, 3, Outcome::Ack), [gone(3), first(ANN, 4, "d")]);
    assert_eq!(settle(&mut queue, ANN, 4, Outcome::Ack), [gone(4), first(ANN, 5, "e")]);
}

#[test]
fn a_get_that_finds_nothing_in_memory_is_answered_later() {
    let mut queue = with_paged(&["a", "b"]);
    assert_eq!(get(&mut queue, true), [Effect::GotLater, Effect::Load(run(1, 2))]);
    assert_eq!(get(&mut queue, true), [Effect::GotLater]);
    assert_eq!(loaded(&mut queue, run(1, 2), &["a", "b"]), []);
    assert_eq!(get(&mut queue, false), [got(1, "a", 1)]);
    assert_eq!(get(&mut queue, false), [got(2, "b", 0)]);
    assert_eq!(get(&mut queue, false), [Effect::Got(None)]);
}

#[test]
fn a_message_without_a_place_waits_for_those_before_it() {
    let mut queue = with_paged(&["a"]);
    assert_eq!(publish(&mut queue, &["b"]), []);
    assert_eq!(publish_stored(&mut queue, &["c"]), []);
    assert_eq!(queue.loaded_bytes(), message("b").cost());
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [Effect::Load(run(1, 1))]);
    assert_eq!(
        loaded(&mut queue, run(1, 1), &["a"]),
        [first(ANN, 1, "a"), first(ANN, 2, "b"), Effect::Load(run(3, 1))]
    );
}

#[test]
fn what_came_back_is_handed_out_without_waiting_for_a_load() {
    let mut queue = limited(message("a").cost());
    assert_eq!(publish_stored(&mut queue, &["a", "b"]), []);
    assert_eq!(get(&mut queue, false), [got(1, "a", 1)]);
    assert_eq!(settle(&mut queue, GETTER, 1, Outcome::Requeue), []);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [again(ANN, 1, "a"), Effect::Load(run(2, 1))]);
}

#[test]
fn a_load_of_what_was_purged_meanwhile_is_thrown_away() {
    let mut queue = with_paged(&["a"]);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [Effect::Load(run(1, 1))]);
    assert_eq!(handle(&mut queue, Input::Purge), [Effect::GoneRun(run(1, 1)), Effect::Removed(1)]);
    assert_eq!(publish_stored(&mut queue, &["b"]), [], "the load is still out");
    assert_eq!(loaded(&mut queue, run(1, 1), &["a"]), [Effect::Load(run(2, 1))]);
    assert_eq!(loaded(&mut queue, run(2, 1), &["b"]), [first(ANN, 1, "b")]);
}

#[test]
fn a_load_that_nobody_asked_for_is_thrown_away() {
    let mut queue = with_paged(&["a"]);
    assert_eq!(loaded(&mut queue, run(1, 1), &["a"]), []);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [Effect::Load(run(1, 1))]);
    assert_eq!(loaded(&mut queue, run(1, 2), &["a", "b"]), [], "not that one");
    assert_eq!(loaded(&mut queue, run(1, 1), &["a"]), [first(ANN, 1, "a")]);
    assert_eq!(loaded(&mut queue, run(1, 1), &["a"]), [], "not twice");
}

#[test]
fn damaged_messages_are_told_and_the_queue_goes_on() {
    let mut queue = with_paged(&["a", "b", "c", "d", "e"]);
    let whole = run(1, 5);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [Effect::Load(whole)]);
    let mut messages =
        vec![(SequenceNumber(2), lies_at(2), message("b")), (SequenceNumber(4), lies_at(4), message("d"))];
    let lost = |number| Effect::Lost(Run { place: whole.place, ..run(number, 1) });
    assert_eq!(
        handle(&mut queue, Input::Loaded { run: whole, messages: &mut messages }),
        [lost(1), lost(3), lost(5), first(ANN, 1, "b"), first(ANN, 2, "d")]
    );
    assert_eq!(queue.ready_count(), 0);
    assert_eq!(publish_stored(&mut queue, &["f"]), [Effect::Load(run(6, 1))]);
    assert_eq!(loaded(&mut queue, run(6, 1), &[]), [Effect::Lost(run(6, 1))]);
}

#[test]
fn reserved_numbers_take_their_place_among_what_came_meanwhile() {
    let mut queue = limited(0);
    assert_eq!(publish_stored(&mut queue, &["a"]), []);
    assert_eq!(queue.next_sequence(), SequenceNumber(2));
    assert_eq!(handle(&mut queue, Input::Reserve { count: 2, bytes: 0 }), []);
    assert_eq!(publish_stored(&mut queue, &["d"]), []);
    let mut late = vec![(SequenceNumber(3), stored(3, "c")), (SequenceNumber(2), message("b").into())];
    assert_eq!(handle(&mut queue, Input::Insert(&mut late)), []);
    assert_eq!(late, []);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [Effect::Load(run(1, 1))]);
    assert_eq!(
        loaded(&mut queue, run(1, 1), &["a"]),
        [first(ANN, 1, "a"), first(ANN, 2, "b"), Effect::Load(run(3, 1))]
    );
    assert_eq!(loaded(&mut queue, run(3, 1), &["c"]), [first(ANN, 3, "c"), Effect::Load(run(4, 1))]);
}

#[test]
fn reserved_numbers_that_come_after_later_ones_have_gone_are_handed_out_next() {
    let mut queue = Queue::new(false);
    assert_eq!(handle(&mut queue, Input::Reserve { count: 1, bytes: 0 }), []);
    assert_eq!(publish(&mut queue, &["b", "c"]), []);
    assert_eq!(get(&mut queue, true), [got(1, "b", 1)]);
    let mut late = vec![(SequenceNumber(1), Arrival::from(message("a")))];
    assert_eq!(handle(&mut queue, Input::Insert(&mut late)), []);
    assert_eq!(get(&mut queue, true), [got(2, "a", 1)]);
    assert_eq!(get(&mut queue, true), [got(3, "c", 0)]);
}

#[test]
fn a_channel_with_a_limit_is_told_of_messages_once_they_are_in_memory() {
    let mut queue = with_paged(&["a"]);
    let limited = Subscription { channel_limited: true, ..consumer(BOB) };
    assert_eq!(handle(&mut queue, Input::Subscribe(limited)), [Effect::Load(run(1, 1))]);
    assert_eq!(handle(&mut queue, Input::Offer { consumer: BOB, room: 1 }), [Effect::Taken(0)]);
    assert_eq!(loaded(&mut queue, run(1, 1), &["a"]), [Effect::Wanting(BOB)]);
    assert_eq!(
        handle(&mut queue, Input::Offer { consumer: BOB, room: 1 }),
        [Effect::Deliver(delivery(BOB, 1, "a")), Effect::Taken(1)]
    );
}
