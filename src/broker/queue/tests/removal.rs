//! Purging and deleting.

use super::{
    ANN, BOB, GETTER, consumer, delete, first, get, got, got_again, handle, lies_at, message, publish, run, settle,
    try_handle, with_consumers, with_messages,
};
use crate::broker::ids::{CheckoutId, SequenceNumber};
use crate::broker::queue::{Effect, Input, Outcome, Refusal, Subscription};

#[test]
fn purge_removes_ready_messages_and_leaves_unacked_ones() {
    let mut queue = with_messages(&["a", "b", "c"]);
    assert_eq!(get(&mut queue, false), [got(1, "a", 2)]);
    assert_eq!(get(&mut queue, false), [got(2, "b", 1)]);
    assert_eq!(settle(&mut queue, GETTER, 2, Outcome::Requeue), []);
    assert_eq!(handle(&mut queue, Input::Purge), [Effect::Removed(2)]);
    assert_eq!(handle(&mut queue, Input::Purge), [Effect::Removed(0)]);
    assert_eq!(settle(&mut queue, GETTER, 1, Outcome::Requeue), []);
    assert_eq!(get(&mut queue, false), [got_again(3, "a", 0)]);
}

#[test]
fn delete_cancels_the_consumers_and_tells_how_many_ready_messages_went() {
    let mut queue =
        with_consumers(&[Subscription { prefetch: 1, ..consumer(BOB) }, Subscription { prefetch: 1, ..consumer(ANN) }]);
    assert_eq!(publish(&mut queue, &["a", "b", "c"]), [first(BOB, 1, "a"), first(ANN, 1, "b")]);
    assert_eq!(
        handle(&mut queue, delete(false, false)),
        [Effect::ConsumerCancelled(ANN), Effect::ConsumerCancelled(BOB), Effect::Removed(1)]
    );
    assert_eq!((queue.ready_count(), queue.consumer_count()), (0, 0));
}

#[test]
fn delete_is_refused_for_ready_messages_before_consumers() {
    let mut queue = with_consumers(&[Subscription { prefetch: 1, ..consumer(ANN) }]);
    assert_eq!(publish(&mut queue, &["a", "b"]), [first(ANN, 1, "a")]);
    assert_eq!(try_handle(&mut queue, delete(true, true)), Err(Refusal::NotEmpty));
    assert_eq!(try_handle(&mut queue, delete(false, true)), Err(Refusal::NotEmpty));
    assert_eq!(try_handle(&mut queue, delete(true, false)), Err(Refusal::InUse));
    assert_eq!(handle(&mut queue, Input::Purge), [Effect::Removed(1)]);
    assert_eq!(try_handle(&mut queue, delete(true, true)), Err(Refusal::InUse));
    assert_eq!(handle(&mut queue, Input::Unsubscribe(ANN)), []);
    assert_eq!(handle(&mut queue, delete(true, true)), [Effect::Removed(0)], "unacked messages do not count");
}

#[test]
fn a_deleted_queue_refuses_everything() {
    let mut queue = with_messages(&["a"]);
    assert_eq!(handle(&mut queue, delete(false, false)), [Effect::Removed(1)]);
    let mut messages = vec![message("b").into()];
    let checkouts = &[CheckoutId(1)];
    let mut late = vec![(SequenceNumber(1), message("a").into())];
    for input in [
        Input::Publish(&mut messages),
        Input::Reserve { count: 1, bytes: 0 },
        Input::Insert(&mut late),
        Input::Loaded { run: run(1, 1), messages: &mut Vec::new() },
        Input::Relocate { from: lies_at(1).file, runs: &[], singles: &[] },
        Input::Subscribe(consumer(ANN)),
        Input::Unsubscribe(ANN),
        Input::SetPrefetch(ANN, 1),
        Input::SetChannelLimited(ANN, true),
        Input::Offer { consumer: ANN, room: 1 },
        Input::SetWindow(ANN, 1),
        Input::Written(ANN, 1),
        Input::Get { consumer: GETTER, no_ack: true },
        Input::Settle { consumer: ANN, checkouts, outcome: Outcome::Requeue },
        Input::Return { consumer: ANN, checkouts, failed: false },
        Input::Leave(ANN),
        Input::Abandon(ANN),
        Input::Purge,
        delete(false, false),
    ] {
        assert_eq!(try_handle(&mut queue, input), Err(Refusal::Gone));
    }
    assert_eq!(messages, [message("b").into()], "a refused publisher keeps its messages");
    assert_eq!(late.len(), 1, "late ones, too");
}
