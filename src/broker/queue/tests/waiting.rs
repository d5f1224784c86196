//! Messages that wait: an exchange's until they leave for it, a queue's own until they are ready.

use std::num::NonZeroU32;

use leveret_protocol::{FieldValue, ShortString};

use super::{ANN, GETTER, at, consumer, handle_at, with_header};
use crate::broker::ids::CheckoutId;
use crate::broker::ids::SequenceNumber;
use crate::broker::message::Message;
use crate::broker::queue::{
    Arrival, Contents, Dead, Delivery, Departure, Effect, Hold, Input, Place, Queue, Refusal, Run, Settings,
};

const FILE: NonZeroU32 = NonZeroU32::MIN;

fn delayed(body: &str, delay: i64, arrived: u64) -> Message {
    with_header(body, "x-delay", FieldValue::I64(delay), at(arrived))
}

fn held_until(body: &str, time: i64) -> Message {
    with_header(body, "eta", FieldValue::I64(time), at(0))
}

fn place(offset: u32) -> Place {
    Place { file: FILE, offset, length: 100 }
}

fn single(sequence: u64) -> Run {
    Run { first: SequenceNumber(sequence), count: 1, place: place(u32::try_from(sequence).unwrap() * 100) }
}

fn delay_queue() -> Queue {
    Queue::new(false).with(at(0), Settings { hold: Some(Hold::ForExchange), ..Settings::default() })
}

fn holding_queue() -> Queue {
    let hold = Some(Hold::Until(ShortString::from_static("eta")));
    Queue::new(false).with(at(0), Settings { hold, ..Settings::default() })
}

/// Publishes at 0; those with a place get one by their number.
fn publish(queue: &mut Queue, messages: &[(Message, bool)]) -> Vec<Effect> {
    let first = queue.next_sequence().0;
    let numbered = messages.iter().zip(first..);
    let mut arrivals = numbered
        .map(|((message, stored), sequence)| Arrival {
            message: message.clone(),
            place: stored.then(|| single(sequence).place),
        })
        .collect();
    handle_at(queue, 0, Input::Publish(&mut arrivals))
}

fn leaving(queue: &mut Queue) -> Vec<Dead> {
    let mut dead = Vec::new();
    assert_eq!(handle_at(queue, 0, Input::TakeDead(&mut dead)), []);
    dead
}

fn released(message: &Message, stored: Option<u64>) -> Dead {
    let stored = stored.map(|sequence| (SequenceNumber(sequence), single(sequence).place));
    Dead { reason: Departure::Released, message: message.clone(), stored }
}

fn first(checkout: u64, message: &Message) -> Effect {
    let message = message.clone();
    Effect::Deliver(Delivery { consumer: ANN, checkout: CheckoutId(checkout), redelivered: false, message })
}

#[test]
fn an_exchanges_messages_leave_in_the_order_of_their_times() {
    let mut queue = delay_queue();
    let [late, soon, next] = [delayed("late", 50, 0), delayed("soon", 10, 0), delayed("next", 10, 0)];
    assert_eq!(publish(&mut queue, &[(late.clone(), true), (soon.clone(), false), (next.clone(), true)]), []);
    assert_eq!((queue.ready_count(), queue.waiting_count()), (0, 3));
    assert_eq!(queue.next_deadline(), Some(at(10)));
    assert_eq!(handle_at(&mut queue, 9, Input::Tick), []);
    assert_eq!(handle_at(&mut queue, 10, Input::Tick), [Effect::Died]);
    assert_eq!(leaving(&mut queue), [released(&soon, None), released(&next, Some(3))]);
    assert_eq!(queue.next_deadline(), Some(at(50)));
    assert_eq!(handle_at(&mut queue, 60, Input::Tick), [Effect::Died]);
    assert_eq!(leaving(&mut queue), [released(&late, Some(1))]);
    assert_eq!((queue.waiting_count(), queue.next_deadline(), queue.loaded_bytes()), (0, None, 0));
}

