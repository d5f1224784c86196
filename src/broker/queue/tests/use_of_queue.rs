//! Exclusive consumers, and queues that go with their last consumer.

use super::{ANN, BOB, GETTER, consumer, first, get, got, handle, publish, try_handle, with_consumers};
use crate::broker::queue::{Effect, Input, Queue, Refusal, Subscription};

#[test]
fn an_exclusive_consumer_keeps_others_out_until_it_leaves() {
    let mut queue = with_consumers(&[Subscription { exclusive: true, ..consumer(ANN) }]);
    assert_eq!(try_handle(&mut queue, Input::Subscribe(consumer(BOB))), Err(Refusal::ExclusiveUse));
    let exclusive = Subscription { exclusive: true, ..consumer(BOB) };
    assert_eq!(try_handle(&mut queue, Input::Subscribe(exclusive)), Err(Refusal::ExclusiveUse));
    assert_eq!(publish(&mut queue, &["a"]), [first(ANN, 1, "a")]);
    assert_eq!(handle(&mut queue, Input::Unsubscribe(ANN)), []);
    assert_eq!(handle(&mut queue, Input::Subscribe(exclusive)), []);
}

#[test]
fn an_exclusive_consumer_is_refused_while_others_are_there() {
    let mut queue = with_consumers(&[consumer(ANN)]);
    let exclusive = Subscription { exclusive: true, ..consumer(BOB) };
    assert_eq!(try_handle(&mut queue, Input::Subscribe(exclusive)), Err(Refusal::ExclusiveUse));
    assert_eq!(queue.consumer_count(), 1);
}

#[test]
fn an_auto_delete_queue_tells_when_its_last_consumer_leaves() {
    for leave in [Input::Unsubscribe, Input::Abandon] {
        let mut queue = Queue::new(true);
        assert_eq!(handle(&mut queue, leave(ANN)), [], "it never had a consumer");
        assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), []);
        assert_eq!(handle(&mut queue, Input::Subscribe(consumer(BOB))), []);
        assert_eq!(handle(&mut queue, leave(ANN)), []);
        assert_eq!(handle(&mut queue, leave(BOB)), [Effect::Unused]);
        assert_eq!(handle(&mut queue, leave(BOB)), []);
    }
}

#[test]
fn get_does_not_count_as_use_of_an_auto_delete_queue() {
    let mut queue = Queue::new(true);
    assert_eq!(publish(&mut queue, &["a"]), []);
    assert_eq!(get(&mut queue, false), [got(1, "a", 0)]);
    assert_eq!(handle(&mut queue, Input::Abandon(GETTER)), []);
    assert_eq!(queue.ready_count(), 1);
}

#[test]
fn a_lasting_queue_does_not_mind_losing_its_last_consumer() {
    let mut queue = with_consumers(&[consumer(ANN)]);
    assert_eq!(handle(&mut queue, Input::Unsubscribe(ANN)), []);
}
