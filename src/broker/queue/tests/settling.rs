//! What is settled, and what comes back and where.

use super::{
    ANN, BOB, CLEO, again, consumer, first, get, got_again, handle, publish, settle, with_consumers, with_messages,
};
use crate::broker::ids::CheckoutId;
use crate::broker::queue::{Input, Outcome, Subscription};

#[test]
fn a_requeued_message_keeps_its_place_and_is_marked() {
    let mut queue = with_consumers(&[Subscription { prefetch: 2, ..consumer(ANN) }]);
    assert_eq!(publish(&mut queue, &["a", "b", "c"]), [first(ANN, 1, "a"), first(ANN, 2, "b")]);
    assert_eq!(settle(&mut queue, ANN, 2, Outcome::Requeue), [again(ANN, 3, "b")]);
    assert_eq!(handle(&mut queue, Input::SetPrefetch(ANN, 1)), []);
    assert_eq!(settle(&mut queue, ANN, 3, Outcome::Requeue), []);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Requeue), [again(ANN, 4, "a")]);
    assert_eq!(handle(&mut queue, Input::SetPrefetch(ANN, 0)), [again(ANN, 5, "b"), first(ANN, 6, "c")]);
}

#[test]
fn a_requeued_message_goes_to_whoever_has_the_turn() {
    let mut queue = with_consumers(&[consumer(ANN), consumer(BOB)]);
    assert_eq!(publish(&mut queue, &["a"]), [first(ANN, 1, "a")]);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Requeue), [again(BOB, 1, "a")]);
}

#[test]
fn a_consumer_that_is_cancelled_keeps_what_it_holds() {
    let mut queue = with_consumers(&[consumer(ANN)]);
    assert_eq!(publish(&mut queue, &["a", "b"]), [first(ANN, 1, "a"), first(ANN, 2, "b")]);
    assert_eq!(handle(&mut queue, Input::Unsubscribe(ANN)), []);
    assert_eq!((queue.ready_count(), queue.consumer_count()), (0, 0));
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Ack), []);
    assert_eq!(settle(&mut queue, ANN, 2, Outcome::Requeue), []);
    assert_eq!(get(&mut queue, false), [got_again(1, "b", 0)]);
}

#[test]
fn a_channel_that_goes_gives_everything_back_in_order() {
    let mut queue = with_consumers(&[Subscription { prefetch: 3, ..consumer(ANN) }]);
    assert_eq!(
        publish(&mut queue, &["a", "b", "c", "d"]),
        [first(ANN, 1, "a"), first(ANN, 2, "b"), first(ANN, 3, "c")]
    );
    assert_eq!(settle(&mut queue, ANN, 2, Outcome::Ack), [first(ANN, 4, "d")]);
    assert_eq!(publish(&mut queue, &["e"]), []);
    assert_eq!(handle(&mut queue, Input::Abandon(ANN)), []);
    assert_eq!((queue.ready_count(), queue.consumer_count()), (4, 0));
    assert_eq!(
        handle(&mut queue, Input::Subscribe(consumer(BOB))),
        [again(BOB, 1, "a"), again(BOB, 2, "c"), again(BOB, 3, "d"), first(BOB, 4, "e")]
    );
}

#[test]
fn what_a_channel_gives_back_goes_to_the_other_consumers_at_once() {
    let mut queue = with_consumers(&[consumer(ANN), consumer(BOB)]);
    assert_eq!(publish(&mut queue, &["a", "b", "c"]), [first(ANN, 1, "a"), first(BOB, 1, "b"), first(ANN, 2, "c")]);
    assert_eq!(handle(&mut queue, Input::Abandon(ANN)), [again(BOB, 2, "a"), again(BOB, 3, "c")]);
}

