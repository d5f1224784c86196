//! What a queue asks for, input by input: every test compares the whole list of effects. Here is what the tests share.

mod channel_limit;
mod deliveries;
mod getting;
mod groups;
mod groups_model;
mod holding_limit;
mod jobs;
mod length;
mod model;
mod paged;
mod prefetch;
mod priorities;
mod removal;
mod retrying;
mod settling;
mod single_active;
mod stored;
mod timeouts;
mod times;
mod turns;
mod use_of_queue;
mod waiting;
mod waiting_model;
mod window;

use std::num::NonZeroU32;

use bytes::BytesMut;
use leveret_protocol::{FieldValue, Properties, ShortString};

use super::{Arrival, Delivery, Effect, Input, Outcome, Place, Queue, Refusal, Run, Subscription};
use crate::broker::ids::{CheckoutId, ConsumerId, SequenceNumber};
use crate::broker::message::{Message, MessageArena, Traits};
use crate::broker::time::Timestamp;

const ANN: ConsumerId = ConsumerId(1);

const BOB: ConsumerId = ConsumerId(2);

const CLEO: ConsumerId = ConsumerId(3);

/// A channel's stand-in for basic.get.
const GETTER: ConsumerId = ConsumerId(9);

fn message(body: &str) -> Message {
    MessageArena::default().store(b"\0\x01q", b"header", body.as_bytes(), Traits::default(), Timestamp::ZERO).unwrap()
}

/// A message with a priority.
fn urgent(priority: u8, body: &str) -> Message {
    // Class, weight, body size, flags: nothing but a priority.
    let header = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0, priority];
    let traits = Traits::PRIORITY;
    MessageArena::default().store(b"\0\x01q", &header, body.as_bytes(), traits, Timestamp::ZERO).unwrap()
}

/// A message with one header that came at a time.
fn with_header(body: &str, name: &'static str, value: FieldValue, arrived: Timestamp) -> Message {
    let mut header = BytesMut::from(&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..]);
    let headers = Some(std::iter::once((ShortString::from_static(name), value)).collect());
    Properties { headers, ..Properties::default() }.encode(&mut header);
    MessageArena::default().store(b"\0\x01q", &header, body.as_bytes(), Traits::HEADERS, arrived).unwrap()
}

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn handle_at(queue: &mut Queue, now: u64, input: Input<'_>) -> Vec<Effect> {
    let mut effects = Vec::new();
    queue.handle(at(now), input, &mut effects).unwrap();
    effects
}

/// A consumer without limits.
fn consumer(consumer: ConsumerId) -> Subscription {
    Subscription::of(consumer, 1 << 20)
}

fn try_handle(queue: &mut Queue, input: Input<'_>) -> Result<Vec<Effect>, Refusal> {
    let mut effects = Vec::new();
    let result = queue.handle(Timestamp::ZERO, input, &mut effects);
    if result.is_err() {
        assert_eq!(effects, [], "a refusal changes nothing");
    }
    result.map(|()| effects)
}

fn handle(queue: &mut Queue, input: Input<'_>) -> Vec<Effect> {
    try_handle(queue, input).unwrap()
}

fn publish(queue: &mut Queue, bodies: &[&str]) -> Vec<Effect> {
    let mut messages = bodies.iter().map(|body| message(body).into()).collect();
    let effects = handle(queue, Input::Publish(&mut messages));
    assert!(messages.is_empty(), "the queue takes all messages");
    effects
}

fn settle(queue: &mut Queue, consumer: ConsumerId, checkout: u64, outcome: Outcome) -> Vec<Effect> {
    handle(queue, Input::Settle { consumer, checkouts: &[CheckoutId(checkout)], outcome })
}

fn get(queue: &mut Queue, no_ack: bool) -> Vec<Effect> {
    handle(queue, Input::Get { consumer: GETTER, no_ack })
}

fn delivery(consumer: ConsumerId, checkout: u64, body: &str) -> Delivery {
    Delivery { consumer, checkout: CheckoutId(checkout), redelivered: false, message: message(body) }
}

fn first(consumer: ConsumerId, checkout: u64, body: &str) -> Effect {
    Effect::Deliver(delivery(consumer, checkout, body))
}

fn again(consumer: ConsumerId, checkout: u64, body: &str) -> Effect {
    Effect::Deliver(Delivery { redelivered: true, ..delivery(consumer, checkout, body) })
}

fn got(checkout: u64, body: &str, left: usize) -> Effect {
    Effect::Got(Some((delivery(GETTER, checkout, body), left)))
}

fn got_again(checkout: u64, body: &str, left: usize) -> Effect {
    Effect::Got(Some((Delivery { redelivered: true, ..delivery(GETTER, checkout, body) }, left)))
}

/// A queue with these consumers, which all of them reached empty.
fn with_consumers(subscriptions: &[Subscription]) -> Queue {
    let mut queue = Queue::new(false);
    for subscription in subscriptions {
        assert_eq!(handle(&mut queue, Input::Subscribe(*subscription)), []);
    }
    queue
}

/// Where the stored message of that number lies: one behind the other, without gaps.
fn lies_at(sequence: u64) -> Place {
    Place { file: NonZeroU32::new(3).unwrap(), offset: 10 * u32::try_from(sequence).unwrap(), length: 10 }
}

/// The stored messages from that number on.
fn run(first: u64, count: u32) -> Run {
    Run { first: SequenceNumber(first), count, place: Place { length: 10 * count, ..lies_at(first) } }
}

fn stored(sequence: u64, body: &str) -> Arrival {
    Arrival { message: message(body), place: Some(lies_at(sequence)) }
}

/// A queue that keeps nothing in memory which is stored, with these messages.
fn with_paged(bodies: &[&str]) -> Queue {
    let mut queue = Queue::new(false);
    queue.set_memory_limit(0);
    let mut arrivals = (1..).zip(bodies).map(|(sequence, body)| stored(sequence, body)).collect();
    assert_eq!(handle(&mut queue, Input::Publish(&mut arrivals)), []);
    assert_eq!(queue.loaded_bytes(), 0);
    queue
}

fn with_messages(bodies: &[&str]) -> Queue {
    let mut queue = Queue::new(false);
    assert_eq!(publish(&mut queue, bodies), []);
    queue
}

fn delete(if_unused: bool, if_empty: bool) -> Input<'static> {
    Input::Delete { if_unused, if_empty }
}
