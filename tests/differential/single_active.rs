//! Queues that one consumer at a time is served from (`x-single-active-consumer`).

use crate::conn::Conn;
use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{ack, cancel, consume, declare, get, method, nack, prefetch, publish};
use crate::support::method::Method;
use crate::support::properties::Properties;
use crate::support::value::{Value, entries, entry, int, text};

scenarios!("single_active":
    the_first_consumer_is_served_and_the_others_wait,
    an_active_consumer_without_room_holds_up_the_others,
    the_next_is_of_the_highest_priority_and_of_these_the_oldest,
    a_higher_priority_does_not_take_over_a_classic_queue,
    what_a_cancelled_consumer_holds_stays_with_it,
    what_a_closed_channel_held_goes_to_the_next,
    an_exclusive_consumer_is_refused,
    getting_is_allowed_beside_the_active_consumer,
    false_is_as_if_it_were_left_out,
    a_quorum_queue_serves_the_first_consumer,
    a_higher_priority_takes_over_a_quorum_queue_once_nothing_is_unacked,
    an_equal_priority_does_not_take_over_a_quorum_queue,
    whoever_was_taken_over_from_keeps_its_place_among_its_equals,
    getting_from_a_quorum_queue_is_refused,
);

fn with_priority(queue: &str, consumer_tag: &str, priority: i32) -> Method {
    consume(queue, consumer_tag).set("arguments", entry("x-priority", int(priority)))
}

fn single(queue: &str) -> Method {
    declare(queue).set("arguments", entry("x-single-active-consumer", Value::Bool(true)))
}

fn single_quorum(queue: &str) -> Method {
    let arguments = entries([("x-queue-type", text("quorum")), ("x-single-active-consumer", Value::Bool(true))]);
    declare(queue).flag("durable").set("arguments", arguments)
}

fn fill(c: &mut Conn, queue: &str, bodies: &[&str]) {
    for body in bodies {
        c.publish_unseen(1, &publish("", queue), &Properties::none(), body.as_bytes());
    }
}

fn the_first_consumer_is_served_and_the_others_wait(s: &Script) {
    let (mut one, mut two) = (s.connect_as("one"), s.connect_as("two"));
    let q = s.name("q");
    one.call(single(&q));
    one.call(consume(&q, "first"));
    two.call(consume(&q, "second"));
    one.call(consume(&q, "third"));
    fill(&mut two, &q, &["a", "b"]);
    one.expect("basic.deliver");
    one.expect("basic.deliver");
    one.call(cancel("first"));
    fill(&mut two, &q, &["c"]);
    two.expect("basic.deliver");
    one.call(declare(&q).flag("passive"));
}

fn an_active_consumer_without_room_holds_up_the_others(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(single(&q));
    c.call(prefetch(1));
    c.call(consume(&q, "first"));
    c.call(consume(&q, "second"));
    fill(&mut c, &q, &["a", "b", "c"]);
    c.expect("basic.deliver");
    s.note("the others are still in the queue");
    c.call(get(&q).flag("no-ack"));
    c.send(&ack(1));
    c.expect("basic.deliver");
}

fn the_next_is_of_the_highest_priority_and_of_these_the_oldest(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(single(&q));
    c.call(with_priority(&q, "active", 1));
    c.call(with_priority(&q, "low", 0));
    c.call(with_priority(&q, "high", 5));
    c.call(with_priority(&q, "younger", 5));
    c.call(with_priority(&q, "highest", 6));
    for consumer_tag in ["active", "highest", "high", "younger", "low"] {
        fill(&mut c, &q, &["for the active one"]);
        c.expect("basic.deliver");
        c.call(cancel(consumer_tag));
    }
}

fn a_higher_priority_does_not_take_over_a_classic_queue(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(single(&q));
    c.call(consume(&q, "active"));
    c.call(with_priority(&q, "higher", 5));
    fill(&mut c, &q, &["a", "b"]);
    c.expect("basic.deliver");
    c.send(&ack(1));
    c.expect("basic.deliver");
}

