//! What consumers get while memory is so short that there is a limit on what each may hold unacked.

use super::{ANN, BOB, again, consumer, first, handle, message, publish, settle, with_consumers, with_messages};
use crate::broker::queue::{Input, Outcome, Subscription};

#[test]
fn a_consumer_that_holds_as_much_as_it_may_gets_more_once_it_settles_some() {
    let cost = message("1").cost();
    let mut queue = with_consumers(&[consumer(ANN)]);
    queue.set_holding_limit(Some(2 * cost));
    assert_eq!(publish(&mut queue, &["1", "2", "3", "4"]), [first(ANN, 1, "1"), first(ANN, 2, "2")]);
    assert_eq!(settle(&mut queue, ANN, 2, Outcome::Ack), [first(ANN, 3, "3")]);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Requeue), [again(ANN, 4, "1")]);
    assert_eq!(queue.unacked_bytes(), 2 * cost);
}

#[test]
fn a_message_larger_than_the_limit_is_handed_out_to_who_holds_nothing() {
    let mut queue = with_consumers(&[consumer(ANN)]);
    queue.set_holding_limit(Some(1));
    assert_eq!(publish(&mut queue, &["1", "2"]), [first(ANN, 1, "1")]);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Ack), [first(ANN, 2, "2")]);
}

#[test]
fn others_are_served_meanwhile_and_nobody_is_limited_who_holds_nothing() {
    let mut queue = with_consumers(&[consumer(ANN), Subscription { no_ack: true, ..consumer(BOB) }]);
    queue.set_holding_limit(Some(1));
    let effects = publish(&mut queue, &["1", "2", "3"]);
    assert_eq!(effects, [first(ANN, 1, "1"), first(BOB, 1, "2"), first(BOB, 2, "3")]);
}

#[test]
fn a_limit_that_goes_lets_consumers_go_on_with_the_next_input() {
    let mut queue = with_consumers(&[consumer(ANN)]);
    queue.set_holding_limit(Some(1));
    assert_eq!(publish(&mut queue, &["1", "2"]), [first(ANN, 1, "1")]);
    queue.set_holding_limit(None);
    assert_eq!(handle(&mut queue, Input::Tick), [first(ANN, 2, "2")]);
}

#[test]
fn a_consumer_that_comes_while_there_is_a_limit_has_it_too() {
    let mut queue = with_messages(&["1", "2"]);
    queue.set_holding_limit(Some(1));
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [first(ANN, 1, "1")]);
    assert_eq!(handle(&mut queue, Input::Abandon(ANN)), []);
    assert_eq!((queue.ready_count(), queue.unacked_bytes()), (2, 0));
}
