//! A queue that tells priorities apart: who is served first, where messages go back to, what makes room, what is read from
//! disk and waited for.

use std::sync::Arc;
use std::time::Duration;

use super::{ANN, BOB, GETTER, consumer, get, handle, lies_at, publish, settle, try_handle, urgent};
use crate::broker::ids::{CheckoutId, ConsumerId, SequenceNumber};
use crate::broker::message::{Message, MessageArena, Traits};
use crate::broker::queue::{Arrival, Delivery, Effect, Input, Outcome, Place, Queue, Run, Settings, Subscription};
use crate::broker::time::Timestamp;

fn queue(settings: Settings) -> Queue {
    Queue::new(false).with(Timestamp::ZERO, settings)
}

fn with_priorities(max_priority: u8) -> Queue {
    queue(Settings { max_priority, ..Settings::default() })
}

/// A queue with nothing stored in memory.
fn without_memory(max_priority: u8) -> Queue {
    let mut queue = with_priorities(max_priority);
    queue.set_memory_limit(0);
    queue
}

fn publish_urgent(queue: &mut Queue, messages: &[(u8, &str)]) -> Vec<Effect> {
    let mut arrivals = messages.iter().map(|(priority, body)| urgent(*priority, body).into()).collect();
    handle(queue, Input::Publish(&mut arrivals))
}

/// Each lies where the record of its number does.
fn publish_stored(queue: &mut Queue, messages: &[(u8, &str)]) -> Vec<Effect> {
    let first = queue.next_sequence().number();
    let place = |number| Some(lies_at(number));
    let mut arrivals = (first..)
        .zip(messages)
        .map(|(number, (priority, body))| Arrival { message: urgent(*priority, body), place: place(number) })
        .collect();
    handle(queue, Input::Publish(&mut arrivals))
}

/// The record of a message that was published with `publish_stored`.
fn run(lane: u8, number: u64) -> Run {
    Run { first: SequenceNumber::in_lane(lane, number), count: 1, place: lies_at(number) }
}

fn loaded(queue: &mut Queue, run: Run, message: Message) -> Vec<Effect> {
    let mut messages = vec![(run.first, run.place, message)];
    let effects = handle(queue, Input::Loaded { run, messages: &mut messages });
    assert_eq!(messages, [], "the queue takes all messages");
    effects
}

fn body(effect: &Effect) -> Option<&str> {
    let (Effect::Deliver(delivery) | Effect::Got(Some((delivery, _)))) = effect else { return None };
    Some(std::str::from_utf8(delivery.message.body()).unwrap())
}

fn bodies(effects: &[Effect]) -> Vec<&str> {
    effects.iter().filter_map(body).collect()
}

/// What comes out by basic.get, to the end.
fn drained(queue: &mut Queue) -> Vec<String> {
    let mut all = Vec::new();
    while queue.ready_count() > 0 {
        let effects = get(queue, true);
        all.extend(bodies(&effects).into_iter().map(str::to_owned));
    }
    all
}

fn deliver(consumer: ConsumerId, checkout: u64, priority: u8, body: &str) -> Effect {
    let message = urgent(priority, body);
    Effect::Deliver(Delivery { consumer, checkout: CheckoutId(checkout), redelivered: false, message })
}

fn again(consumer: ConsumerId, checkout: u64, priority: u8, body: &str) -> Effect {
    let message = urgent(priority, body);
    Effect::Deliver(Delivery { consumer, checkout: CheckoutId(checkout), redelivered: true, message })
}

#[test]
fn the_highest_priority_is_served_first_and_each_in_order() {
    let mut queue = with_priorities(9);
    publish_urgent(&mut queue, &[(1, "a"), (9, "b"), (5, "c"), (9, "d"), (1, "e")]);
    assert_eq!(queue.ready_count(), 5);
    assert_eq!(drained(&mut queue), ["b", "d", "c", "a", "e"]);
    assert_eq!((queue.loaded_bytes(), queue.ready_bytes()), (0, 0));
}

#[test]
fn a_message_without_a_priority_has_the_lowest_and_one_above_the_highest_has_that() {
    let mut queue = with_priorities(3);
    assert_eq!(publish(&mut queue, &["none"]), []);
    publish_urgent(&mut queue, &[(1, "one"), (0, "zero"), (3, "three"), (255, "above"), (4, "four")]);
    assert_eq!(drained(&mut queue), ["three", "above", "four", "one", "none", "zero"]);
}

