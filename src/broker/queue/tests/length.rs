//! Queues that may only become so long.

use std::sync::Arc;

use leveret_protocol::ShortString;

use super::{ANN, GETTER, consumer, first, handle, lies_at, publish, settle, stored, with_consumers};
use crate::broker::ids::SequenceNumber;
use crate::broker::queue::{
    Arrival, DeadLetter, DeathReason, Departure, Effect, Input, Outcome, Overflow, Queue, Settings,
};
use crate::broker::time::Timestamp;

fn at_most(messages: u64) -> Settings {
    Settings { max_length: Some(messages), ..Settings::default() }
}

fn queue(settings: Settings) -> Queue {
    Queue::new(false).with(Timestamp::ZERO, settings)
}

fn dead_letters(settings: Settings) -> Settings {
    let to = DeadLetter { exchange: ShortString::from_static("dlx"), routing_key: None };
    Settings { dead_letter: Some(to), ..settings }
}

fn bodies(queue: &mut Queue) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    while let [Effect::Got(Some((delivery, _)))] =
        handle(queue, Input::Get { consumer: GETTER, no_ack: true }).as_slice()
    {
        bodies.push(delivery.message.body().to_vec());
    }
    bodies
}

#[test]
fn the_oldest_make_room_for_the_newest() {
    let mut queue = queue(at_most(2));
    assert_eq!(publish(&mut queue, &["a", "b", "c"]), []);
    assert_eq!(bodies(&mut queue), [b"b", b"c"]);
}

#[test]
fn what_goes_to_a_consumer_takes_no_room() {
    let mut queue = with_consumers(&[consumer(ANN)]);
    handle(&mut queue, Input::Configure(Arc::new(at_most(0))));
    assert_eq!(publish(&mut queue, &["a", "b"]), [first(ANN, 1, "a"), first(ANN, 2, "b")]);
}

#[test]
fn what_comes_back_to_a_full_queue_is_the_first_to_go() {
    let mut queue = with_consumers(&[consumer(ANN)]);
    handle(&mut queue, Input::Configure(Arc::new(at_most(1))));
    assert_eq!(publish(&mut queue, &["a"]), [first(ANN, 1, "a")]);
    handle(&mut queue, Input::Unsubscribe(ANN));
    assert_eq!(publish(&mut queue, &["b"]), []);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Requeue), []);
    assert_eq!(bodies(&mut queue), [b"b"]);
}

#[test]
fn a_smaller_bound_lets_the_oldest_go_at_once() {
    let mut queue = queue(Settings::default());
    let mut arrivals = vec![stored(1, "a"), stored(2, "b")];
    assert_eq!(handle(&mut queue, Input::Publish(&mut arrivals)), []);
    let gone = Effect::Gone { sequence: SequenceNumber(1), place: lies_at(1) };
    assert_eq!(handle(&mut queue, Input::Configure(Arc::new(at_most(1)))), [gone]);
}

#[test]
fn bytes_are_counted_through_everything_that_happens_to_messages() {
    let mut queue = queue(Settings { max_length_bytes: Some(100), ..Settings::default() });
    assert_eq!(publish(&mut queue, &["12345", "123"]), []);
    assert_eq!(queue.ready_bytes(), 8);
    handle(&mut queue, Input::Get { consumer: GETTER, no_ack: false });
    assert_eq!(queue.ready_bytes(), 3);
    settle(&mut queue, GETTER, 1, Outcome::Requeue);
    assert_eq!(queue.ready_bytes(), 8);
    handle(&mut queue, Input::Purge);
    assert_eq!(queue.ready_bytes(), 0);
    assert_eq!(publish(&mut queue, &["x".repeat(60).as_str(), "y".repeat(60).as_str()]), []);
    assert_eq!((queue.ready_count(), queue.ready_bytes()), (1, 60));
}

