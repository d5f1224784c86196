//! How many bytes may be on their way to a consumer.

use super::{ANN, consumer, first, handle, message, publish, settle, with_consumers};
use crate::broker::queue::{Input, Outcome, Subscription};

#[test]
fn an_exhausted_window_pauses_a_consumer_until_bytes_are_written() {
    let cost = message("a").cost();
    let mut queue = with_consumers(&[Subscription { window: cost + 1, ..consumer(ANN) }]);
    assert_eq!(publish(&mut queue, &["a", "b", "c"]), [first(ANN, 1, "a"), first(ANN, 2, "b")]);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Ack), [], "acks do not give window back");
    assert_eq!(handle(&mut queue, Input::Written(ANN, cost)), [first(ANN, 3, "c")]);
    assert_eq!(queue.ready_count(), 0);
}

#[test]
fn a_window_counts_without_acknowledgements_too() {
    let cost = message("a").cost();
    let mut queue = with_consumers(&[Subscription { window: 1, no_ack: true, ..consumer(ANN) }]);
    assert_eq!(publish(&mut queue, &["a", "b"]), [first(ANN, 1, "a")]);
    assert_eq!(handle(&mut queue, Input::Written(ANN, cost)), [first(ANN, 2, "b")]);
}

#[test]
fn a_delivery_that_exceeds_the_window_is_made_up_for_before_the_next() {
    let small = message("s").cost();
    let large = "l".repeat(10_000);
    let mut queue = with_consumers(&[Subscription { window: small + 1, ..consumer(ANN) }]);
    assert_eq!(publish(&mut queue, &["s", &large, "t"]), [first(ANN, 1, "s"), first(ANN, 2, &large)]);
    assert_eq!(handle(&mut queue, Input::Written(ANN, small)), [], "the large one still fills the window");
    assert_eq!(handle(&mut queue, Input::Written(ANN, message(&large).cost())), [first(ANN, 3, "t")]);
}

#[test]
fn a_window_that_changes_counts_what_is_on_its_way() {
    let cost = message("a").cost();
    let mut queue = with_consumers(&[Subscription { window: 2 * cost, ..consumer(ANN) }]);
    assert_eq!(publish(&mut queue, &["a", "b", "c"]), [first(ANN, 1, "a"), first(ANN, 2, "b")]);
    assert_eq!(handle(&mut queue, Input::SetWindow(ANN, cost)), []);
    assert_eq!(handle(&mut queue, Input::Written(ANN, cost)), [], "the other one fills the smaller window");
    assert_eq!(handle(&mut queue, Input::SetWindow(ANN, cost + 1)), [first(ANN, 3, "c")]);
}

#[test]
fn a_refund_beyond_what_was_charged_does_not_widen_the_window() {
    let cost = message("a").cost();
    let mut queue = with_consumers(&[Subscription { window: cost, ..consumer(ANN) }]);
    assert_eq!(handle(&mut queue, Input::Written(ANN, 100 * cost)), []);
    assert_eq!(publish(&mut queue, &["a", "b"]), [first(ANN, 1, "a")]);
}