#[test]
fn all_256_priorities_are_told_apart() {
    let mut queue = with_priorities(255);
    for priority in 0..=255 {
        publish_urgent(&mut queue, &[(priority, &priority.to_string())]);
    }
    let expected: Vec<String> = (0..=255).rev().map(|priority| priority.to_string()).collect();
    assert_eq!(drained(&mut queue), expected);
}

#[test]
fn a_queue_without_priorities_takes_messages_in_their_order() {
    for mut queue in [with_priorities(0), Queue::new(false)] {
        publish_urgent(&mut queue, &[(1, "a"), (9, "b"), (5, "c")]);
        assert_eq!(drained(&mut queue), ["a", "b", "c"]);
    }
}

#[test]
fn priorities_stay_as_declared_when_settings_change() {
    let mut queue = with_priorities(2);
    publish_urgent(&mut queue, &[(1, "a"), (2, "b")]);
    handle(&mut queue, Input::Configure(Arc::default()));
    publish_urgent(&mut queue, &[(1, "c"), (2, "d")]);
    assert_eq!(drained(&mut queue), ["b", "d", "a", "c"]);
}

#[test]
fn what_a_consumer_holds_is_not_overtaken() {
    let mut queue = with_priorities(9);
    assert_eq!(handle(&mut queue, Input::Subscribe(Subscription { prefetch: 1, ..consumer(ANN) })), []);
    assert_eq!(publish_urgent(&mut queue, &[(1, "low")]), [deliver(ANN, 1, 1, "low")]);
    assert_eq!(publish_urgent(&mut queue, &[(5, "middle"), (9, "high")]), []);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Ack), [deliver(ANN, 2, 9, "high")]);
    assert_eq!(settle(&mut queue, ANN, 2, Outcome::Ack), [deliver(ANN, 3, 5, "middle")]);
}

#[test]
fn a_requeued_message_goes_back_to_its_place_among_those_of_its_priority() {
    let mut queue = with_priorities(9);
    publish_urgent(&mut queue, &[(1, "a"), (9, "b"), (9, "c"), (1, "d")]);
    for expected in ["b", "c", "a"] {
        assert_eq!(bodies(&get(&mut queue, false)), [expected]);
    }
    publish_urgent(&mut queue, &[(9, "e")]);
    handle(&mut queue, Input::Abandon(GETTER));
    assert_eq!(queue.ready_count(), 5);
    assert_eq!(drained(&mut queue), ["b", "c", "e", "a", "d"]);
}

#[test]
fn a_full_queue_drops_the_oldest_of_the_highest_priority() {
    let mut queue = queue(Settings { max_priority: 9, max_length: Some(2), ..Settings::default() });
    publish_urgent(&mut queue, &[(1, "a"), (9, "b"), (9, "c")]);
    assert_eq!(queue.ready_count(), 2);
    publish_urgent(&mut queue, &[(1, "d")]);
    assert_eq!(drained(&mut queue), ["a", "d"]);
}

/// A message that lives so long.
fn short_lived(priority: u8, ttl: &str, body: &str) -> Arrival {
    let length = u8::try_from(ttl.len()).unwrap();
    let header = [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x09, 0, priority, length], ttl.as_bytes()].concat();
    let traits = Traits::PRIORITY.with(Traits::EXPIRES);
    let stored = MessageArena::default().store(b"\0\x01q", &header, body.as_bytes(), traits, Timestamp::ZERO);
    stored.unwrap().into()
}

#[test]
fn only_the_next_message_is_looked_at_for_its_time_to_live() {
    let mut queue = with_priorities(9);
    let mut arrivals = vec![short_lived(1, "10", "low"), short_lived(9, "50", "high")];
    assert_eq!(handle(&mut queue, Input::Publish(&mut arrivals)), []);
    let at = |millis| Timestamp::ZERO.after(Duration::from_millis(millis));
    assert_eq!(queue.next_deadline(), Some(at(50)));
    queue.handle(at(20), Input::Tick, &mut Vec::new()).unwrap();
    assert_eq!(queue.ready_count(), 2, "one that lives is ahead of the one that does not");
    queue.handle(at(50), Input::Tick, &mut Vec::new()).unwrap();
    assert_eq!(queue.ready_count(), 0);
}