#[test]
fn what_a_cancelled_consumer_holds_comes_back_when_its_channel_goes() {
    let mut queue = with_consumers(&[consumer(ANN)]);
    assert_eq!(publish(&mut queue, &["a"]), [first(ANN, 1, "a")]);
    assert_eq!(handle(&mut queue, Input::Unsubscribe(ANN)), []);
    assert_eq!(handle(&mut queue, Input::Abandon(ANN)), []);
    assert_eq!(get(&mut queue, true), [got_again(1, "a", 0)]);
}

#[test]
fn a_cancelled_consumer_is_forgotten_once_its_last_message_is_settled() {
    let mut queue = with_consumers(&[consumer(ANN)]);
    assert_eq!(publish(&mut queue, &["a", "b"]), [first(ANN, 1, "a"), first(ANN, 2, "b")]);
    assert_eq!(handle(&mut queue, Input::Unsubscribe(ANN)), []);
    assert_eq!(settle(&mut queue, ANN, 2, Outcome::Ack), []);
    assert_eq!(queue.departed.len(), 1);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Requeue), []);
    assert_eq!(queue.departed.len(), 0);
    assert_eq!(get(&mut queue, true), [got_again(1, "a", 0)]);
}

#[test]
fn settling_twice_or_what_is_not_there_changes_nothing() {
    let mut queue = with_consumers(&[Subscription { prefetch: 2, ..consumer(ANN) }]);
    assert_eq!(publish(&mut queue, &["a", "b", "c", "d"]), [first(ANN, 1, "a"), first(ANN, 2, "b")]);
    assert_eq!(settle(&mut queue, ANN, 2, Outcome::Ack), [first(ANN, 3, "c")]);
    for outcome in [Outcome::Ack, Outcome::Requeue, Outcome::Discard] {
        assert_eq!(settle(&mut queue, ANN, 2, outcome), [], "settled before");
        assert_eq!(settle(&mut queue, ANN, 99, outcome), [], "never handed out");
        assert_eq!(settle(&mut queue, BOB, 1, outcome), [], "somebody else's");
    }
    assert_eq!(queue.ready_count(), 1);
}

#[test]
fn what_comes_back_together_leaves_in_the_order_of_the_queue() {
    let mut queue = with_consumers(&[consumer(ANN)]);
    assert_eq!(publish(&mut queue, &["a", "b"]), [first(ANN, 1, "a"), first(ANN, 2, "b")]);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Requeue), [again(ANN, 3, "a")]);
    assert_eq!(handle(&mut queue, Input::Return { consumer: ANN, checkouts: &[CheckoutId(2)], failed: false }), []);
    assert_eq!(settle(&mut queue, ANN, 3, Outcome::Requeue), [again(ANN, 4, "a"), again(ANN, 5, "b")]);
}

#[test]
fn consumers_that_leave_together_leave_the_order_of_the_queue() {
    let mut queue = with_consumers(&[consumer(ANN), consumer(BOB)]);
    let handed_out = [first(ANN, 1, "a"), first(BOB, 1, "b"), first(ANN, 2, "c")];
    assert_eq!(publish(&mut queue, &["a", "b", "c"]), handed_out);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(CLEO))), []);
    assert_eq!(handle(&mut queue, Input::Leave(ANN)), []);
    let redelivered = [again(CLEO, 1, "a"), again(CLEO, 2, "b"), again(CLEO, 3, "c")];
    assert_eq!(handle(&mut queue, Input::Abandon(BOB)), redelivered);
}

#[test]
fn settles_in_any_order_however_many_are_out() {
    let bodies: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    let mut queue = with_messages(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
    let handed_out = handle(&mut queue, Input::Subscribe(consumer(ANN)));
    assert_eq!(handed_out.len(), 200);
    for checkout in (2..=199).rev() {
        assert_eq!(settle(&mut queue, ANN, checkout, Outcome::Ack), []);
    }
    assert_eq!(handle(&mut queue, Input::Abandon(ANN)), []);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(BOB))), [again(BOB, 1, "0"), again(BOB, 2, "199")]);
}
