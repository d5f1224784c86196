//! When messages and queues expire, and what is told of it.

use std::sync::Arc;
use std::time::Duration;

use super::{ANN, GETTER, consumer, first, run, settle, stored};
use crate::broker::ids::SequenceNumber;
use crate::broker::message::{Message, MessageArena, Traits};
use crate::broker::queue::{DeadLetter, Effect, Input, Outcome, Queue, Refusal, SequenceRange, Settings};
use crate::broker::time::Timestamp;
use leveret_protocol::{ContentHeader, Properties, ShortString};

/// When every test begins.
const BEGIN: u64 = 1_000_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(BEGIN + millis)
}

fn living(millis: u64) -> Settings {
    Settings { message_ttl: Some(Duration::from_millis(millis)), ..Settings::default() }
}

fn queue(settings: Settings) -> Queue {
    Queue::new(false).with(at(0), settings)
}

/// A message that arrives at a time, perhaps with a time of its own.
fn message(arrived: u64, expiration: Option<&str>, body: &str) -> Message {
    let mut header = bytes::BytesMut::new();
    let expiration = expiration.map(|text| ShortString::new(text).unwrap());
    let traits = if expiration.is_some() { Traits::EXPIRES } else { Traits::default() };
    let properties = Properties { expiration, ..Properties::default() };
    ContentHeader { class_id: 60, weight: 0, body_size: body.len() as u64, properties }.encode(&mut header);
    MessageArena::default().store(b"\0\x01q", &header, body.as_bytes(), traits, at(arrived)).unwrap()
}

fn handle(queue: &mut Queue, now: u64, input: Input<'_>) -> Vec<Effect> {
    let mut effects = Vec::new();
    queue.handle(at(now), input, &mut effects).unwrap();
    effects
}

fn publish(queue: &mut Queue, now: u64, expirations: &[Option<&str>]) -> Vec<Effect> {
    let mut arrivals = expirations.iter().map(|expiration| message(now, *expiration, "body").into()).collect();
    handle(queue, now, Input::Publish(&mut arrivals))
}

#[test]
fn a_message_lives_to_the_millisecond() {
    let mut queue = queue(living(10));
    assert_eq!(publish(&mut queue, 0, &[None, None]), []);
    assert_eq!(queue.next_deadline(), Some(at(10)));
    assert_eq!(handle(&mut queue, 9, Input::Tick), []);
    assert_eq!(queue.ready_count(), 2);
    assert_eq!(handle(&mut queue, 10, Input::Tick), []);
    assert_eq!((queue.ready_count(), queue.next_deadline()), (0, None));
}

#[test]
fn the_shorter_of_two_times_counts() {
    let mut queue = queue(living(10));
    assert_eq!(publish(&mut queue, 0, &[Some("5")]), []);
    assert_eq!(queue.next_deadline(), Some(at(5)));
    assert_eq!(handle(&mut queue, 5, Input::Tick), []);
    assert_eq!(publish(&mut queue, 20, &[Some("500")]), []);
    assert_eq!(queue.next_deadline(), Some(at(30)));
}

#[test]
fn only_the_head_expires() {
    let mut queue = queue(Settings::default());
    assert_eq!(publish(&mut queue, 0, &[None, Some("5")]), []);
    assert_eq!(queue.next_deadline(), None, "the head has no time");
    assert_eq!(handle(&mut queue, 50, Input::Tick), []);
    assert_eq!(queue.ready_count(), 2);
    handle(&mut queue, 50, Input::Get { consumer: GETTER, no_ack: true });
    assert_eq!(queue.ready_count(), 0, "and is gone when it gets to the head");
}