#[test]
fn a_change_of_the_time_to_live_counts_for_what_comes_later_in_whatever_lane() {
    let ttl =
        |millis| Settings { max_priority: 9, message_ttl: Some(Duration::from_millis(millis)), ..Settings::default() };
    let mut queue = queue(ttl(1000));
    publish_urgent(&mut queue, &[(0, "a"), (9, "b")]);
    handle(&mut queue, Input::Configure(Arc::new(ttl(10))));
    publish_urgent(&mut queue, &[(0, "c"), (9, "d")]);
    queue.handle(Timestamp::ZERO.after(Duration::from_millis(20)), Input::Tick, &mut Vec::new()).unwrap();
    assert_eq!(queue.ready_count(), 4, "the oldest of the highest priority lives");
    assert_eq!(bodies(&get(&mut queue, true)), ["b"]);
    queue.handle(Timestamp::ZERO.after(Duration::from_millis(20)), Input::Tick, &mut Vec::new()).unwrap();
    assert_eq!(drained(&mut queue), ["a", "c"], "of those only the first is looked at");
}

#[test]
fn reserved_numbers_keep_their_place_in_any_lane() {
    let mut queue = with_priorities(9);
    let mut numbering = queue.numbering();
    assert_eq!(handle(&mut queue, Input::Reserve { count: 2, bytes: 8 }), []);
    publish_urgent(&mut queue, &[(9, "late"), (1, "last")]);
    let messages = [urgent(1, "early"), urgent(9, "first")];
    let mut arrivals = messages.into_iter().map(|message| (numbering.take(&message), message.into())).collect();
    assert_eq!(handle(&mut queue, Input::Insert(&mut arrivals)), []);
    assert_eq!(drained(&mut queue), ["first", "late", "early", "last"]);
}

#[test]
fn what_is_on_disk_is_waited_for_and_not_overtaken_by_lower_priorities() {
    let mut queue = without_memory(9);
    assert_eq!(publish_urgent(&mut queue, &[(1, "low, in memory")]), []);
    assert_eq!(publish_stored(&mut queue, &[(9, "high, on disk")]), []);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [Effect::Load(run(0, 2))]);
    assert_eq!(
        loaded(&mut queue, run(0, 2), urgent(9, "high, on disk")),
        [deliver(ANN, 1, 9, "high, on disk"), deliver(ANN, 2, 1, "low, in memory")]
    );
}

#[test]
fn several_lanes_may_be_read_at_once_and_the_order_is_kept() {
    let mut queue = without_memory(9);
    publish_stored(&mut queue, &[(1, "low")]);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [Effect::Load(run(8, 1))]);
    assert_eq!(publish_stored(&mut queue, &[(9, "high")]), [Effect::Load(run(0, 2))]);
    assert_eq!(publish_stored(&mut queue, &[(9, "higher")]), [], "one at a time in each lane");
    assert_eq!(loaded(&mut queue, run(8, 1), urgent(1, "low")), [], "it waits for those before it");
    assert_eq!(loaded(&mut queue, run(0, 2), urgent(9, "high")), [deliver(ANN, 1, 9, "high"), Effect::Load(run(0, 3))]);
    assert_eq!(
        loaded(&mut queue, run(0, 3), urgent(9, "higher")),
        [deliver(ANN, 2, 9, "higher"), deliver(ANN, 3, 1, "low")]
    );
}

#[test]
fn what_is_more_urgent_and_in_memory_does_not_wait_for_the_disk() {
    let mut queue = without_memory(9);
    publish_stored(&mut queue, &[(1, "low")]);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [Effect::Load(run(8, 1))]);
    assert_eq!(publish_urgent(&mut queue, &[(9, "high")]), [deliver(ANN, 1, 9, "high")]);
    assert_eq!(loaded(&mut queue, run(8, 1), urgent(1, "low")), [deliver(ANN, 2, 1, "low")]);
}

#[test]
fn a_get_waits_for_the_lane_whose_turn_it_is() {
    let mut queue = without_memory(9);
    publish_stored(&mut queue, &[(1, "low"), (9, "high")]);
    assert_eq!(get(&mut queue, true), [Effect::GotLater, Effect::Load(run(0, 2))]);
    assert_eq!(loaded(&mut queue, run(0, 2), urgent(9, "high")), []);
    assert_eq!(bodies(&get(&mut queue, true)), ["high"]);
    assert_eq!(get(&mut queue, true), [Effect::GotLater, Effect::Load(run(8, 1))]);
    assert_eq!(handle(&mut queue, Input::Purge), [Effect::GoneRun(run(8, 1)), Effect::Removed(1)]);
    assert_eq!(loaded(&mut queue, run(8, 1), urgent(1, "low")), [], "it is gone meanwhile");
    assert_eq!(get(&mut queue, true), [Effect::Got(None)]);
}