#[test]
fn only_those_due_first_are_in_memory_and_the_others_are_fetched_ahead() {
    let mut queue = delay_queue();
    queue.set_memory_limit(2 * delayed("a", 1, 0).cost());
    let messages = [60_000, 20_000, 40_000, 30_000].map(|delay| delayed("m", delay, 0));
    assert_eq!(publish(&mut queue, &messages.clone().map(|message| (message, true))), []);
    assert_eq!(queue.loaded_bytes(), 2 * messages[0].cost(), "of the second and the fourth");
    assert_eq!(handle_at(&mut queue, 20_000, Input::Tick), [Effect::Died]);
    assert_eq!(handle_at(&mut queue, 30_000, Input::Tick), [Effect::Fetch(vec![single(3)])], "ten seconds ahead");
    assert_eq!(leaving(&mut queue), [released(&messages[1], Some(2)), released(&messages[3], Some(4))]);
    assert_eq!(handle_at(&mut queue, 30_001, Input::Tick), [], "one at a time");
    let mut found = vec![(SequenceNumber(3), single(3).place, messages[2].clone())];
    let answer = Input::Fetched { runs: &[single(3)], messages: &mut found };
    assert_eq!(handle_at(&mut queue, 30_002, answer), []);
    assert_eq!(queue.next_deadline(), Some(at(40_000)));
    assert_eq!(handle_at(&mut queue, 40_000, Input::Tick), [Effect::Died]);
    assert_eq!(queue.next_deadline(), Some(at(50_000)), "to fetch the last");
}

#[test]
fn after_a_restart_all_are_looked_at_once() {
    let runs = vec![Run { count: 2, ..single(1) }, single(5)];
    let settings = Settings { hold: Some(Hold::ForExchange), ..Settings::default() };
    let mut queue = Queue::recovered(false, runs.clone(), SequenceNumber(6), &[]).with(at(0), settings);
    assert_eq!((queue.ready_count(), queue.waiting_count()), (0, 3));
    assert_eq!(queue.held_in(FILE), Contents { runs: runs.clone(), singles: Vec::new() });
    assert_eq!(handle_at(&mut queue, 100, Input::Tick), [Effect::Fetch(runs.clone())]);
    let [later, overdue] = [delayed("later", 5000, 0), delayed("overdue", 10, 0)];
    let mut found = vec![
        (SequenceNumber(1), single(1).place, later.clone()),
        (SequenceNumber(5), single(5).place, overdue.clone()),
    ];
    let lost = Effect::Lost(Run { first: SequenceNumber(2), ..single(1) });
    let answer = Input::Fetched { runs: &runs, messages: &mut found };
    assert_eq!(handle_at(&mut queue, 101, answer), [lost, Effect::Died]);
    assert_eq!(leaving(&mut queue), [released(&overdue, Some(5))]);
    assert_eq!(queue.next_deadline(), Some(at(5000)));
    assert_eq!(queue.held_in(FILE), Contents { runs: Vec::new(), singles: vec![(SequenceNumber(1), single(1).place)] });
}

#[test]
fn a_message_that_is_held_is_ready_when_its_time_has_come() {
    let mut queue = holding_queue();
    handle_at(&mut queue, 0, Input::Subscribe(consumer(ANN)));
    let [held, past] = [held_until("held", 50), held_until("past", -1)];
    assert_eq!(publish(&mut queue, &[(held.clone(), false), (past.clone(), false)]), [first(1, &past)]);
    assert_eq!((queue.ready_count(), queue.waiting_count(), queue.next_deadline()), (0, 1, Some(at(50))));
    assert_eq!(handle_at(&mut queue, 50, Input::Tick), [first(2, &held)]);
}

#[test]
fn held_messages_that_are_due_come_before_others() {
    let mut queue = holding_queue();
    let messages = [held_until("a", 30), super::message("b"), held_until("c", 20)];
    publish(&mut queue, &messages.clone().map(|message| (message, false)));
    assert_eq!(handle_at(&mut queue, 20, Input::Tick), []);
    assert_eq!(handle_at(&mut queue, 30, Input::Tick), []);
    let effects = handle_at(&mut queue, 30, Input::Subscribe(consumer(ANN)));
    assert_eq!(effects, [first(1, &messages[0]), first(2, &messages[2]), first(3, &messages[1])]);
}

#[test]
fn a_restart_knows_again_who_is_held() {
    let hold = Some(Hold::Until(ShortString::from_static("eta")));
    let runs = vec![Run { count: 2, ..single(1) }];
    let settings = Settings { hold, ..Settings::default() };
    let mut queue = Queue::recovered(false, runs.clone(), SequenceNumber(3), &[]).with(at(0), settings);
    assert_eq!(handle_at(&mut queue, 0, Input::Subscribe(consumer(ANN))), [Effect::Load(runs[0])]);
    let [held, past] = [held_until("held", 50), held_until("past", 1)];
    let mut messages =
        vec![(SequenceNumber(1), single(1).place, held.clone()), (SequenceNumber(2), single(2).place, past.clone())];
    let loaded = Input::Loaded { run: runs[0], messages: &mut messages };
    assert_eq!(handle_at(&mut queue, 10, loaded), [first(1, &past)]);
    assert_eq!((queue.waiting_count(), queue.next_deadline(), queue.ready_bytes()), (1, Some(at(50)), 0));
}

