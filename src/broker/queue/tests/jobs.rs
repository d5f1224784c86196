//! What a queue tells of its messages, and counts, where somebody wants to know.

use super::{ANN, at, consumer, first, get, got, handle, message, publish, settle};
use crate::broker::queue::{
    DeadLetter, Effect, Input, JobState, Outcome, Overflow, Queue, QueueType, Settings, Subscription,
};

fn queue(settings: Settings) -> Queue {
    Queue::new(false).with(at(0), Settings { track_status: true, ..settings })
}

fn is(body: &str, state: JobState) -> Effect {
    Effect::Job { message: message(body), state }
}

#[test]
fn each_step_of_a_message_is_told_before_what_it_leads_to() {
    let mut queue = queue(Settings::default());
    assert_eq!(publish(&mut queue, &["a"]), [is("a", JobState::Ready)]);
    let handed_out = [is("a", JobState::InFlight), first(ANN, 1, "a")];
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), handed_out);
    let back = settle(&mut queue, ANN, 1, Outcome::Requeue);
    assert_eq!(back[..2], [is("a", JobState::Ready), is("a", JobState::InFlight)]);
    assert_eq!(settle(&mut queue, ANN, 2, Outcome::Ack), [is("a", JobState::Done)]);
}

#[test]
fn who_need_not_acknowledge_is_done_at_once() {
    let mut queue = queue(Settings::default());
    publish(&mut queue, &["a", "b"]);
    assert_eq!(get(&mut queue, true), [is("a", JobState::Done), got(1, "a", 1)]);
    let subscription = Subscription { no_ack: true, ..consumer(ANN) };
    let effects = handle(&mut queue, Input::Subscribe(subscription));
    assert_eq!(effects, [is("b", JobState::Done), first(ANN, 1, "b")]);
}

#[test]
fn what_comes_back_with_its_consumer_is_ready() {
    let mut queue = queue(Settings::default());
    handle(&mut queue, Input::Subscribe(consumer(ANN)));
    publish(&mut queue, &["a"]);
    assert_eq!(handle(&mut queue, Input::Abandon(ANN)), [is("a", JobState::Ready)]);
}

#[test]
fn how_a_message_dies_tells_what_became_of_it() {
    let dead_letter = Some(DeadLetter { exchange: "dlx".try_into().unwrap(), routing_key: None });
    for (dead_letter, end) in [(None, JobState::Dropped), (dead_letter, JobState::DeadLettered)] {
        let settings =
            Settings { max_length: Some(1), overflow: Overflow::DropHead, dead_letter, ..Settings::default() };
        let mut queue = queue(settings);
        publish(&mut queue, &["a"]);
        let effects = publish(&mut queue, &["b"]);
        assert_eq!(effects[..2], [is("b", JobState::Ready), is("a", end)]);
    }
}

#[test]
fn nothing_is_told_where_nobody_asked() {
    let mut queue = Queue::new(false);
    assert_eq!(publish(&mut queue, &["a"]), []);
    handle(&mut queue, Input::Subscribe(consumer(ANN)));
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Ack), []);
}

#[test]
fn what_consumers_are_done_with_counts_and_nothing_else() {
    let settings = Settings { queue_type: QueueType::Classic, ..Settings::default() };
    let mut queue = Queue::new(false).with(at(0), settings);
    publish(&mut queue, &["a", "b", "c", "d"]);
    get(&mut queue, true);
    assert_eq!(queue.drained(), 1);
    let holder = match get(&mut queue, false).as_slice() {
        [Effect::Got(Some((delivery, _)))] => delivery.consumer,
        other => panic!("{other:?}"),
    };
    settle(&mut queue, holder, 2, Outcome::Requeue);
    assert_eq!(queue.drained(), 1, "it is still to be done");
    get(&mut queue, false);
    settle(&mut queue, holder, 3, Outcome::Discard);
    assert_eq!(queue.drained(), 2);
    handle(&mut queue, Input::Purge);
    assert_eq!(queue.drained(), 2);
    handle(&mut queue, Input::Subscribe(Subscription { no_ack: true, ..consumer(ANN) }));
    publish(&mut queue, &["e", "f"]);
    assert_eq!(queue.drained(), 4);
}

#[test]
fn what_has_to_leave_until_there_is_room_is_reckoned_by_messages_and_by_bytes() {
    let by_messages = Settings { max_length: Some(10), overflow: Overflow::RejectPublish, ..Settings::default() };
    let by_bytes = Settings { max_length_bytes: Some(100), overflow: Overflow::RejectPublish, ..Settings::default() };
    for (settings, body, marks) in [(by_messages, "x", (Some(9), None)), (by_bytes, "xxxxxxxxxx", (None, Some(90)))] {
        let mut queue = Queue::new(false).with(at(0), settings);
        assert_eq!((queue.above_low(), queue.high_marks()), (0, marks));
        publish(&mut queue, &[body; 10]);
        assert_eq!(queue.above_low(), 4, "six of ten are less than seven tenths");
    }
    let mut unbounded = Queue::new(false);
    publish(&mut unbounded, &["x"; 10]);
    assert_eq!((unbounded.above_low(), unbounded.high_marks()), (0, (None, None)));
}