#[test]
fn a_backlog_of_low_priority_does_not_send_what_is_urgent_to_the_disk() {
    let cost = urgent(0, "a").cost();
    let mut queue = with_priorities(1);
    queue.set_memory_limit(4 * cost);
    publish_stored(&mut queue, &[(0, "a"), (0, "b"), (0, "c"), (0, "d"), (0, "e")]);
    assert_eq!(queue.loaded_bytes(), 4 * cost, "one lane may take all of the memory");
    assert!(queue.is_paged());
    publish_stored(&mut queue, &[(1, "f"), (1, "g"), (1, "h")]);
    assert_eq!(queue.loaded_bytes(), 6 * cost, "another one has half of it in any case");
    assert_eq!(queue.held_in(lies_at(1).file).runs, [run(0, 8), run(1, 5)]);
}

#[test]
fn a_purge_and_a_delete_count_all_lanes() {
    let fill = |queue: &mut Queue| {
        publish_urgent(queue, &[(1, "a"), (0, "b")]);
        publish_stored(queue, &[(1, "c"), (0, "d"), (1, "e")]);
    };
    let mut queue = without_memory(1);
    fill(&mut queue);
    // Bodies of the numbers 3 to 5 lie on disk.
    let runs = [run(0, 3), run(0, 5), run(1, 4)].map(Effect::GoneRun);
    assert_eq!(handle(&mut queue, Input::Purge), [&runs[..], &[Effect::Removed(5)]].concat());
    assert_eq!((queue.ready_count(), queue.ready_bytes(), queue.loaded_bytes()), (0, 0, 0));
    let mut queue = without_memory(1);
    fill(&mut queue);
    assert!(try_handle(&mut queue, Input::Delete { if_unused: false, if_empty: true }).is_err());
    assert_eq!(
        handle(&mut queue, Input::Delete { if_unused: false, if_empty: false }),
        [Effect::Emptied(vec![(lies_at(1).file, 3)]), Effect::Removed(5)]
    );
}

#[test]
fn a_restart_deals_messages_out_to_their_lanes() {
    let runs = vec![run(0, 4), run(3, 1), run(3, 7), run(9, 2)];
    let redelivered = [runs[0].first..=runs[0].first, runs[3].first..=runs[3].first];
    let recovered = Queue::recovered(false, runs.clone(), SequenceNumber(8), &redelivered);
    let mut queue = recovered.with(Timestamp::ZERO, Settings { max_priority: 9, ..Settings::default() });
    assert_eq!((queue.ready_count(), queue.next_sequence()), (4, SequenceNumber(8)));
    assert_eq!(queue.held_in(lies_at(1).file).runs, runs);
    assert_eq!(queue.delivered_ranges(), redelivered);
    publish_urgent(&mut queue, &[(6, "new")]);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [Effect::Load(runs[0])]);
    assert_eq!(loaded(&mut queue, runs[0], urgent(9, "a")), [again(ANN, 1, 9, "a"), Effect::Load(runs[1])]);
    assert_eq!(loaded(&mut queue, runs[1], urgent(6, "b")), [deliver(ANN, 2, 6, "b"), Effect::Load(runs[2])]);
    assert_eq!(
        loaded(&mut queue, runs[2], urgent(6, "c")),
        [deliver(ANN, 3, 6, "c"), deliver(ANN, 4, 6, "new"), Effect::Load(runs[3])]
    );
    assert_eq!(loaded(&mut queue, runs[3], urgent(0, "d")), [again(ANN, 5, 0, "d")]);
}

#[test]
fn a_message_that_moves_on_disk_is_found_in_its_lane() {
    let mut queue = without_memory(9);
    publish_stored(&mut queue, &[(1, "low"), (9, "high")]);
    let moved = |run: Run| Run { place: Place { offset: run.place.offset + 500, ..run.place }, ..run };
    let runs = [moved(run(0, 2)), moved(run(8, 1))];
    let from = lies_at(1).file;
    assert_eq!(handle(&mut queue, Input::Relocate { from, runs: &runs, singles: &[] }), [Effect::Relocated(2)]);
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(BOB))), [Effect::Load(runs[0])]);
}
