//! Which fault is told where a method has several, and how texts about long names are cut.

use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{
    bind, bind_exchange, consume, declare, declare_exchange, declare_passive, delete, delete_exchange, get, method,
    publish,
};
use crate::support::properties::Properties;
use crate::support::value::{Value, entries, entry, int, text};

scenarios!("precedence":
    of_several_faults_of_a_message_one_is_told,
    of_several_faults_of_an_exchange_declaration_one_is_told,
    of_several_faults_of_a_queue_declaration_one_is_told,
    of_several_differences_of_a_queue_one_is_told,
    of_several_differences_of_an_exchange_one_is_told,
    of_several_faults_of_a_binding_one_is_told,
    of_several_faults_of_a_consumer_one_is_told,
    of_several_faults_of_a_deletion_one_is_told,
    texts_about_long_names_are_cut,
    texts_about_long_names_of_several_octets_a_letter_are_cut,
    the_empty_name_is_no_queue_to_ask_for,
    a_prefix_of_generated_names_is_limited,
    connection_methods_of_the_broker_close_the_connection,
    getting_from_a_queue_with_an_exclusive_consumer_succeeds,
    settling_without_a_delivery_is_told_with_its_tag,
);

fn of_several_faults_of_a_message_one_is_told(s: &Script) {
    let mut c = s.connect();
    let (q, internal) = (s.name("q"), s.name("internal"));
    c.call(declare(&q));
    c.call(declare_exchange(&internal, "direct").flag("internal"));
    let reply_to = || Properties::none().text("reply-to", "amq.rabbitmq.reply-to");
    let cc = || entry("CC", text("no array"));
    for properties in [
        reply_to().text("expiration", "soon"),
        Properties::none().text("expiration", "soon").headers(cc()),
        Properties::none().text("expiration", "soon").text("user-id", "somebody"),
        Properties::none().text("user-id", "somebody").headers(cc()),
        reply_to().text("user-id", "somebody").headers(cc()),
        Properties::none().headers(entries([("BCC", int(1)), ("CC", int(1))])),
    ] {
        for exchange in ["", internal.as_str(), "no such exchange"] {
            c.publish(&publish(exchange, &q), &properties, "refused");
            c.sync();
            c.reopen();
        }
    }
}

fn of_several_faults_of_an_exchange_declaration_one_is_told(s: &Script) {
    let mut c = s.connect();
    let no_string = || entry("alternate-exchange", int(1));
    c.attempt(declare_exchange("amq.of-our-own", "no-such-type"));
    c.attempt(declare_exchange("amq.of-our-own", "direct").set("arguments", no_string()));
    c.attempt(declare_exchange("amq.of-our-own", "no-such-type").flag("passive"));
    c.attempt(declare_exchange("", "direct").set("arguments", no_string()));
    c.attempt(declare_exchange(&s.name("x"), "no-such-type").set("arguments", no_string()));
}

fn of_several_faults_of_a_queue_declaration_one_is_told(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    let quorum = |more| entries([("x-queue-type", text("quorum")), more]);
    for (name, arguments) in [
        ("amq.of-our-own", entry("x-message-ttl", int(-1))),
        ("amq.of-our-own", entry("x-queue-type", text("no-such-type"))),
        ("amq.of-our-own", quorum(("x-message-ttl", int(-1)))),
        ("", entry("x-message-ttl", int(-1))),
        ("", quorum(("x-message-ttl", int(-1)))),
        (q.as_str(), quorum(("x-message-ttl", int(-1)))),
        (q.as_str(), quorum(("x-dead-letter-exchange", int(1)))),
        (q.as_str(), entries([("x-dead-letter-exchange", int(1)), ("x-message-ttl", int(-1))])),
        (q.as_str(), entries([("x-dead-letter-exchange", int(1)), ("x-queue-type", text("no-such-type"))])),
        (q.as_str(), entries([("x-dead-letter-exchange", int(1)), ("x-max-age", text("1h"))])),
    ] {
        c.attempt(declare(name).set("arguments", arguments));
    }
}

