//! Exchange types that RabbitMQ has in plugins or since version 4: x-consistent-hash, x-modulus-hash, x-random,
//! x-local-random, x-recent-history. Which queue a hash leads to is each broker's own affair.

use crate::conn::Conn;
use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{bind, bind_exchange, declare, declare_exchange, get, publish, unbind};
use crate::support::properties::Properties;
use crate::support::value::{Table, Value, entries, entry, int, text};

scenarios!("exchange_types":
    a_weight_must_be_a_number_from_1_to_10000,
    a_weight_is_checked_after_both_ends,
    what_to_hash_is_a_header_or_a_property,
    an_alternate_is_checked_before_what_to_hash,
    what_to_hash_must_be_a_string,
    without_a_binding_a_message_is_unroutable,
    a_consistent_hash_leads_to_one_queue,
    a_modulus_hash_takes_any_binding_key,
    a_random_exchange_takes_any_binding_key,
    a_local_random_exchange_takes_classic_queues_alone,
    a_local_random_exchange_leads_to_its_queue,
    the_length_of_a_history_must_be_a_positive_integer,
    a_new_binding_gets_the_last_messages,
    binding_again_brings_nothing_again,
    a_second_binding_of_a_queue_brings_them_again,
    a_message_may_stay_out_of_the_history,
    a_history_goes_through_a_bound_exchange,
    what_a_bound_exchange_cannot_route_of_a_history_is_dropped,
    a_deleted_exchange_leaves_no_history,
);

const HASH: &str = "x-consistent-hash";
const HISTORY: &str = "x-recent-history";

fn a_weight_must_be_a_number_from_1_to_10000(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, HASH));
    c.call(declare(&q));
    let keys =
        ["", "a", "1.5", " 1", "1 ", "0", "-1", "+0", "10001", "99999999999999999999", "é", "1", "+5", "007", "10000"];
    for key in keys {
        c.attempt(bind(&q, &x, key));
    }
}

fn a_weight_is_checked_after_both_ends(s: &Script) {
    let mut c = s.connect();
    let (x, missing) = (s.name("x"), s.name("missing"));
    c.call(declare_exchange(&x, HASH));
    c.attempt(bind(&missing, &x, "a"));
    c.attempt(bind_exchange(&missing, &x, "a"));
    c.attempt(bind_exchange(&x, &x, "a"));
    c.attempt(unbind(&missing, &x, "a"));
}

fn hashing(entries: &[(&str, &str)]) -> Table {
    entries.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect()
}

fn what_to_hash_is_a_header_or_a_property(s: &Script) {
    let mut c = s.connect();
    let both = [("hash-header", "a"), ("hash-property", "message_id")];
    let both_wrong = [("hash-property", "no-such"), ("hash-header", "a")];
    for wanted in [&both[..], &both_wrong, &[("hash-property", "no-such")], &[("hash-property", "Message_id")]] {
        c.attempt(declare_exchange(&s.name("x"), HASH).set("arguments", hashing(wanted)));
    }
    for property in ["message_id", "correlation_id", "timestamp"] {
        c.attempt(declare_exchange(&s.name(property), HASH).set("arguments", hashing(&[("hash-property", property)])));
    }
    c.attempt(declare_exchange(&s.name("header"), HASH).set("arguments", hashing(&[("hash-header", "")])));
}

fn an_alternate_is_checked_before_what_to_hash(s: &Script) {
    let mut c = s.connect();
    let arguments = entries([("hash-property", text("no-such")), ("alternate-exchange", int(5))]);
    c.attempt(declare_exchange(&s.name("x"), HASH).set("arguments", arguments));
    let arguments = entry("hash-property", text("no-such"));
    c.attempt(declare_exchange("amq.never-declared", HASH).set("arguments", arguments));
}

