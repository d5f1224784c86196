//! Queues of type quorum, as a client sees them on one node.

use crate::conn::Conn;
use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{
    ack, cancel, consume, declare, declare_passive, delete, get, method, nack, prefetch, publish, purge, reject,
};
use crate::support::method::Method;
use crate::support::properties::Properties;
use crate::support::value::{Table, Value, entries, entry, int, text};

scenarios!("quorum":
    arguments_that_a_quorum_queue_takes,
    wrong_values_are_refused,
    arguments_of_other_types_are_refused,
    a_wrong_value_is_told_before_an_argument_of_another_type,
    redeclaring_compares_what_a_quorum_queue_knows,
    another_type_is_inequivalent,
    a_global_prefetch_beside_a_quorum_queue,
    conditions_of_a_deletion_are_not_implemented,
    the_exclusive_flag_of_a_consumer,
    consumer_arguments,
    purging_counts_what_is_ready,
    a_transient_message_is_delivered_as_it_was_sent,
    what_comes_back_is_served_first_in_the_order_of_its_return,
    reject_counts_and_nack_does_not,
    getting_counts_as_consuming,
    recover_does_not_count,
    a_lost_channel_counts,
    a_cancelled_consumer_does_not_count,
    a_message_dies_over_the_delivery_limit,
    nack_never_reaches_the_limit,
    a_negative_limit_is_none,
    a_limit_of_zero_allows_one_delivery,
    headers_of_the_publisher_are_replaced,
    priorities_of_consumers,
    unacked_messages_do_not_count_as_ready,
    a_transaction_with_a_quorum_queue,
);

fn quorum(queue: &str) -> Method {
    quorum_with(queue, Table::new())
}

fn quorum_with(queue: &str, more: Table) -> Method {
    let mut arguments = entry("x-queue-type", text("quorum"));
    arguments.extend(more);
    declare(queue).flag("durable").set("arguments", arguments)
}

/// A declared quorum queue with these messages, which are in it.
fn filled(s: &Script, more: Table, bodies: &[&str]) -> (Conn, String) {
    let mut c = s.connect();
    let q = s.another_name("q");
    c.call(quorum_with(&q, more));
    fill(s, &q, bodies);
    (c, q)
}

fn fill(s: &Script, queue: &str, bodies: &[&str]) {
    let mut publisher = s.connect_as("publisher");
    publisher.hide(true);
    publisher.call(method("confirm.select"));
    for body in bodies {
        publisher.publish(&publish("", queue), &Properties::none(), body);
    }
    publisher.confirmed();
}

fn arguments_that_a_quorum_queue_takes(s: &Script) {
    for more in [
        entry("x-delivery-limit", int(5)),
        entry("x-delivery-limit", int(-1)),
        entry("x-delivery-limit", text("five")),
        entry("x-quorum-initial-group-size", int(3)),
        entry("x-dead-letter-strategy", text("at-most-once")),
        entry("x-dead-letter-strategy", text("at-least-once")),
        entry("x-max-in-memory-length", int(5)),
        entry("x-max-in-memory-bytes", int(5)),
        entry("x-consumer-timeout", int(60_000)),
        entry("x-consumer-disconnected-timeout", int(60_000)),
        entry("x-expires", int(600_000)),
        entry("x-message-ttl", int(600_000)),
        entry("x-max-length", int(5)),
        entry("x-max-length-bytes", int(5)),
        entry("x-overflow", text("reject-publish")),
        entry("x-overflow", text("reject-publish-dlx")),
        entry("x-single-active-consumer", Value::Bool(true)),
        entry("x-queue-leader-locator", text("client-local")),
        entry("x-unknown", int(5)),
    ] {
        let mut c = s.connect();
        let q = s.another_name("q");
        c.attempt(quorum_with(&q, more));
    }
}

fn wrong_values_are_refused(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    for (argument, value) in [
        ("x-quorum-initial-group-size", int(0)),
        ("x-quorum-initial-group-size", text("three")),
        ("x-dead-letter-strategy", text("perhaps")),
        ("x-dead-letter-strategy", int(1)),
        ("x-max-in-memory-length", int(-1)),
        ("x-consumer-timeout", int(-1)),
        ("x-consumer-timeout", text("soon")),
        ("x-consumer-disconnected-timeout", int(-1)),
        ("x-overflow", text("none")),
        ("x-max-length", int(-1)),
    ] {
        c.attempt(quorum_with(&q, entry(argument, value)));
    }
}

fn arguments_of_other_types_are_refused(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    for (argument, value) in [
        ("x-max-priority", int(5)),
        ("x-queue-mode", text("lazy")),
        ("x-queue-version", int(2)),
        ("x-max-age", text("1h")),
        ("x-stream-max-segment-size-bytes", int(1000)),
        ("x-stream-filter-size-bytes", int(16)),
        ("x-initial-cluster-size", int(1)),
    ] {
        c.attempt(quorum_with(&q, entry(argument, value)));
    }
}

