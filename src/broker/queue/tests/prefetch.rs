//! How many unacked messages a consumer may hold.

use super::{ANN, BOB, consumer, first, handle, publish, settle, with_consumers};
use crate::broker::queue::{Input, Outcome, Subscription};

#[test]
fn prefetch_bounds_what_is_unacked() {
    let mut queue = with_consumers(&[Subscription { prefetch: 2, ..consumer(ANN) }]);
    assert_eq!(publish(&mut queue, &["a", "b", "c", "d"]), [first(ANN, 1, "a"), first(ANN, 2, "b")]);
    assert_eq!(settle(&mut queue, ANN, 2, Outcome::Ack), [first(ANN, 3, "c")]);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Discard), [first(ANN, 4, "d")]);
    assert_eq!(queue.ready_count(), 0);
}

#[test]
fn prefetch_does_not_count_without_acknowledgements() {
    let mut queue = with_consumers(&[Subscription { prefetch: 1, no_ack: true, ..consumer(ANN) }]);
    assert_eq!(publish(&mut queue, &["a", "b"]), [first(ANN, 1, "a"), first(ANN, 2, "b")]);
}

#[test]
fn a_consumer_at_its_prefetch_is_passed_over() {
    let mut queue = with_consumers(&[Subscription { prefetch: 1, ..consumer(ANN) }, consumer(BOB)]);
    assert_eq!(publish(&mut queue, &["a", "b", "c"]), [first(ANN, 1, "a"), first(BOB, 1, "b"), first(BOB, 2, "c")]);
}

#[test]
fn a_raised_prefetch_has_effect_at_once_and_a_lowered_one_waits_for_acks() {
    let mut queue = with_consumers(&[Subscription { prefetch: 1, ..consumer(ANN) }]);
    assert_eq!(publish(&mut queue, &["a", "b", "c", "d"]), [first(ANN, 1, "a")]);
    assert_eq!(handle(&mut queue, Input::SetPrefetch(ANN, 3)), [first(ANN, 2, "b"), first(ANN, 3, "c")]);
    assert_eq!(handle(&mut queue, Input::SetPrefetch(ANN, 1)), []);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Ack), []);
    assert_eq!(settle(&mut queue, ANN, 2, Outcome::Ack), []);
    assert_eq!(settle(&mut queue, ANN, 3, Outcome::Ack), [first(ANN, 4, "d")]);
}

#[test]
fn a_prefetch_of_zero_lifts_the_limit() {
    let mut queue = with_consumers(&[Subscription { prefetch: 1, ..consumer(ANN) }]);
    assert_eq!(publish(&mut queue, &["a", "b", "c"]), [first(ANN, 1, "a")]);
    assert_eq!(handle(&mut queue, Input::SetPrefetch(ANN, 0)), [first(ANN, 2, "b"), first(ANN, 3, "c")]);
}