fn what_to_hash_must_be_a_string(s: &Script) {
    for name in ["hash-header", "hash-property"] {
        let mut c = s.connect_as(name);
        c.attempt(declare_exchange(&s.name("x"), HASH).set("arguments", entry(name, int(5))));
    }
}

fn without_a_binding_a_message_is_unroutable(s: &Script) {
    let mut c = s.connect();
    for kind in [HASH, "x-modulus-hash", "x-random", "x-local-random", HISTORY] {
        let x = s.name(kind);
        c.call(declare_exchange(&x, kind));
        c.publish(&publish(&x, "k").flag("mandatory"), &Properties::none(), "lost");
        c.expect("basic.return");
    }
}

fn a_consistent_hash_leads_to_one_queue(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, HASH).set("arguments", entry("hash-header", text("id"))));
    c.call(declare(&q));
    c.call(bind(&q, &x, "1"));
    let with_id = Properties::none().headers(entry("id", int(7)));
    for properties in [Properties::none(), with_id, Properties::none().headers(entry("id", Value::Void))] {
        c.publish(&publish(&x, "k"), &properties, "one");
    }
    c.sync();
    for _ in 0..4 {
        c.call(get(&q).flag("no-ack"));
    }
    c.call(unbind(&q, &x, "1"));
    c.publish(&publish(&x, "k").flag("mandatory"), &Properties::none(), "lost");
    c.expect("basic.return");
}

fn any_binding_key(s: &Script, kind: &str) {
    let mut c = s.connect();
    let (x, y, q) = (s.name("x"), s.name("y"), s.name("q"));
    c.call(declare_exchange(&x, kind).set("arguments", entry("hash-property", text("no-such"))));
    c.call(declare_exchange(&y, "fanout"));
    c.call(declare(&q));
    c.call(bind(&q, &x, ""));
    c.call(bind(&q, &x, "a.#"));
    c.publish(&publish(&x, "k"), &Properties::none(), "one");
    c.sync();
    c.call(get(&q).flag("no-ack"));
    c.call(get(&q).flag("no-ack"));
    c.call(bind_exchange(&y, &x, "b"));
}

fn a_modulus_hash_takes_any_binding_key(s: &Script) {
    any_binding_key(s, "x-modulus-hash");
}

fn a_random_exchange_takes_any_binding_key(s: &Script) {
    any_binding_key(s, "x-random");
}

fn a_local_random_exchange_takes_classic_queues_alone(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, "x-local-random"));
    c.call(declare(&q));
    c.attempt(bind(&q, &x, "k"));
    c.attempt(bind(&q, &x, "é"));
    c.attempt(bind_exchange(&x, &x, "k"));
    c.attempt(bind_exchange(&x, &x, ""));
    c.attempt(bind(&s.name("missing"), &x, "k"));
    c.attempt(bind(&q, &x, ""));
}

fn a_local_random_exchange_leads_to_its_queue(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, "x-local-random"));
    c.call(declare(&q));
    c.call(bind(&q, &x, ""));
    c.publish(&publish(&x, "any"), &Properties::none(), "one");
    c.sync();
    c.call(get(&q).flag("no-ack"));
}

fn the_length_of_a_history_must_be_a_positive_integer(s: &Script) {
    let mut c = s.connect();
    let x = s.name("x");
    let refused = [int(0), int(-1), text("5"), Value::Bool(true), Value::Void, Value::F64(5.5), Value::Timestamp(5)];
    for value in refused {
        c.attempt(declare_exchange(&x, HISTORY).set("arguments", entry("x-recent-history-length", value)));
    }
    let numbers =
        [Value::I8(5), Value::U8(5), Value::I16(5), Value::U16(5), int(5), Value::U32(5), Value::I64(1 << 40)];
    for value in numbers {
        c.attempt(declare_exchange(&s.name("y"), HISTORY).set("arguments", entry("x-recent-history-length", value)));
    }
}

