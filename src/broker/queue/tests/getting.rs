//! Messages that are asked for one by one.

use super::{ANN, GETTER, again, consumer, get, got, got_again, handle, settle, with_messages};
use crate::broker::queue::{Effect, Input, Outcome};

#[test]
fn get_never_gives_a_checkout_twice_on_a_channel() {
    let mut queue = with_messages(&["a", "b", "c"]);
    assert_eq!(get(&mut queue, false), [got(1, "a", 2)]);
    assert_eq!(settle(&mut queue, GETTER, 1, Outcome::Ack), []);
    assert_eq!(get(&mut queue, false), [got(2, "b", 1)]);
    assert_eq!(handle(&mut queue, Input::Abandon(GETTER)), []);
    assert_eq!(queue.getters.len(), 0);
}

#[test]
fn get_takes_the_first_message_and_tells_how_many_are_left() {
    let mut queue = with_messages(&["a", "b", "c"]);
    assert_eq!(get(&mut queue, false), [got(1, "a", 2)]);
    assert_eq!(get(&mut queue, true), [got(2, "b", 1)]);
    assert_eq!(settle(&mut queue, GETTER, 1, Outcome::Requeue), []);
    assert_eq!(get(&mut queue, false), [got_again(3, "a", 1)]);
    assert_eq!(get(&mut queue, false), [got(4, "c", 0)]);
    assert_eq!(get(&mut queue, false), [Effect::Got(None)]);
    assert_eq!((queue.ready_count(), queue.consumer_count()), (0, 0));
}

#[test]
fn what_was_got_comes_back_when_its_channel_goes_unless_it_needed_no_ack() {
    let mut queue = with_messages(&["a", "b", "c"]);
    assert_eq!(get(&mut queue, false), [got(1, "a", 2)]);
    assert_eq!(get(&mut queue, true), [got(2, "b", 1)]);
    assert_eq!(get(&mut queue, false), [got(3, "c", 0)]);
    assert_eq!(handle(&mut queue, Input::Abandon(GETTER)), []);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [again(ANN, 1, "a"), again(ANN, 2, "c")]);
}