fn of_several_differences_of_a_queue_one_is_told(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    let mode = ("x-queue-mode", text("lazy"));
    c.call(declare(&q));
    c.attempt(declare(&q).flag("durable").set("arguments", entries([mode.clone()])));
    c.attempt(declare(&q).flag("auto-delete").set("arguments", entries([mode.clone()])));
    for other in [
        ("x-queue-version", int(2)),
        ("x-queue-type", text("quorum")),
        ("x-queue-leader-locator", text("balanced")),
        ("x-single-active-consumer", Value::Bool(true)),
        ("x-overflow", text("drop-head")),
        ("x-max-priority", int(1)),
        ("x-message-ttl", int(1)),
    ] {
        c.attempt(declare(&q).set("arguments", entries([mode.clone(), other.clone()])));
        c.attempt(declare(&q).set("arguments", entries([("x-queue-type", text("quorum")), other])));
    }
    let others = entries([
        ("x-queue-leader-locator", text("balanced")),
        ("x-single-active-consumer", Value::Bool(true)),
        ("x-max-priority", int(1)),
        ("x-overflow", text("drop-head")),
        ("x-max-length-bytes", int(1)),
        ("x-max-length", int(1)),
        ("x-message-ttl", int(1)),
        ("x-dead-letter-routing-key", text("key")),
        ("x-dead-letter-exchange", text("")),
        ("x-expires", int(1)),
        ("x-queue-version", int(2)),
    ]);
    for first in 0..others.len() {
        c.attempt(declare(&q).set("arguments", others[first..].to_vec()));
        c.attempt(declare(&q).set("arguments", others[..=first].to_vec()));
    }
}

fn of_several_differences_of_an_exchange_one_is_told(s: &Script) {
    let mut c = s.connect();
    let x = s.name("x");
    c.call(declare_exchange(&x, "direct"));
    let alternate = || entry("alternate-exchange", text("other"));
    c.attempt(declare_exchange(&x, "fanout").flag("durable").flag("auto-delete").flag("internal"));
    c.attempt(declare_exchange(&x, "direct").flag("durable").flag("auto-delete").flag("internal"));
    c.attempt(declare_exchange(&x, "direct").flag("auto-delete").flag("internal").set("arguments", alternate()));
    c.attempt(declare_exchange(&x, "direct").flag("internal").set("arguments", alternate()));
    c.attempt(declare_exchange(&x, "direct").set("arguments", entry("alternate-exchange", int(1))));
}

fn of_several_faults_of_a_binding_one_is_told(s: &Script) {
    let (mut owner, mut c) = (s.connect_as("owner"), s.connect());
    let (x, q, missing) = (s.name("x"), s.name("q"), s.name("missing"));
    owner.call(declare(&q).flag("exclusive"));
    owner.call(declare_exchange(&x, "headers"));
    let wrong = || entry("x-match", text("wrong"));
    c.attempt(bind(&missing, "", "key"));
    c.attempt(bind(&missing, &missing, "key"));
    c.attempt(bind(&q, &missing, "key"));
    c.attempt(bind(&q, "", "key"));
    c.attempt(bind(&q, &x, "key").set("arguments", wrong()));
    c.attempt(bind(&missing, &x, "key").set("arguments", wrong()));
    c.attempt(bind_exchange(&missing, "", "key"));
    c.attempt(bind_exchange("", &missing, "key"));
    c.attempt(bind_exchange(&missing, &x, "key").set("arguments", wrong()));
}

