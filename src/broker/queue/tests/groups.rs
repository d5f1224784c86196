//! Message groups: who gets what, what comes back where, and that what is set aside is ready all the same. The group of a
//! message is the first letter of its body; those that begin with a dash are in none.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::broker::queue::lanes::Lanes;
use crate::broker::queue::{Delays, Listed, Overflow, Pick, Retry, RetryOn, Settings, TimeoutAction};

pub(super) fn grouped_message(body: &str) -> Message {
    let group = body.get(..1).unwrap_or_default();
    if group == "-" { proper(body) } else { with_header(body, "g", FieldValue::text(group), Timestamp::ZERO) }
}

fn proper(body: &str) -> Message {
    let header = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0];
    MessageArena::default().store(b"\0\x01q", &header, body.as_bytes(), Traits::default(), Timestamp::ZERO).unwrap()
}

pub(super) fn settings() -> Settings {
    Settings { group_by: Some(ShortString::from_static("g")), ..Settings::default() }
}

fn queue_of(settings: Settings) -> Queue {
    Queue::new(false).with(Timestamp::ZERO, settings)
}

fn grouped() -> Queue {
    queue_of(settings())
}

/// Deliveries as text: to whom, what, and whether again; everything else as it is.
fn shown(effects: &[Effect]) -> Vec<String> {
    let show = |delivery: &Delivery| {
        let body = String::from_utf8_lossy(delivery.message.body());
        format!("{} {body}{}", delivery.consumer.0, if delivery.redelivered { " again" } else { "" })
    };
    let effects = effects.iter().map(|effect| {
        if let Effect::Deliver(delivery) = effect {
            return show(delivery);
        }
        if let Effect::Got(Some((delivery, left))) = effect {
            return format!("got {}, {left} left", show(delivery));
        }
        format!("{effect:?}")
    });
    effects.collect()
}

fn put(queue: &mut Queue, bodies: &[&str]) -> Vec<String> {
    let mut arrivals = bodies.iter().map(|body| grouped_message(body).into()).collect();
    shown(&handle(queue, Input::Publish(&mut arrivals)))
}

fn attach(queue: &mut Queue, id: ConsumerId, prefetch: u16) -> Vec<String> {
    shown(&handle(queue, Input::Subscribe(Subscription { prefetch, ..consumer(id) })))
}

fn with_two(prefetch: u16) -> Queue {
    let mut queue = grouped();
    attach(&mut queue, ANN, prefetch);
    attach(&mut queue, BOB, prefetch);
    queue
}

fn settled(queue: &mut Queue, id: ConsumerId, checkout: u64, outcome: Outcome) -> Vec<String> {
    shown(&settle(queue, id, checkout, outcome))
}

fn ack(queue: &mut Queue, id: ConsumerId, checkout: u64) -> Vec<String> {
    settled(queue, id, checkout, Outcome::Ack)
}

fn got_by(queue: &mut Queue) -> Vec<String> {
    shown(&get(queue, false))
}

fn group_count(queue: &Queue) -> usize {
    let Lanes::Grouped(grouped) = &queue.ready else { panic!("no groups") };
    grouped.group_count()
}

#[test]
fn one_consumer_has_a_group_and_groups_go_on_side_by_side() {
    let mut queue = with_two(1);
    assert_eq!(put(&mut queue, &["a1", "a2", "b1", "b2"]), ["1 a1", "2 b1"]);
    assert_eq!(ack(&mut queue, BOB, 1), ["2 b2"], "not a2, which is older and of a group in flight");
    assert_eq!(ack(&mut queue, BOB, 2), [""; 0]);
    assert_eq!(ack(&mut queue, ANN, 1).len(), 1, "the group is free");
    assert_eq!((queue.ready_count(), queue.unacked_count()), (0, 1));
}

#[test]
fn several_of_a_group_are_in_flight_to_the_same_consumer_up_to_its_prefetch() {
    let mut queue = with_two(2);
    assert_eq!(put(&mut queue, &["a1", "a2", "a3", "b1"]), ["1 a1", "1 a2", "2 b1"]);
    assert_eq!(ack(&mut queue, ANN, 1), ["1 a3"], "who has the group keeps it while anything of it is unacked");
    assert_eq!(ack(&mut queue, ANN, 2), [""; 0]);
    assert_eq!(ack(&mut queue, ANN, 3), [""; 0]);
    assert_eq!(ack(&mut queue, BOB, 1), [""; 0]);
    assert_eq!(group_count(&queue), 0, "nothing is remembered of groups that are not in flight");
}