#[test]
fn messages_on_disk_count_and_are_loaded_to_go() {
    let mut queue = queue(at_most(2));
    queue.set_memory_limit(0);
    let mut arrivals = (1..=3).map(|number| stored(number, "body")).collect();
    let run = super::run(1, 3);
    assert_eq!(handle(&mut queue, Input::Publish(&mut arrivals)), [Effect::Load(run)]);
    assert_eq!((queue.ready_count(), queue.ready_bytes()), (3, 12));
    let mut messages =
        (1..=3).map(|number| (SequenceNumber(number), lies_at(number), super::message("body"))).collect();
    let gone = Effect::Gone { sequence: SequenceNumber(1), place: lies_at(1) };
    assert_eq!(handle(&mut queue, Input::Loaded { run, messages: &mut messages }), [gone]);
    assert_eq!((queue.ready_count(), queue.ready_bytes()), (2, 8));
}

fn refusing(messages: u64) -> Settings {
    Settings { overflow: Overflow::RejectPublish, ..at_most(messages) }
}

#[test]
fn a_refusing_queue_tells_how_many_it_has_room_for() {
    let mut queue = queue(refusing(3));
    assert_eq!(queue.room_for([1; 5].into_iter()), 3);
    assert_eq!(publish(&mut queue, &["a"]), []);
    assert_eq!(queue.room_for([1; 5].into_iter()), 2);
    handle(&mut queue, Input::Reserve { count: 1, bytes: 1 });
    assert_eq!(queue.room_for([1; 5].into_iter()), 1, "what was promised is not there for others");
    let mut arrivals = vec![(SequenceNumber(2), Arrival::from(super::message("b")))];
    handle(&mut queue, Input::Insert(&mut arrivals));
    assert_eq!(queue.room_for([1; 5].into_iter()), 1);
    handle(&mut queue, Input::Purge);
    assert_eq!(queue.room_for([1; 5].into_iter()), 3);
}

#[test]
fn a_queue_that_refuses_never_drops() {
    let mut queue = queue(refusing(1));
    assert_eq!(publish(&mut queue, &["a", "b"]), []);
    assert_eq!(queue.ready_count(), 2, "whoever publishes asks first");
}

#[test]
fn bytes_have_room_for_what_fits_exactly() {
    let settings = Settings { max_length_bytes: Some(6), overflow: Overflow::RejectPublish, ..Settings::default() };
    let queue = queue(settings);
    assert_eq!(
        [vec![6], vec![7], vec![4, 2, 1], vec![0]].map(|bodies| queue.room_for(bodies.into_iter())),
        [1, 0, 2, 1]
    );
}

#[test]
fn the_dead_tell_why_and_in_which_order() {
    let mut queue = queue(dead_letters(at_most(1)));
    assert_eq!(publish(&mut queue, &["a", "b", "c"]), [Effect::Died], "once for all of them");
    let got = handle(&mut queue, Input::Get { consumer: GETTER, no_ack: false });
    assert_eq!(got, [super::got(1, "c", 0)]);
    assert_eq!(settle(&mut queue, GETTER, 1, Outcome::Discard), []);
    handle(&mut queue, Input::Refused(super::message("d").into()));
    let mut dead = Vec::new();
    handle(&mut queue, Input::TakeDead(&mut dead));
    let told: Vec<_> = dead.iter().map(|dead| (dead.message.body(), dead.reason)).collect();
    let full = Departure::Died(DeathReason::MaxLength);
    let rejected = Departure::Died(DeathReason::Rejected);
    assert_eq!(told, [(&b"a"[..], full), (b"b", full), (b"c", rejected), (b"d", full)]);
    assert_eq!(dead.iter().filter(|dead| dead.stored.is_some()).count(), 0);
}

#[test]
fn a_deleted_queue_still_gives_its_dead_away() {
    let mut queue = queue(dead_letters(at_most(0)));
    let mut arrivals = vec![stored(1, "a")];
    assert_eq!(handle(&mut queue, Input::Publish(&mut arrivals)), [Effect::Died]);
    let deleted = handle(&mut queue, Input::Delete { if_unused: false, if_empty: false });
    assert_eq!(deleted, [Effect::Removed(0)], "the dead are not the queue's to let go");
    let mut dead = Vec::new();
    handle(&mut queue, Input::TakeDead(&mut dead));
    assert_eq!(dead.len(), 1);
    assert!(queue.settings().dead_letter.is_some(), "and where they are to go");
}