fn what_a_cancelled_consumer_holds_stays_with_it(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(single(&q));
    c.call(consume(&q, "first"));
    c.call(consume(&q, "second"));
    fill(&mut c, &q, &["a"]);
    c.expect("basic.deliver");
    c.call(cancel("first"));
    fill(&mut c, &q, &["b"]);
    c.expect("basic.deliver");
    c.send(&nack(1).flag("requeue"));
    c.expect("basic.deliver");
}

fn what_a_closed_channel_held_goes_to_the_next(s: &Script) {
    let (mut one, mut two) = (s.connect_as("one"), s.connect_as("two"));
    let q = s.name("q");
    one.call(single(&q));
    one.call(consume(&q, "first"));
    two.call(consume(&q, "second"));
    fill(&mut two, &q, &["a", "b"]);
    one.expect("basic.deliver");
    one.expect("basic.deliver");
    one.call(method("channel.close"));
    two.expect("basic.deliver");
    two.expect("basic.deliver");
}

fn an_exclusive_consumer_is_refused(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(single(&q));
    c.attempt(consume(&q, "first").flag("exclusive"));
    c.call(consume(&q, "first"));
    c.attempt(consume(&q, "second").flag("exclusive"));
}

fn getting_is_allowed_beside_the_active_consumer(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(single(&q));
    c.call(prefetch(1));
    c.call(consume(&q, "first"));
    fill(&mut c, &q, &["a", "b"]);
    c.expect("basic.deliver");
    c.call(get(&q));
}

fn false_is_as_if_it_were_left_out(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q).set("arguments", entry("x-single-active-consumer", Value::Bool(false))));
    c.call(consume(&q, "first"));
    c.call(consume(&q, "second"));
    fill(&mut c, &q, &["a", "b"]);
    c.expect("basic.deliver");
    c.expect("basic.deliver");
    c.attempt(declare(&q));
}

fn a_quorum_queue_serves_the_first_consumer(s: &Script) {
    let (mut one, mut two) = (s.connect_as("one"), s.connect_as("two"));
    let q = s.name("q");
    one.call(single_quorum(&q));
    one.call(consume(&q, "first"));
    two.call(consume(&q, "second"));
    fill(&mut two, &q, &["a"]);
    one.expect("basic.deliver");
    fill(&mut two, &q, &["b"]);
    one.expect("basic.deliver");
    one.call(cancel("first"));
    fill(&mut two, &q, &["c"]);
    two.expect("basic.deliver");
}

fn a_higher_priority_takes_over_a_quorum_queue_once_nothing_is_unacked(s: &Script) {
    let (mut one, mut two) = (s.connect_as("one"), s.connect_as("two"));
    let q = s.name("q");
    one.call(single_quorum(&q));
    one.call(consume(&q, "active"));
    fill(&mut one, &q, &["a"]);
    one.expect("basic.deliver");
    fill(&mut one, &q, &["b"]);
    one.expect("basic.deliver");
    two.call(with_priority(&q, "higher", 5));
    fill(&mut one, &q, &["c"]);
    one.sync();
    s.note("nothing more to the first");
    one.tell(&ack(1));
    s.note("now it has settled everything");
    one.tell(&ack(2));
    two.expect("basic.deliver");
}

fn an_equal_priority_does_not_take_over_a_quorum_queue(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(single_quorum(&q));
    c.call(with_priority(&q, "active", 2));
    c.call(with_priority(&q, "equal", 2));
    c.call(with_priority(&q, "low", 1));
    for tag in [1, 2] {
        fill(&mut c, &q, &["x"]);
        c.expect("basic.deliver");
        c.tell(&ack(tag));
    }
}

fn whoever_was_taken_over_from_keeps_its_place_among_its_equals(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(single_quorum(&q));
    c.call(with_priority(&q, "first", 0));
    c.call(with_priority(&q, "second", 0));
    c.call(with_priority(&q, "higher", 1));
    for (tag, consumer_tag) in [(1, "higher"), (2, "first"), (3, "second")] {
        fill(&mut c, &q, &["x"]);
        c.expect("basic.deliver");
        c.tell(&ack(tag));
        c.call(cancel(consumer_tag));
    }
}

fn getting_from_a_quorum_queue_is_refused(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(single_quorum(&q));
    c.attempt(get(&q));
    c.call(consume(&q, "first"));
    c.attempt(get(&q));
}