#[test]
fn a_group_without_anything_in_flight_goes_to_whose_turn_it_is() {
    let mut queue = with_two(1);
    assert_eq!(put(&mut queue, &["a1"]), ["1 a1"]);
    ack(&mut queue, ANN, 1);
    assert_eq!(put(&mut queue, &["a2"]), ["2 a2"]);
}

#[test]
fn messages_without_the_header_are_in_no_group() {
    let mut queue = with_two(2);
    assert_eq!(put(&mut queue, &["-1", "-2", "a1", "-3"]), ["1 -1", "2 -2", "1 a1", "2 -3"]);
    assert_eq!(put(&mut queue, &["a2", "-4"]), [""; 0]);
    assert_eq!(ack(&mut queue, BOB, 1), ["2 -4"]);
    assert_eq!(ack(&mut queue, ANN, 1), ["1 a2"]);
}

#[test]
fn values_that_are_equal_are_one_group_whatever_their_tags() {
    let mut queue = with_two(1);
    let values = [FieldValue::U8(7), FieldValue::I64(7), FieldValue::text("7")];
    let message = |value: &FieldValue| with_header("m", "g", value.clone(), Timestamp::ZERO);
    let mut arrivals = values.iter().map(|value| message(value).into()).collect();
    assert_eq!(shown(&handle(&mut queue, Input::Publish(&mut arrivals))), ["1 m", "2 m"]);
    assert_eq!((queue.ready_count(), group_count(&queue)), (1, 2));
}

#[test]
fn what_comes_back_goes_before_what_came_later_in_its_group() {
    let mut queue = with_two(2);
    assert_eq!(put(&mut queue, &["a1", "a2", "a3", "a4"]), ["1 a1", "1 a2"]);
    assert_eq!(settled(&mut queue, ANN, 1, Outcome::Requeue), ["1 a1 again"], "the group is still hers");
    assert_eq!(ack(&mut queue, ANN, 2), ["1 a3"]);
    assert_eq!(ack(&mut queue, ANN, 3), ["1 a4"]);
}

#[test]
fn what_one_nack_gives_back_is_free_in_the_order_of_the_group() {
    for queue_type in ["classic", "quorum"] {
        let mut table = leveret_protocol::FieldTable::new();
        table.insert("x-queue-type", FieldValue::text(queue_type));
        table.insert("x-group-by", FieldValue::text("g"));
        let mut queue = queue_of(Settings::of(&table));
        assert_eq!(put(&mut queue, &["a1", "a2", "a3"]), [""; 0]);
        assert_eq!(attach(&mut queue, ANN, 2), ["1 a1", "1 a2"]);
        assert_eq!(attach(&mut queue, BOB, 3), [""; 0]);
        let checkouts = &[CheckoutId(2), CheckoutId(1)];
        handle(&mut queue, Input::Return { consumer: ANN, checkouts, failed: false });
        assert_eq!(group_count(&queue), 1);
        handle(&mut queue, Input::Unsubscribe(ANN));
        assert_eq!(shown(&get(&mut queue, false)), ["Got(None)"], "all of it is in flight already");
        let bodies: Vec<_> = queue.unacked().flat_map(|unacked| unacked.iter()).map(|held| held.sequence.0).collect();
        assert_eq!(bodies.len(), 3, "{queue_type}");
        assert!(bodies.is_sorted());
    }
}

#[test]
fn a_group_of_a_lost_consumer_goes_to_another_one_in_order() {
    let mut queue = with_two(3);
    assert_eq!(put(&mut queue, &["a1", "a2"]), ["1 a1", "1 a2"]);
    let abandoned = shown(&handle(&mut queue, Input::Abandon(ANN)));
    assert_eq!(abandoned, ["2 a1 again", "2 a2 again"]);
    assert_eq!(put(&mut queue, &["a3", "a4"]), ["2 a3"]);
    assert_eq!(ack(&mut queue, BOB, 1), ["2 a4"]);
}

