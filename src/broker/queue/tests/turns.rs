//! Which consumer gets the next message.

use super::{ANN, BOB, CLEO, consumer, first, handle, publish, settle, with_consumers, with_messages};
use crate::broker::queue::{Input, Outcome, Subscription};

#[test]
fn one_consumer_gets_everything_in_the_order_of_publishing() {
    let mut queue = with_messages(&["a", "b"]);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [first(ANN, 1, "a"), first(ANN, 2, "b")]);
    assert_eq!(publish(&mut queue, &["c", "d"]), [first(ANN, 3, "c"), first(ANN, 4, "d")]);
    assert_eq!((queue.ready_count(), queue.consumer_count()), (0, 1));
}

#[test]
fn keeps_messages_while_there_is_no_consumer() {
    let queue = with_messages(&["a", "b", "c"]);
    assert_eq!((queue.ready_count(), queue.consumer_count()), (3, 0));
}

#[test]
fn equal_consumers_take_turns() {
    let mut queue = with_consumers(&[consumer(ANN), consumer(BOB), consumer(CLEO)]);
    assert_eq!(publish(&mut queue, &["a", "b"]), [first(ANN, 1, "a"), first(BOB, 1, "b")]);
    assert_eq!(publish(&mut queue, &["c", "d"]), [first(CLEO, 1, "c"), first(ANN, 2, "d")]);
}

#[test]
fn a_consumer_that_leaves_gives_its_turn_up() {
    let mut queue = with_consumers(&[consumer(ANN), consumer(BOB), consumer(CLEO)]);
    assert_eq!(publish(&mut queue, &["a"]), [first(ANN, 1, "a")]);
    assert_eq!(handle(&mut queue, Input::Unsubscribe(BOB)), []);
    assert_eq!(publish(&mut queue, &["b", "c"]), [first(CLEO, 1, "b"), first(ANN, 2, "c")]);
}

#[test]
fn a_higher_priority_is_served_first_while_it_can_take_messages() {
    let mut queue =
        with_consumers(&[consumer(ANN), Subscription { priority: 5, prefetch: 2, ..consumer(BOB) }, consumer(CLEO)]);
    assert_eq!(
        publish(&mut queue, &["a", "b", "c", "d"]),
        [first(BOB, 1, "a"), first(BOB, 2, "b"), first(ANN, 1, "c"), first(CLEO, 1, "d")]
    );
    assert_eq!(settle(&mut queue, BOB, 1, Outcome::Ack), []);
    assert_eq!(publish(&mut queue, &["e", "f"]), [first(BOB, 3, "e"), first(ANN, 2, "f")]);
}

#[test]
fn a_negative_priority_is_served_last() {
    let mut queue = with_consumers(&[
        Subscription { priority: -1, ..consumer(ANN) },
        Subscription { prefetch: 1, ..consumer(BOB) },
    ]);
    assert_eq!(publish(&mut queue, &["a", "b"]), [first(BOB, 1, "a"), first(ANN, 1, "b")]);
}