#[test]
fn a_message_without_time_goes_to_whoever_waits_and_to_nobody_else() {
    let mut queue = queue(living(0));
    assert_eq!(publish(&mut queue, 0, &[None]), []);
    assert_eq!(queue.ready_count(), 0);
    assert_eq!(handle(&mut queue, 0, Input::Subscribe(consumer(ANN))), []);
    let effects = publish(&mut queue, 7, &[None]);
    let [Effect::Deliver(delivery)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(delivery.message.arrived(), at(7));
}

#[test]
fn what_comes_back_too_late_expires() {
    let mut queue = queue(living(10));
    assert_eq!(handle(&mut queue, 0, Input::Subscribe(consumer(ANN))), []);
    assert_eq!(publish(&mut queue, 0, &[None]).len(), 1);
    assert_eq!(queue.next_deadline(), None, "nothing expires while it is out");
    handle(&mut queue, 5, Input::Unsubscribe(ANN));
    let back =
        Input::Settle { consumer: ANN, checkouts: &[crate::broker::ids::CheckoutId(1)], outcome: Outcome::Requeue };
    assert_eq!(handle(&mut queue, 10, back), []);
    assert_eq!(queue.ready_count(), 0);
}

#[test]
fn a_new_time_to_live_counts_for_what_comes_from_then_on() {
    let mut queue = queue(living(100));
    assert_eq!(publish(&mut queue, 0, &[None]), []);
    assert_eq!(handle(&mut queue, 1, Input::Configure(Arc::new(living(5)))), []);
    assert_eq!(publish(&mut queue, 2, &[None]), []);
    assert_eq!(queue.next_deadline(), Some(at(100)));
    assert_eq!(handle(&mut queue, 50, Input::Tick), []);
    assert_eq!(queue.ready_count(), 2, "the second one waits behind the first");
    assert_eq!(handle(&mut queue, 100, Input::Tick), []);
    assert_eq!(queue.ready_count(), 0);
}

#[test]
fn what_a_restart_left_expires_by_the_time_of_its_arrival() {
    let ranges: &[SequenceRange] = &[];
    let mut queue = Queue::recovered(false, vec![run(1, 2)], SequenceNumber(3), ranges).with(at(50), living(60));
    assert_eq!(handle(&mut queue, 50, Input::Tick), [Effect::Load(run(1, 2))], "to see how long it lives");
    let mut messages = (1..)
        .zip([0, 20])
        .map(|(number, arrived)| (SequenceNumber(number), super::lies_at(number), message(arrived, None, "body")));
    let mut messages = messages.by_ref().collect();
    assert_eq!(handle(&mut queue, 50, Input::Loaded { run: run(1, 2), messages: &mut messages }), []);
    assert_eq!(queue.next_deadline(), Some(at(60)));
    let gone = Effect::Gone { sequence: SequenceNumber(1), place: super::lies_at(1) };
    assert_eq!(handle(&mut queue, 60, Input::Tick), [gone]);
    assert_eq!(queue.next_deadline(), Some(at(80)));
}

#[test]
fn an_expired_message_with_a_dead_letter_exchange_waits_to_be_taken_over() {
    let to = DeadLetter { exchange: ShortString::from_static("dlx"), routing_key: None };
    let mut queue = queue(Settings { dead_letter: Some(to), ..living(10) });
    let mut arrivals = vec![stored(1, "one"), stored(2, "two")];
    assert_eq!(handle(&mut queue, 0, Input::Publish(&mut arrivals)), [Effect::Died], "they arrived long ago");
    assert!(queue.has_dead());
    assert_eq!(queue.held_in(super::lies_at(1).file).singles.len(), 2, "and are found until then");
    let mut dead = Vec::new();
    assert_eq!(handle(&mut queue, 0, Input::TakeDead(&mut dead)), []);
    let stored: Vec<_> = dead.iter().map(|dead| dead.stored).collect();
    assert_eq!(stored, [1, 2].map(|number| Some((SequenceNumber(number), super::lies_at(number)))));
    assert!(!queue.has_dead());
}

fn leased(millis: u64) -> Settings {
    Settings { expires: Some(Duration::from_millis(millis)), ..Settings::default() }
}

#[test]
fn a_queue_ends_when_nobody_has_used_it_for_its_time() {
    let mut queue = queue(leased(10));
    assert_eq!(queue.next_deadline(), Some(at(10)));
    assert_eq!(publish(&mut queue, 5, &[None]), [], "a publish is no use");
    assert_eq!(handle(&mut queue, 9, Input::Tick), []);
    assert_eq!(handle(&mut queue, 10, Input::Tick), [Effect::LeaseEnded]);
    assert_eq!(handle(&mut queue, 10, Input::EndLease), [Effect::Removed(1)]);
    assert!(queue.is_deleted());
    assert_eq!(queue.next_deadline(), None);
}

#[test]
fn getting_declaring_and_consuming_keep_a_queue() {
    let mut queue = queue(leased(10));
    handle(&mut queue, 4, Input::Get { consumer: GETTER, no_ack: true });
    assert_eq!(queue.next_deadline(), Some(at(14)));
    handle(&mut queue, 6, Input::Touch);
    assert_eq!(queue.next_deadline(), Some(at(16)));
    handle(&mut queue, 7, Input::Subscribe(consumer(ANN)));
    assert_eq!(queue.next_deadline(), None);
    handle(&mut queue, 70, Input::Unsubscribe(ANN));
    assert_eq!(queue.next_deadline(), Some(at(80)));
}

#[test]
fn whoever_uses_a_queue_just_before_its_end_keeps_it() {
    let mut queue = queue(leased(10));
    assert_eq!(handle(&mut queue, 10, Input::Tick), [Effect::LeaseEnded]);
    handle(&mut queue, 10, Input::Touch);
    assert_eq!(queue.handle(at(10), Input::EndLease, &mut Vec::new()), Err(Refusal::InUse));
}

#[test]
fn an_ordinary_queue_asks_for_no_look() {
    let mut queue = queue(Settings::default());
    assert_eq!(super::publish(&mut queue, &["a"]), []);
    assert_eq!(queue.next_deadline(), None);
    assert_eq!(super::handle(&mut queue, Input::Subscribe(consumer(ANN))), [first(ANN, 1, "a")]);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Ack), []);
}