#[test]
fn a_cancelled_consumer_has_its_groups_until_its_messages_are_settled() {
    let mut queue = with_two(2);
    assert_eq!(put(&mut queue, &["a1", "a2"]), ["1 a1", "1 a2"]);
    handle(&mut queue, Input::Unsubscribe(ANN));
    assert_eq!(put(&mut queue, &["a3", "b1"]), ["2 b1"]);
    assert_eq!(settled(&mut queue, ANN, 1, Outcome::Requeue), [""; 0], "a2 is unacked");
    assert_eq!(ack(&mut queue, ANN, 2), ["2 a1 again"]);
    assert_eq!(ack(&mut queue, BOB, 1), ["2 a3"]);
}

#[test]
fn a_discarded_message_frees_its_group_as_an_acked_one_does() {
    let mut queue = with_two(1);
    assert_eq!(put(&mut queue, &["a1", "a2"]), ["1 a1"]);
    assert_eq!(settled(&mut queue, ANN, 1, Outcome::Discard), ["2 a2"]);
}

#[test]
fn basic_get_has_a_group_until_its_ack_and_passes_over_groups_of_others() {
    let mut queue = grouped();
    put(&mut queue, &["a1", "a2", "b1"]);
    assert_eq!(got_by(&mut queue), ["got 9 a1, 2 left"]);
    assert_eq!(attach(&mut queue, ANN, 1), ["1 b1"], "a is the getter's");
    assert_eq!(got_by(&mut queue), ["got 9 a2, 0 left"], "who has a group gets more of it");
    put(&mut queue, &["b2", "a3"]);
    assert_eq!(ack(&mut queue, GETTER, 1), [""; 0]);
    assert_eq!(ack(&mut queue, ANN, 1), ["1 b2"]);
    assert_eq!(got_by(&mut queue), ["got 9 a3, 0 left"]);
    put(&mut queue, &["b3"]);
    assert_eq!(got_by(&mut queue), ["Got(None)"], "b is Ann's");
    assert_eq!(queue.ready_count(), 1);
}

#[test]
fn consumers_without_acknowledgements_have_no_group_and_leave_those_of_others_alone() {
    let mut queue = grouped();
    attach(&mut queue, ANN, 1);
    assert_eq!(put(&mut queue, &["a1"]), ["1 a1"]);
    handle(&mut queue, Input::Subscribe(Subscription { no_ack: true, ..consumer(BOB) }));
    assert_eq!(put(&mut queue, &["a2", "b1", "b2"]), ["2 b1", "2 b2"]);
    assert_eq!(group_count(&queue), 1);
    assert_eq!(ack(&mut queue, ANN, 1).len(), 1);
}

#[test]
fn a_consumer_that_waits_for_its_channel_takes_its_groups_when_there_is_room() {
    let mut queue = grouped();
    handle(&mut queue, Input::Subscribe(Subscription { channel_limited: true, ..consumer(ANN) }));
    assert_eq!(put(&mut queue, &["a1", "a2", "a3"]), ["Wanting(ConsumerId(1))"]);
    let offer = |queue: &mut Queue, room| shown(&handle(queue, Input::Offer { consumer: ANN, room }));
    assert_eq!(offer(&mut queue, 1), ["1 a1", "Taken(1)", "Wanting(ConsumerId(1))"]);
    assert_eq!(attach(&mut queue, BOB, 1), [""; 0]);
    assert_eq!(put(&mut queue, &["b1"]), ["2 b1"]);
    assert_eq!(offer(&mut queue, 5), ["1 a2", "1 a3", "Taken(2)"]);
    assert_eq!(offer(&mut queue, 5), ["Taken(0)"], "and it is not told again of what it cannot have");
}

#[test]
fn a_larger_prefetch_lets_more_of_the_group_out() {
    let mut queue = with_two(1);
    assert_eq!(put(&mut queue, &["a1", "a2", "a3"]), ["1 a1"]);
    assert_eq!(shown(&handle(&mut queue, Input::SetPrefetch(ANN, 2))), ["1 a2"]);
}

#[test]
fn a_full_window_sets_the_group_aside_until_it_is_written() {
    let mut queue = grouped();
    let cost = grouped_message("a1").cost();
    handle(&mut queue, Input::Subscribe(Subscription::of(ANN, cost)));
    handle(&mut queue, Input::Subscribe(consumer(BOB)));
    assert_eq!(put(&mut queue, &["a1", "a2", "b1"]), ["1 a1", "2 b1"]);
    assert_eq!(shown(&handle(&mut queue, Input::Written(ANN, cost))), ["1 a2"]);
}

