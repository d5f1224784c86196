//! Queues that tell priorities of messages apart: the order of what comes out, and what makes room.

use crate::conn::Conn;
use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{consume, declare, get, nack, publish};
use crate::support::properties::Properties;
use crate::support::value::{Table, entries, entry, int, text};

scenarios!("priority":
    the_highest_priority_comes_first_and_each_in_order,
    a_consumer_has_what_is_most_urgent_first,
    a_requeued_message_goes_back_among_those_of_its_priority,
    a_requeued_message_comes_after_what_is_more_urgent,
    a_full_queue_drops_the_oldest_of_the_highest_priority,
    a_full_queue_refuses_whatever_the_priority,
    only_the_next_message_is_looked_at_for_its_expiration,
    with_zero_it_is_as_with_one,
    without_the_argument_there_are_no_priorities,
    all_priorities_are_told_apart_up_to_255,
    another_highest_priority_is_inequivalent,
);

/// A queue with these messages.
fn queue_with(s: &Script, arguments: Table, messages: &[(Option<u8>, &str)]) -> (Conn, String) {
    let mut c = s.connect();
    let q = s.another_name("q");
    c.call(declare(&q).set("arguments", arguments));
    fill(&mut c, &q, messages);
    (c, q)
}

fn fill(c: &mut Conn, queue: &str, messages: &[(Option<u8>, &str)]) {
    for (priority, body) in messages {
        let none = Properties::none();
        let properties = priority.map_or_else(Properties::none, |priority| none.priority(priority));
        c.publish(&publish("", queue), &properties, body);
    }
    c.sync();
}

fn up_to(highest: i32) -> Table {
    entry("x-max-priority", int(highest))
}

/// All that is left in the queue, and that there is nothing more.
fn drain(c: &mut Conn, queue: &str, messages: usize) {
    for _ in 0..=messages {
        c.call(get(queue).flag("no-ack"));
    }
}

fn the_highest_priority_comes_first_and_each_in_order(s: &Script) {
    let messages = [
        (None, "none"),
        (Some(1), "one"),
        (Some(5), "five"),
        (Some(9), "nine is five"),
        (Some(0), "zero"),
        (Some(5), "five again"),
        (Some(255), "255 is five"),
        (Some(1), "one again"),
    ];
    let (mut c, q) = queue_with(s, up_to(5), &messages);
    drain(&mut c, &q, 8);
}

fn a_consumer_has_what_is_most_urgent_first(s: &Script) {
    let messages = [(Some(1), "a"), (Some(3), "b"), (Some(2), "c"), (Some(3), "d")];
    let (mut c, q) = queue_with(s, up_to(3), &messages);
    c.call(consume(&q, "ctag").flag("no-ack"));
    for _ in 0..4 {
        c.expect("basic.deliver");
    }
}

fn a_requeued_message_goes_back_among_those_of_its_priority(s: &Script) {
    let messages = [(Some(1), "a"), (Some(5), "b"), (Some(5), "c"), (Some(1), "d"), (Some(5), "e")];
    let (mut c, q) = queue_with(s, up_to(5), &messages);
    for _ in 0..4 {
        c.call(get(&q));
    }
    fill(&mut c, &q, &[(Some(5), "f"), (Some(1), "g")]);
    c.send(&nack(4).flag("multiple").flag("requeue"));
    drain(&mut c, &q, 7);
}

fn a_requeued_message_comes_after_what_is_more_urgent(s: &Script) {
    let (mut c, q) = queue_with(s, up_to(5), &[(Some(2), "a"), (Some(2), "b")]);
    c.call(get(&q));
    fill(&mut c, &q, &[(Some(3), "c")]);
    c.send(&nack(1).flag("requeue"));
    drain(&mut c, &q, 3);
}

fn a_full_queue_drops_the_oldest_of_the_highest_priority(s: &Script) {
    let limited = entries([("x-max-priority", int(5)), ("x-max-length", int(2))]);
    let messages = [(Some(1), "a"), (Some(5), "b"), (Some(5), "c"), (Some(1), "d"), (Some(3), "e")];
    let (mut c, q) = queue_with(s, limited, &messages);
    drain(&mut c, &q, 2);
}

fn a_full_queue_refuses_whatever_the_priority(s: &Script) {
    let limited =
        entries([("x-max-priority", int(5)), ("x-max-length", int(2)), ("x-overflow", text("reject-publish"))]);
    let messages = [(Some(1), "a"), (Some(2), "b"), (Some(5), "c")];
    let (mut c, q) = queue_with(s, limited, &messages);
    drain(&mut c, &q, 2);
}

fn only_the_next_message_is_looked_at_for_its_expiration(s: &Script) {
    let (mut c, q) = queue_with(s, up_to(5), &[(Some(5), "high"), (Some(5), "high, too")]);
    c.publish(&publish("", &q), &Properties::none().priority(1).text("expiration", "0"), "low");
    c.sync();
    c.call(get(&q));
    c.call(get(&q));
    c.call(get(&q));
}

fn with_zero_it_is_as_with_one(s: &Script) {
    for highest in [0, 1] {
        let messages = [(Some(1), "a"), (Some(9), "b"), (None, "c"), (Some(5), "d"), (Some(0), "e")];
        let (mut c, q) = queue_with(s, up_to(highest), &messages);
        drain(&mut c, &q, 5);
    }
}

fn without_the_argument_there_are_no_priorities(s: &Script) {
    let (mut c, q) = queue_with(s, Table::default(), &[(Some(1), "a"), (Some(9), "b"), (None, "c"), (Some(5), "d")]);
    drain(&mut c, &q, 4);
}

fn all_priorities_are_told_apart_up_to_255(s: &Script) {
    let messages = [(Some(0), "a"), (Some(255), "b"), (Some(128), "c"), (Some(127), "d"), (Some(254), "e")];
    let (mut c, q) = queue_with(s, up_to(255), &messages);
    drain(&mut c, &q, 5);
}

fn another_highest_priority_is_inequivalent(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    for arguments in [up_to(5), up_to(5), up_to(6), Table::default(), up_to(0)] {
        c.attempt(declare(&q).set("arguments", arguments));
    }
    let other = s.another_name("q");
    for arguments in [Table::default(), up_to(5), up_to(0)] {
        c.attempt(declare(&other).set("arguments", arguments));
    }
}