fn a_wrong_value_is_told_before_an_argument_of_another_type(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.attempt(quorum_with(&q, entries([("x-queue-mode", text("lazy")), ("x-max-length", int(-1))])));
    c.attempt(quorum_with(&q, entries([("x-max-priority", int(-1)), ("x-max-age", text("1h"))])));
    c.attempt(quorum_with(&q, entries([("x-queue-version", int(2)), ("x-max-age", text("1h"))])));
    c.attempt(quorum_with(&q, entries([("x-queue-mode", text("lazy")), ("x-max-priority", int(1))])));
    c.attempt(quorum_with(&q, entries([("x-queue-mode", text("lazy")), ("x-queue-version", int(2))])));
    c.attempt(quorum_with(&q, entries([("x-max-priority", int(1)), ("x-queue-version", int(2))])));
    c.attempt(quorum_with(&q, entries([("x-max-age", text("1h")), ("x-initial-cluster-size", int(1))])));
    c.attempt(quorum_with(&q, entries([("x-max-age", text("1h")), ("x-stream-filter-size-bytes", int(16))])));
    c.attempt(quorum_with(&q, entries([("x-queue-mode", text("lazy")), ("x-stream-filter-size-bytes", int(16))])));
    c.attempt(quorum_with(&q, entries([("x-queue-mode", text("lazy")), ("x-initial-cluster-size", int(1))])));
}

fn redeclaring_compares_what_a_quorum_queue_knows(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.attempt(quorum(&q));
    c.attempt(quorum(&q));
    c.attempt(quorum_with(&q, entry("x-delivery-limit", int(3))));
    c.attempt(quorum_with(&q, entry("x-max-length", int(3))));
    c.attempt(quorum_with(&q, entry("x-consumer-timeout", int(3))));
    c.attempt(quorum_with(&q, entry("x-dead-letter-strategy", text("at-most-once"))));
    c.attempt(quorum_with(&q, entry("x-max-priority", int(3))));
    c.attempt(quorum_with(&q, entry("x-queue-mode", text("lazy"))));
    c.attempt(quorum_with(&q, entry("x-max-age", text("1h"))));
}

fn another_type_is_inequivalent(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.attempt(quorum(&q));
    c.attempt(declare(&q));
    c.attempt(declare(&q).flag("durable"));
    c.attempt(declare(&q).flag("durable").set("arguments", entry("x-queue-type", text("classic"))));
    let classic = s.name("classic");
    c.attempt(declare(&classic).flag("durable"));
    c.attempt(quorum(&classic));
}

fn a_global_prefetch_beside_a_quorum_queue(s: &Script) {
    let (mut c, q) = filled(s, Table::new(), &["a", "b"]);
    c.call(prefetch(1).flag("global"));
    c.call(consume(&q, "tag"));
    c.expect("basic.deliver");
}

fn conditions_of_a_deletion_are_not_implemented(s: &Script) {
    let q = s.name("q");
    s.connect().call(quorum(&q));
    s.connect().call(delete(&q).flag("if-unused"));
    s.connect().call(delete(&q).flag("if-empty"));
    s.connect().call(delete(&q).flag("if-empty").flag("if-unused"));
    s.connect().call(delete(&q));
}

fn the_exclusive_flag_of_a_consumer(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(quorum(&q));
    c.attempt(consume(&q, "first").flag("exclusive"));
    c.attempt(consume(&q, "second"));
    c.attempt(consume(&q, "third").flag("exclusive"));
}

fn consumer_arguments(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(quorum(&q));
    for (argument, value) in [
        ("x-priority", text("high")),
        ("x-consumer-timeout", int(-1)),
        ("x-consumer-timeout", text("soon")),
        ("x-stream-offset", text("first")),
        ("x-stream-filter", text("first")),
    ] {
        c.attempt(consume(&q, "tag").set("arguments", entry(argument, value)));
    }
    c.attempt(consume(&q, "timed").set("arguments", entry("x-consumer-timeout", int(60_000))));
    c.attempt(consume(&q, "zero").set("arguments", entry("x-consumer-timeout", int(0))));
}

fn purging_counts_what_is_ready(s: &Script) {
    let (mut c, q) = filled(s, Table::new(), &["a", "b", "c"]);
    c.call(get(&q));
    c.call(purge(&q));
    c.call(get(&q));
    c.tell(&nack(1).flag("requeue"));
    c.call(get(&q));
}

fn a_transient_message_is_delivered_as_it_was_sent(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(quorum(&q));
    c.call(consume(&q, "tag"));
    c.publish(&publish("", &q), &Properties::none().delivery_mode(1), "transient");
    c.expect("basic.deliver");
}

fn what_comes_back_is_served_first_in_the_order_of_its_return(s: &Script) {
    let (mut c, q) = filled(s, Table::new(), &["a", "b", "c", "d"]);
    for _ in 0..3 {
        c.call(get(&q));
    }
    c.tell(&nack(3).flag("requeue"));
    c.tell(&nack(1).flag("requeue"));
    c.tell(&nack(2).flag("requeue"));
    for _ in 0..4 {
        c.call(get(&q));
    }
}