#[test]
fn what_is_set_aside_counts_as_ready_and_is_purged() {
    let mut queue = with_two(1);
    put(&mut queue, &["a1", "a2", "a3"]);
    let cost = grouped_message("a1").cost();
    assert_eq!((queue.ready_count(), queue.ready_bytes(), queue.loaded_bytes()), (2, 4, 2 * cost));
    assert_eq!(shown(&handle(&mut queue, Input::Purge)), ["Removed(2)"]);
    assert_eq!((queue.ready_count(), queue.ready_bytes(), queue.loaded_bytes()), (0, 0, 0));
    assert_eq!(put(&mut queue, &["a4"]), [""; 0], "the group is in flight still");
    let acked = ack(&mut queue, ANN, 1);
    assert_eq!(acked, ["2 a4"]);
    ack(&mut queue, BOB, 1);
    assert_eq!(group_count(&queue), 0);
}

#[test]
fn a_bounded_queue_drops_the_oldest_also_of_those_set_aside() {
    let mut queue = queue_of(Settings { max_length: Some(2), ..settings() });
    attach(&mut queue, ANN, 1);
    attach(&mut queue, BOB, 1);
    assert_eq!(put(&mut queue, &["a1", "a2", "a3", "a4"]), ["1 a1"]);
    assert_eq!(queue.ready_count(), 2);
    assert_eq!(ack(&mut queue, ANN, 1), ["2 a3"]);
    let refusing = Settings { max_length: Some(1), overflow: Overflow::RejectPublish, ..settings() };
    let mut queue = queue_of(refusing);
    attach(&mut queue, ANN, 1);
    attach(&mut queue, BOB, 1);
    put(&mut queue, &["a1", "a2"]);
    assert_eq!(queue.room_for([2_u64].into_iter()), 0);
}

#[test]
fn what_is_set_aside_expires() {
    let ttl = Settings { message_ttl: Some(Duration::from_millis(10)), ..settings() };
    let mut queue = queue_of(ttl);
    attach(&mut queue, ANN, 1);
    attach(&mut queue, BOB, 1);
    assert_eq!(put(&mut queue, &["a1", "a2"]), ["1 a1"]);
    assert_eq!(queue.next_deadline(), Some(at(10)));
    handle_at(&mut queue, 10, Input::Tick);
    assert_eq!(queue.ready_count(), 0);
    assert_eq!(ack(&mut queue, ANN, 1), [""; 0]);
}

#[test]
fn what_is_over_is_not_handed_out_although_others_are_before_it() {
    let mut queue = with_two(1);
    put(&mut queue, &["a1", "a2", "b1"]);
    let settings = Settings { message_ttl: Some(Duration::from_millis(10)), ..settings() };
    handle(&mut queue, Input::Configure(Arc::new(settings)));
    put(&mut queue, &["b2", "c1"]);
    let checkouts = &[CheckoutId(1)];
    let effects = handle_at(&mut queue, 20, Input::Settle { consumer: BOB, checkouts, outcome: Outcome::Ack });
    assert_eq!(shown(&effects), [""; 0], "a2, which lives, is Ann's");
    assert_eq!(queue.ready_count(), 1);
}

#[test]
fn a_single_active_consumer_has_all_groups_and_the_next_one_goes_on_in_order() {
    let mut queue = queue_of(Settings { single_active: true, ..settings() });
    attach(&mut queue, ANN, 2);
    attach(&mut queue, BOB, 4);
    assert_eq!(put(&mut queue, &["a1", "b1", "a2", "b2"]), ["1 a1", "1 b1"]);
    assert_eq!(shown(&handle(&mut queue, Input::Unsubscribe(ANN))), [""; 0], "both groups are in flight");
    assert_eq!(ack(&mut queue, ANN, 1), ["2 a2"]);
    assert_eq!(shown(&handle(&mut queue, Input::Abandon(ANN))), ["2 b1 again", "2 b2"]);
}