fn of_several_faults_of_a_consumer_one_is_told(s: &Script) {
    let (mut owner, mut c) = (s.connect_as("owner"), s.connect());
    let (q, shared) = (s.name("q"), s.name("shared"));
    owner.call(declare(&q).flag("exclusive"));
    c.call(declare(&shared));
    let wrong = || entry("x-priority", text("wrong"));
    c.attempt(consume(&q, "tag").set("arguments", wrong()));
    owner.call(consume(&shared, "first"));
    c.attempt(consume(&shared, "tag").flag("exclusive").set("arguments", wrong()));
    c.attempt(consume("amq.rabbitmq.reply-to", "tag").set("arguments", wrong()));
    c.attempt(consume("amq.rabbitmq.reply-to", "tag").flag("no-ack").flag("exclusive").set("arguments", wrong()));
}

fn of_several_faults_of_a_deletion_one_is_told(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare(&q));
    c.publish(&publish("", &q), &Properties::none(), "one");
    c.publish(&publish("", &q), &Properties::none(), "two");
    c.call(method("basic.qos").set("prefetch-count", 1));
    c.call(consume(&q, "tag"));
    c.expect("basic.deliver");
    c.call_on(2, method("channel.open"));
    c.call_on(2, delete(&q).flag("if-unused").flag("if-empty"));
    s.note("what is missing is not looked at");
    c.attempt(delete(&x).flag("if-unused").flag("if-empty"));
    c.attempt(delete_exchange(&x).flag("if-unused"));
    c.attempt(delete_exchange("amq.direct").flag("if-unused"));
    c.attempt(delete_exchange("amq.of-our-own"));
}

fn texts_about_long_names_are_cut(s: &Script) {
    let mut c = s.connect();
    for octets in [214, 215, 216, 217, 218, 219, 255] {
        c.attempt(declare_passive(&"x".repeat(octets)));
    }
    c.attempt(declare_passive(&"\u{e9}".repeat(50)));
}

fn texts_about_long_names_of_several_octets_a_letter_are_cut(s: &Script) {
    for name in ["\u{e9}".repeat(127), format!("x{}", "\u{20ac}".repeat(84))] {
        s.connect().call(declare_passive(&name));
    }
}

fn the_empty_name_is_no_queue_to_ask_for(s: &Script) {
    let mut c = s.connect();
    c.attempt(declare_passive(""));
    s.note("also not as the last declared");
    c.call(declare(&s.name("q")));
    c.attempt(declare_passive(""));
}

fn a_prefix_of_generated_names_is_limited(s: &Script) {
    let mut c = s.connect();
    let prefixed = |prefix| declare("").flag("exclusive").set("arguments", entry("x-name-prefix", prefix));
    c.attempt(prefixed(text("tmp")));
    c.attempt(prefixed(text("x".repeat(65))));
    c.attempt(prefixed(text("\u{20ac}".repeat(22))));
    c.attempt(prefixed(int(1)));
    s.note("a queue with a name may have it, for what it is worth");
    c.attempt(declare(&s.name("q")).set("arguments", entry("x-name-prefix", text("x".repeat(65)))));
}

fn connection_methods_of_the_broker_close_the_connection(s: &Script) {
    for name in [
        "connection.start",
        "connection.secure",
        "connection.secure-ok",
        "connection.tune",
        "connection.open-ok",
        "connection.blocked",
        "connection.unblocked",
        "connection.update-secret-ok",
        "channel.open",
        "channel.close",
    ] {
        let mut c = s.connect();
        c.send_on(0, &method(name));
        c.until(0, &[]);
    }
}

fn getting_from_a_queue_with_an_exclusive_consumer_succeeds(s: &Script) {
    let (mut owner, mut c) = (s.connect_as("owner"), s.connect());
    let q = s.name("q");
    owner.call(declare(&q));
    owner.call(consume(&q, "only").flag("exclusive"));
    c.call(get(&q));
}

fn settling_without_a_delivery_is_told_with_its_tag(s: &Script) {
    let mut c = s.connect();
    for tag in [1, u64::MAX] {
        for name in ["basic.ack", "basic.nack", "basic.reject"] {
            c.tell(&method(name).set("delivery-tag", tag));
            c.reopen();
        }
    }
}