fn reject_counts_and_nack_does_not(s: &Script) {
    let (mut c, q) = filled(s, Table::new(), &["a"]);
    c.call(prefetch(1));
    c.call(consume(&q, "tag"));
    c.expect("basic.deliver");
    c.send(&nack(1).flag("requeue"));
    c.expect("basic.deliver");
    c.send(&reject(2).flag("requeue"));
    c.expect("basic.deliver");
    c.send(&nack(3).flag("requeue").flag("multiple"));
    c.expect("basic.deliver");
    c.send(&reject(4).flag("requeue"));
    c.expect("basic.deliver");
}

fn getting_counts_as_consuming(s: &Script) {
    let (mut c, q) = filled(s, Table::new(), &["a"]);
    c.call(get(&q));
    c.tell(&reject(1).flag("requeue"));
    c.call(get(&q));
    c.tell(&nack(2).flag("requeue"));
    c.call(get(&q).flag("no-ack"));
}

fn recover_does_not_count(s: &Script) {
    let (mut c, q) = filled(s, Table::new(), &["a"]);
    c.call(get(&q));
    c.call(method("basic.recover").flag("requeue"));
    c.call(get(&q));
}

fn a_lost_channel_counts(s: &Script) {
    let (mut c, q) = filled(s, Table::new(), &["a", "b"]);
    c.call(consume(&q, "tag"));
    c.expect("basic.deliver");
    c.expect("basic.deliver");
    c.call(method("channel.close"));
    let mut heir = s.connect_as("heir");
    heir.call(consume(&q, "heir"));
    heir.expect("basic.deliver");
    heir.expect("basic.deliver");
    heir.call(cancel("heir"));
    heir.call(method("channel.close"));
    let mut getter = s.connect_as("getter");
    getter.call(get(&q));
    getter.call(get(&q));
}

fn a_cancelled_consumer_does_not_count(s: &Script) {
    let (mut c, q) = filled(s, Table::new(), &["a"]);
    c.call(consume(&q, "tag"));
    c.expect("basic.deliver");
    c.call(cancel("tag"));
    c.call(get(&q));
    c.tell(&nack(1).flag("requeue"));
    c.call(get(&q));
}

fn a_message_dies_over_the_delivery_limit(s: &Script) {
    let (mut c, q) = filled(s, entry("x-delivery-limit", int(2)), &["a", "b"]);
    c.call(prefetch(1));
    c.call(consume(&q, "tag"));
    for delivery_tag in 1..=3 {
        c.expect("basic.deliver");
        c.send(&reject(delivery_tag).flag("requeue"));
    }
    c.expect("basic.deliver");
    c.tell(&ack(4));
}

fn nack_never_reaches_the_limit(s: &Script) {
    let (mut c, q) = filled(s, entry("x-delivery-limit", int(1)), &["a"]);
    for delivery_tag in 1..=4 {
        c.call(get(&q));
        c.tell(&nack(delivery_tag).flag("requeue"));
    }
    c.call(get(&q));
}

fn a_negative_limit_is_none(s: &Script) {
    let (mut c, q) = filled(s, entry("x-delivery-limit", int(-1)), &["a"]);
    c.call(prefetch(1));
    c.call(consume(&q, "tag"));
    for delivery_tag in 1..=22 {
        c.expect("basic.deliver");
        c.send(&reject(delivery_tag).flag("requeue"));
    }
    c.expect("basic.deliver");
}

fn a_limit_of_zero_allows_one_delivery(s: &Script) {
    let (mut c, q) = filled(s, entry("x-delivery-limit", int(0)), &["a"]);
    c.call(get(&q));
    c.tell(&reject(1).flag("requeue"));
    c.call(get(&q));
}

fn headers_of_the_publisher_are_replaced(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(quorum(&q));
    c.call(consume(&q, "tag"));
    let headers = entries([("z", int(1)), ("x-delivery-count", text("mine")), ("a", int(1))]);
    c.publish(&publish("", &q), &Properties::none().headers(headers).delivery_mode(2), "a");
    c.expect("basic.deliver");
    c.send(&reject(1).flag("requeue"));
    c.expect("basic.deliver");
}

fn priorities_of_consumers(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(quorum(&q));
    c.call(prefetch(1));
    c.call(consume(&q, "low"));
    c.call(consume(&q, "high").set("arguments", entry("x-priority", int(5))));
    for body in ["a", "b"] {
        c.publish_unseen(1, &publish("", &q), &Properties::none(), body.as_bytes());
        c.expect("basic.deliver");
    }
}

fn unacked_messages_do_not_count_as_ready(s: &Script) {
    let (mut c, q) = filled(s, Table::new(), &["a", "b"]);
    let mut consumer = s.connect_as("consumer");
    consumer.call(prefetch(1));
    consumer.call(consume(&q, "tag"));
    consumer.expect("basic.deliver");
    c.call(declare_passive(&q));
    c.call(quorum(&q));
}

fn a_transaction_with_a_quorum_queue(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(quorum(&q));
    c.call(method("tx.select"));
    c.publish(&publish("", &q), &Properties::none(), "a");
    c.call(method("tx.commit"));
    c.call(get(&q));
    c.send(&reject(1).flag("requeue"));
    c.call(method("tx.commit"));
    c.call(get(&q));
}