#[test]
fn a_message_that_fails_too_often_dies_and_its_group_goes_on() {
    let mut queue = queue_of(Settings { delivery_limit: Some(1), ..settings() });
    attach(&mut queue, ANN, 1);
    assert_eq!(put(&mut queue, &["a1", "a2"]), ["1 a1"]);
    assert_eq!(settled(&mut queue, ANN, 1, Outcome::Fail), ["1 a1 again"]);
    assert_eq!(settled(&mut queue, ANN, 2, Outcome::Fail), ["1 a2"]);
}

#[test]
fn a_message_that_is_tried_again_later_does_not_hold_up_its_group() {
    let delays = Delays::Listed(vec![Duration::from_millis(10)]);
    let retry = Retry { delays, limit: None, jitter_percent: 0, on: RetryOn::default() };
    let mut queue = queue_of(Settings { retry: Some(retry), ..settings() });
    attach(&mut queue, ANN, 1);
    assert_eq!(put(&mut queue, &["a1", "a2"]), ["1 a1"]);
    let mut effects = settle(&mut queue, ANN, 1, Outcome::Requeue);
    let Effect::Retried { message, .. } = effects.remove(0) else { panic!("{effects:?}") };
    assert_eq!(shown(&effects), ["1 a2"]);
    assert_eq!(handle(&mut queue, Input::Again(&mut vec![message.into()])), []);
    assert_eq!(shown(&handle_at(&mut queue, 10, Input::Tick)), [""; 0]);
    assert_eq!(ack(&mut queue, ANN, 2), ["1 a1 again"]);
}

#[test]
fn a_delivery_that_times_out_frees_its_group() {
    let settings = Settings {
        consumer_timeout: Some(Duration::from_millis(10)),
        timeout_action: TimeoutAction::Requeue,
        ..settings()
    };
    let mut queue = queue_of(settings);
    attach(&mut queue, ANN, 1);
    attach(&mut queue, BOB, 2);
    assert_eq!(put(&mut queue, &["a1", "a2"]), ["1 a1"]);
    assert_eq!(shown(&handle_at(&mut queue, 10, Input::Tick)), ["2 a1 again", "2 a2"]);
}

fn put_stored(queue: &mut Queue, bodies: &[&str]) -> Vec<String> {
    let first = queue.next_sequence().0;
    let arrival =
        |(number, body): (u64, &&str)| Arrival { message: grouped_message(body), place: Some(lies_at(number)) };
    let mut arrivals = (first..).zip(bodies).map(arrival).collect();
    shown(&handle(queue, Input::Publish(&mut arrivals)))
}

fn load(queue: &mut Queue, run: Run, bodies: &[&str]) -> Vec<String> {
    let message = |(number, body): (u64, &&str)| (SequenceNumber(number), lies_at(number), grouped_message(body));
    let mut messages = (run.first.0..).zip(bodies).map(message).collect();
    shown(&handle(queue, Input::Loaded { run, messages: &mut messages }))
}

#[test]
fn groups_of_a_paged_queue_are_told_apart_when_they_are_loaded() {
    let mut queue = grouped();
    queue.set_memory_limit(0);
    put_stored(&mut queue, &["a1", "a2", "b1"]);
    assert_eq!(queue.loaded_bytes(), 0);
    queue.set_memory_limit(1 << 20);
    attach(&mut queue, ANN, 1);
    assert_eq!(load(&mut queue, run(1, 3), &["a1", "a2", "b1"]), ["1 a1"]);
    assert_eq!(attach(&mut queue, BOB, 1), ["2 b1"]);
    assert_eq!(queue.held_in(lies_at(1).file).singles.len(), 3, "two in flight and one set aside");
}

#[test]
fn no_more_than_half_of_the_memory_is_set_aside_and_then_the_queue_waits() {
    let mut queue = with_two(1);
    queue.set_memory_limit(4 * grouped_message("a1").cost());
    assert_eq!(put(&mut queue, &["a1", "a2", "a3", "a4", "b1"]), ["1 a1"], "b1 is not reached");
    assert_eq!(shown(&get(&mut queue, false)), ["Got(None)"], "nor by basic.get");
    assert_eq!(queue.ready_count(), 4);
    assert_eq!(ack(&mut queue, ANN, 1), ["2 a2", "1 b1"], "there is room to look further");
}