fn a_new_binding_gets_the_last_messages(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, HISTORY).set("arguments", entry("x-recent-history-length", int(2))));
    c.call(declare(&q));
    let properties = Properties::none().text("message-id", "m").headers(entry("a", int(1)));
    for body in ["first", "second", "third"] {
        c.publish(&publish(&x, "k"), &properties, body);
    }
    c.sync();
    c.call(bind(&q, &x, ""));
    c.publish(&publish(&x, "k"), &Properties::none(), "fourth");
    c.sync();
    for _ in 0..4 {
        c.call(get(&q).flag("no-ack"));
    }
}

/// A client, an exchange that has seen a message, and a queue.
fn with_history(s: &Script) -> (Conn, String, String) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, HISTORY));
    c.call(declare(&q));
    c.publish(&publish(&x, "k"), &Properties::none(), "first");
    c.sync();
    (c, x, q)
}

fn binding_again_brings_nothing_again(s: &Script) {
    let (mut c, x, q) = with_history(s);
    c.call(bind(&q, &x, ""));
    c.call(bind(&q, &x, ""));
    c.call(get(&q).flag("no-ack"));
    c.call(get(&q).flag("no-ack"));
    c.call(unbind(&q, &x, ""));
    c.call(bind(&q, &x, ""));
    c.call(get(&q).flag("no-ack"));
}

fn a_second_binding_of_a_queue_brings_them_again(s: &Script) {
    let (mut c, x, q) = with_history(s);
    c.call(bind(&q, &x, "one"));
    c.call(bind(&q, &x, "another"));
    for _ in 0..3 {
        c.call(get(&q).flag("no-ack"));
    }
}

fn a_message_may_stay_out_of_the_history(s: &Script) {
    let mut c = s.connect();
    let (x, q, later) = (s.name("x"), s.name("q"), s.name("later"));
    c.call(declare_exchange(&x, HISTORY));
    c.call(declare(&q));
    c.call(declare(&later));
    c.call(bind(&q, &x, ""));
    for value in [Value::Bool(true), Value::Bool(false), text("true")] {
        let properties = Properties::none().headers(entry("x-recent-history-no-store", value));
        c.publish(&publish(&x, "k"), &properties, "maybe");
    }
    c.sync();
    c.call(bind(&later, &x, ""));
    for queue in [&q, &q, &q, &q, &later, &later, &later] {
        c.call(get(queue).flag("no-ack"));
    }
}

fn a_history_goes_through_a_bound_exchange(s: &Script) {
    let mut c = s.connect();
    let (x, y, q) = (s.name("x"), s.name("y"), s.name("q"));
    c.call(declare_exchange(&x, HISTORY));
    c.call(declare_exchange(&y, "direct"));
    c.call(declare(&q));
    c.call(bind(&q, &y, "k"));
    c.publish(&publish(&x, "k"), &Properties::none(), "first");
    let headers = entry("CC", Value::Array(vec![text("k")]));
    c.publish(&publish(&x, "other"), &Properties::none().headers(headers), "second");
    c.sync();
    c.call(bind_exchange(&y, &x, ""));
    for _ in 0..3 {
        c.call(get(&q).flag("no-ack"));
    }
}

fn what_a_bound_exchange_cannot_route_of_a_history_is_dropped(s: &Script) {
    let mut c = s.connect();
    let (x, y) = (s.name("x"), s.name("y"));
    c.call(declare_exchange(&x, HISTORY));
    c.call(declare_exchange(&y, "direct"));
    c.publish(&publish(&x, "k"), &Properties::none(), "first");
    c.sync();
    c.attempt(bind_exchange(&y, &x, ""));
}

fn a_deleted_exchange_leaves_no_history(s: &Script) {
    let (mut c, x, q) = with_history(s);
    c.call(crate::support::commands::delete_exchange(&x));
    c.call(declare_exchange(&x, HISTORY));
    c.call(bind(&q, &x, ""));
    c.call(get(&q).flag("no-ack"));
}
