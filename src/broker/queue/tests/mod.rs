//! What a queue asks for, input by input: every test compares the whole list of effects.

mod channel_limit;
mod deliveries;
mod groups;
mod groups_model;
mod holding_limit;
mod jobs;
mod length;
mod model;
mod paged;
mod priorities;
mod retrying;
mod single_active;
mod stored;
mod timeouts;
mod times;
mod waiting;
mod waiting_model;

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

#[test]
fn one_consumer_gets_everything_in_the_order_of_publishing() {
    let mut queue = with_messages(&["a", "b"]);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [first(ANN, 1, "a"), first(ANN, 2, "b")]);
    assert_eq!(publish(&mut queue, &["c", "d"]), [first(ANN, 3, "c"), first(ANN, 4, "d")]);
    assert_eq!((queue.ready_count(), queue.consumer_count()), (0, 1));
}

#[test]
fn keeps_messages_while_there_is_no_consumer() {
    let queue = with_messages(&["a", "b", "c"]);
    assert_eq!((queue.ready_count(), queue.consumer_count()), (3, 0));
}

#[test]
fn equal_consumers_take_turns() {
    let mut queue = with_consumers(&[consumer(ANN), consumer(BOB), consumer(CLEO)]);
    assert_eq!(publish(&mut queue, &["a", "b"]), [first(ANN, 1, "a"), first(BOB, 1, "b")]);
    assert_eq!(publish(&mut queue, &["c", "d"]), [first(CLEO, 1, "c"), first(ANN, 2, "d")]);
}

#[test]
fn a_consumer_that_leaves_gives_its_turn_up() {
    let mut queue = with_consumers(&[consumer(ANN), consumer(BOB), consumer(CLEO)]);
    assert_eq!(publish(&mut queue, &["a"]), [first(ANN, 1, "a")]);
    assert_eq!(handle(&mut queue, Input::Unsubscribe(BOB)), []);
    assert_eq!(publish(&mut queue, &["b", "c"]), [first(CLEO, 1, "b"), first(ANN, 2, "c")]);
}

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

#[test]
fn a_higher_priority_is_served_first_while_it_can_take_messages() {
    let mut queue =
        with_consumers(&[consumer(ANN), Subscription { priority: 5, prefetch: 2, ..consumer(BOB) }, consumer(CLEO)]);
    assert_eq!(
        publish(&mut queue, &["a", "b", "c", "d"]),
        [first(BOB, 1, "a"), first(BOB, 2, "b"), first(ANN, 1, "c"), first(CLEO, 1, "d")]
    );
    assert_eq!(settle(&mut queue, BOB, 1, Outcome::Ack), []);
    assert_eq!(publish(&mut queue, &["e", "f"]), [first(BOB, 3, "e"), first(ANN, 2, "f")]);
}

#[test]
fn a_negative_priority_is_served_last() {
    let mut queue = with_consumers(&[
        Subscription { priority: -1, ..consumer(ANN) },
        Subscription { prefetch: 1, ..consumer(BOB) },
    ]);
    assert_eq!(publish(&mut queue, &["a", "b"]), [first(BOB, 1, "a"), first(ANN, 1, "b")]);
}

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

fn delete(if_unused: bool, if_empty: bool) -> Input<'static> {
    Input::Delete { if_unused, if_empty }
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