#[test]
fn groups_go_on_in_order_after_a_restart() {
    let queue = Queue::recovered(false, vec![run(1, 3)], SequenceNumber(4), &[SequenceNumber(1)..=SequenceNumber(1)]);
    let mut queue = queue.with(Timestamp::ZERO, settings());
    assert_eq!(queue.ready_count(), 3);
    assert_eq!(attach(&mut queue, ANN, 1).len(), 1, "it loads");
    attach(&mut queue, BOB, 1);
    assert_eq!(load(&mut queue, run(1, 3), &["a1", "a2", "b1"]), ["1 a1 again", "2 b1"]);
}

#[test]
fn the_store_finds_and_moves_what_is_set_aside() {
    let mut queue = with_two(1);
    assert_eq!(put_stored(&mut queue, &["a1", "a2"]), ["1 a1"]);
    let file = lies_at(1).file;
    let moved = Place { file: NonZeroU32::new(8).unwrap(), ..lies_at(2) };
    let singles = &[(SequenceNumber(2), moved)];
    assert_eq!(handle(&mut queue, Input::Relocate { from: file, runs: &[], singles }), [Effect::Relocated(1)]);
    assert_eq!(queue.held_in(moved.file).singles, [(SequenceNumber(2), moved)]);
    settle(&mut queue, ANN, 1, Outcome::Requeue);
    handle(&mut queue, Input::Abandon(BOB));
    handle(&mut queue, Input::Unsubscribe(ANN));
    let delivered = [SequenceNumber(1)..=SequenceNumber(1)];
    handle(&mut queue, Input::Abandon(ANN));
    assert_eq!(queue.delivered_ranges(), delivered);
    let gone = handle(&mut queue, Input::Purge);
    assert!(gone.contains(&Effect::Gone { sequence: SequenceNumber(2), place: moved }), "{gone:?}");
}

#[test]
fn how_far_messages_are_is_told_in_groups_too() {
    let mut queue = queue_of(Settings { track_status: true, ..settings() });
    attach(&mut queue, ANN, 1);
    let told = |effects: &[Effect]| {
        let states = effects.iter().filter_map(|effect| {
            let Effect::Job { message, state } = effect else { return None };
            Some(format!("{} {}", String::from_utf8_lossy(message.body()), state.name()))
        });
        states.collect::<Vec<_>>()
    };
    let mut arrivals = ["a1", "a2"].map(|body| grouped_message(body).into()).into();
    let effects = handle(&mut queue, Input::Publish(&mut arrivals));
    assert_eq!(told(&effects), ["a1 ready", "a2 ready", "a1 in_flight"]);
    assert_eq!(told(&settle(&mut queue, ANN, 1, Outcome::Ack)), ["a1 done", "a2 in_flight"]);
}

#[test]
fn what_is_set_aside_is_listed_last_and_can_be_taken_out() {
    let mut queue = with_two(1);
    assert_eq!(put(&mut queue, &["a1", "a2", "a3", "b1", "c1"]), ["1 a1", "2 b1"]);
    let listed = queue.list(None, 10);
    let (spots, bodies): (Vec<_>, Vec<_>) = listed.iter().map(|listed| (listed.last(), body_of(listed))).unzip();
    assert_eq!(bodies, ["c1", "a2", "a3"]);
    for (at, spot) in spots.iter().enumerate() {
        let rest: Vec<_> = queue.list(Some(*spot), 10).iter().map(body_of).collect();
        assert_eq!(rest, bodies[at + 1..]);
        assert_eq!(queue.list(Some(queue.before(listed[at].first())), 1), listed[at..=at]);
    }
    let pick = |at: usize| Pick { spot: spots[at], sequence: listed[at].first(), place: None, body: 2 };
    let mut picks = vec![pick(1), pick(0)];
    assert!(handle(&mut queue, Input::Pick(&mut picks)).contains(&Effect::Removed(2)));
    assert_eq!(picks.len(), 2);
    assert_eq!((queue.ready_count(), queue.ready_bytes()), (1, 2));
    assert_eq!(ack(&mut queue, ANN, 1), ["1 a3"]);
}

fn body_of(listed: &Listed) -> String {
    let Listed::Here { message, .. } = listed else { panic!("{listed:?}") };
    String::from_utf8_lossy(message.body()).into_owned()
}