#[test]
fn held_messages_that_nobody_takes_do_not_stay_in_memory() {
    let mut queue = holding_queue();
    queue.set_memory_limit(held_until("m", 1).cost());
    let messages: Vec<_> = (1..=9).map(|time| (held_until("m", time), true)).collect();
    publish(&mut queue, &messages);
    let mut effects = handle_at(&mut queue, 10, Input::Tick);
    while let Some(Effect::Fetch(runs)) = effects.pop() {
        let mut found: Vec<_> = runs.iter().map(|run| (run.first, run.place, messages[0].0.clone())).collect();
        effects = handle_at(&mut queue, 10, Input::Fetched { runs: &runs, messages: &mut found });
    }
    assert_eq!((queue.ready_count(), queue.waiting_count()), (9, 0));
    assert!(queue.loaded_bytes() <= 2 * messages[0].0.cost());
    assert_eq!(queue.ready_bytes(), 9);
}

#[test]
fn purge_removes_those_that_wait() {
    let mut queue = holding_queue();
    let [held, ready] = [held_until("held", 50), super::message("ready")];
    publish(&mut queue, &[(held.clone(), true), (held, true), (ready, false)]);
    let gone = Effect::GoneRun(Run { count: 2, place: Place { length: 200, ..single(1).place }, ..single(1) });
    assert_eq!(handle_at(&mut queue, 1, Input::Purge), [gone, Effect::Removed(3)]);
    assert_eq!((queue.waiting_count(), queue.loaded_bytes()), (0, 0));
    assert_eq!(handle_at(&mut queue, 50, Input::Tick), []);
}

#[test]
fn those_that_wait_are_listed_and_cancelled() {
    let mut queue = delay_queue();
    queue.set_memory_limit(1);
    let messages = [30, 10, 20].map(|delay| delayed("m", delay * 1_000_000, 0));
    publish(&mut queue, &messages.clone().map(|message| (message, true)));
    let turns = |queue: &Queue, after, most| -> Vec<_> {
        queue.scheduled(after, most).iter().map(|one| (one.due.as_millis(), one.sequence.0)).collect()
    };
    assert_eq!(turns(&queue, None, 2), [(10_000_000, 2), (20_000_000, 3)]);
    let second = (at(20_000_000), SequenceNumber(3));
    assert_eq!(turns(&queue, Some(second), 2), [(30_000_000, 1)]);
    let gone = Effect::Gone { sequence: SequenceNumber(3), place: single(3).place };
    let unknown = (at(1), SequenceNumber(3));
    assert_eq!(handle_at(&mut queue, 0, Input::Cancel(&[second, unknown])), [gone, Effect::Removed(1)]);
    assert_eq!(turns(&queue, None, 9), [(10_000_000, 2), (30_000_000, 1)]);
}

#[test]
fn a_queue_is_not_empty_while_messages_wait() {
    let mut queue = holding_queue();
    publish(&mut queue, &[(held_until("held", 50), false)]);
    let mut effects = Vec::new();
    let input = Input::Delete { if_unused: false, if_empty: true };
    assert_eq!(queue.handle(at(0), input, &mut effects), Err(Refusal::NotEmpty));
    let deleted = handle_at(&mut queue, 0, Input::Delete { if_unused: false, if_empty: false });
    assert_eq!(deleted, [Effect::Removed(0)], "ready ones count");
    assert_eq!((queue.waiting_count(), queue.next_deadline()), (0, None));
}

#[test]
fn basic_get_finds_no_message_that_waits() {
    let mut queue = holding_queue();
    publish(&mut queue, &[(held_until("held", 50), false)]);
    assert_eq!(handle_at(&mut queue, 49, Input::Get { consumer: GETTER, no_ack: true }), [Effect::Got(None)]);
    assert_eq!(handle_at(&mut queue, 50, Input::Tick), []);
    assert_eq!(queue.ready_count(), 1);
}
