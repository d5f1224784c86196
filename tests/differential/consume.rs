//! Consumers: starting, cancelling, being cancelled, and what they are sent.

use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{
    ack, cancel, consume, declare, declare_passive, delete, get, method, prefetch, publish,
};
use crate::support::properties::Properties;
use crate::support::raw::{Handshake, capabilities};
use crate::support::value::{Value, entries, entry, int, text};

scenarios!("consume":
    reusing_a_consumer_tag_closes_the_connection,
    a_consumer_tag_may_be_used_on_another_channel,
    a_cancelled_consumer_tag_may_be_used_again,
    reusing_a_tag_is_noticed_before_a_missing_queue,
    consuming_from_a_missing_queue_is_not_found,
    an_exclusive_consumer_keeps_others_out,
    an_exclusive_consumer_is_refused_beside_others,
    exclusive_access_ends_with_its_consumer,
    a_consumer_priority_must_be_an_integer,
    a_consumer_priority_may_be_negative,
    consumers_of_higher_priority_are_served_first,
    an_argument_of_streams_is_refused,
    unknown_consumer_arguments_are_ignored,
    an_empty_consumer_tag_gets_a_generated_one,
    no_local_is_ignored,
    deliveries_carry_the_fields_of_the_publish,
    messages_without_acknowledgement_are_settled_when_sent,
    delivery_tags_count_deliveries_and_gets_together,
    equal_consumers_take_turns,
    cancelling_an_unknown_consumer_succeeds,
    cancelling_keeps_unacked_messages_out,
    deleting_a_queue_cancels_its_consumers,
    a_client_without_the_capability_is_not_told_of_the_cancel,
    cancel_ok_from_the_client_is_accepted,
    cancel_from_the_client_with_nowait_is_silent,
    getting_from_an_empty_queue_says_so,
    getting_from_a_missing_queue_is_not_found,
    a_prefetch_of_one_waits_for_the_acknowledgement,
);

fn reusing_a_consumer_tag_closes_the_connection(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(consume(&q, "tag"));
    c.call(consume(&q, "tag"));
}

fn a_consumer_tag_may_be_used_on_another_channel(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(consume(&q, "tag"));
    c.call_on(2, method("channel.open"));
    c.call_on(2, consume(&q, "tag"));
}

fn a_cancelled_consumer_tag_may_be_used_again(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(consume(&q, "tag"));
    c.call(cancel("tag"));
    c.call(consume(&q, "tag"));
}

fn reusing_a_tag_is_noticed_before_a_missing_queue(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(consume(&q, "tag"));
    c.call(consume(&s.name("missing"), "tag"));
}

fn consuming_from_a_missing_queue_is_not_found(s: &Script) {
    let mut c = s.connect();
    c.attempt(consume(&s.name("q"), "tag"));
    c.attempt(consume(&s.name("q"), "tag").set("arguments", entry("x-priority", text("wrong"))));
}

fn an_exclusive_consumer_keeps_others_out(s: &Script) {
    let (mut first, mut c) = (s.connect_as("first"), s.connect_as("other"));
    let q = s.name("q");
    first.call(declare(&q));
    first.call(consume(&q, "tag").flag("exclusive"));
    c.attempt(consume(&q, "tag"));
    c.attempt(consume(&q, "tag").flag("exclusive"));
    s.note("everything else stays possible");
    c.attempt(get(&q));
    c.attempt(declare_passive(&q));
}

fn an_exclusive_consumer_is_refused_beside_others(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(consume(&q, "tag"));
    c.call(consume(&q, "another").flag("exclusive"));
}

fn exclusive_access_ends_with_its_consumer(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(consume(&q, "tag").flag("exclusive"));
    c.call(cancel("tag"));
    c.call(consume(&q, "another").flag("exclusive"));
    c.call(method("channel.close").set("reply-code", 200));
    c.call(method("channel.open"));
    c.call(consume(&q, "third"));
}

fn a_consumer_priority_must_be_an_integer(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    for value in [text("high"), Value::F64(1.0), Value::Bool(true), Value::Void] {
        c.attempt(consume(&q, "tag").set("arguments", entry("x-priority", value)));
    }
}

fn a_consumer_priority_may_be_negative(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    for (number, value) in [int(-5), Value::I8(1), Value::U8(200), Value::I64(i64::MIN)].into_iter().enumerate() {
        c.call(consume(&q, &format!("tag {number}")).set("arguments", entry("x-priority", value)));
    }
}

fn consumers_of_higher_priority_are_served_first(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(prefetch(1));
    c.call(consume(&q, "low").set("arguments", entry("x-priority", int(-1))));
    c.call(consume(&q, "normal"));
    c.call(consume(&q, "high").set("arguments", entry("x-priority", int(1))));
    for body in ["one", "two", "three"] {
        c.publish(&publish("", &q), &Properties::none(), body);
        c.expect("basic.deliver");
    }
    c.send(&ack(1));
    c.publish(&publish("", &q), &Properties::none(), "four");
    c.expect("basic.deliver");
}

fn an_argument_of_streams_is_refused(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.attempt(consume(&q, "tag").set("arguments", entry("x-stream-offset", text("first"))));
    c.attempt(consume(&q, "tag").set("arguments", entry("x-stream-filter", text("a"))));
    s.note("whatever its value, and before the values of others");
    for arguments in [
        entry("x-stream-match-unfiltered", int(5)),
        entries([("x-priority", text("wrong")), ("x-stream-offset", text("first"))]),
        entries([("x-stream-offset", text("first")), ("x-priority", text("wrong"))]),
        entries([("x-stream-filter", text("a")), ("x-stream-offset", text("first"))]),
        entries([("x-stream-offset", text("first")), ("x-stream-filter", text("a"))]),
        entries([("x-stream-match-unfiltered", Value::Bool(true)), ("x-stream-offset", text("first"))]),
    ] {
        c.attempt(consume(&q, "tag").set("arguments", arguments));
    }
}

fn unknown_consumer_arguments_are_ignored(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(consume(&q, "tag").set("arguments", entry("x-of-our-own", text("value"))));
}

fn an_empty_consumer_tag_gets_a_generated_one(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(consume(&q, ""));
    let tag = c.given_name();
    s.note(&format!("the tag has {} characters", tag.len()));
    c.call(consume(&q, ""));
    assert_ne!(tag, c.given_name());
    c.call(cancel(&tag));
    c.tell(&consume(&q, "").flag("nowait"));
    c.call(declare_passive(&q));
}

fn no_local_is_ignored(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(consume(&q, "tag").flag("no-local"));
    c.publish(&publish("", &q), &Properties::none(), "own message");
    c.expect("basic.deliver");
}

fn deliveries_carry_the_fields_of_the_publish(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(crate::support::commands::declare_exchange(&x, "fanout"));
    c.call(declare(&q));
    c.call(crate::support::commands::bind(&q, &x, "binding key"));
    c.call(consume(&q, "tag"));
    let properties = Properties::none().text("content-type", "text/plain").delivery_mode(1);
    c.publish(&publish(&x, "routing key"), &properties, "body");
    c.expect("basic.deliver");
    c.publish(&publish(&x, ""), &Properties::none(), "");
    c.expect("basic.deliver");
}

fn messages_without_acknowledgement_are_settled_when_sent(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(prefetch(1));
    c.call(consume(&q, "tag").flag("no-ack"));
    for body in ["one", "two"] {
        c.publish(&publish("", &q), &Properties::none(), body);
        c.expect("basic.deliver");
    }
    c.tell(&ack(1));
}

fn delivery_tags_count_deliveries_and_gets_together(s: &Script) {
    let mut c = s.connect();
    let (q, other) = (s.name("q"), s.name("other"));
    c.call(declare(&q));
    c.call(declare(&other));
    c.publish(&publish("", &other), &Properties::none(), "one");
    c.publish(&publish("", &other), &Properties::none(), "two");
    c.sync();
    c.call(get(&other));
    c.call(consume(&q, "tag"));
    c.publish(&publish("", &q), &Properties::none(), "three");
    c.expect("basic.deliver");
    c.call(get(&other).flag("no-ack"));
    c.call_on(2, method("channel.open"));
    c.call_on(2, get(&other));
}

fn equal_consumers_take_turns(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    for tag in ["first", "second", "third"] {
        c.call(consume(&q, tag).flag("no-ack"));
    }
    for body in ["1", "2", "3", "4", "5", "6", "7"] {
        c.publish(&publish("", &q), &Properties::none(), body);
        c.expect("basic.deliver");
    }
}

fn cancelling_an_unknown_consumer_succeeds(s: &Script) {
    let mut c = s.connect();
    c.call(cancel("never started"));
    c.call(cancel(""));
}

fn cancelling_keeps_unacked_messages_out(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(consume(&q, "tag"));
    c.publish(&publish("", &q), &Properties::none(), "kept");
    c.expect("basic.deliver");
    c.call(cancel("tag"));
    c.call(get(&q));
    c.tell(&ack(1));
    c.tell(&ack(1));
}

fn deleting_a_queue_cancels_its_consumers(s: &Script) {
    let (mut consumer, mut c) = (s.connect_as("consumer"), s.connect_as("other"));
    let q = s.name("q");
    c.call(declare(&q));
    consumer.call(consume(&q, "tag"));
    c.call(consume(&q, "own"));
    c.send(&delete(&q));
    c.expect_all(&["basic.cancel", "queue.delete-ok"]);
    consumer.expect("basic.cancel");
    s.note("the tag is free again");
    consumer.call(declare(&q));
    consumer.call(consume(&q, "tag"));
}

fn a_client_without_the_capability_is_not_told_of_the_cancel(s: &Script) {
    let handshake = Handshake { client_properties: capabilities(&[]), ..Handshake::default() };
    let (mut consumer, mut c) = (s.connect_with("consumer", &handshake), s.connect_as("other"));
    let (q, marker) = (s.name("q"), s.name("marker"));
    c.call(declare(&q));
    c.call(declare(&marker));
    consumer.call(consume(&q, "tag"));
    consumer.call(consume(&marker, "marker"));
    c.call(delete(&q));
    c.publish(&publish("", &marker), &Properties::none(), "after the deletion");
    consumer.expect("basic.deliver");
}

fn cancel_ok_from_the_client_is_accepted(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(consume(&q, "tag"));
    c.send(&delete(&q));
    c.expect_all(&["basic.cancel", "queue.delete-ok"]);
    c.tell(&method("basic.cancel-ok").set("consumer-tag", "tag"));
}

fn cancel_from_the_client_with_nowait_is_silent(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(consume(&q, "tag"));
    c.tell(&cancel("tag").flag("nowait"));
    c.tell(&cancel("never started").flag("nowait"));
    c.call(declare_passive(&q));
}

fn getting_from_an_empty_queue_says_so(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(get(&q));
    c.publish(&publish("", &q), &Properties::none(), "");
    c.sync();
    c.call(get(&q));
    c.call(get(&q));
}

fn getting_from_a_missing_queue_is_not_found(s: &Script) {
    s.connect().call(get(&s.name("q")));
}

fn a_prefetch_of_one_waits_for_the_acknowledgement(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(prefetch(1));
    c.call(consume(&q, "tag"));
    for body in ["one", "two", "three"] {
        c.publish(&publish("", &q), &Properties::none(), body);
    }
    c.expect("basic.deliver");
    s.note("the second is still in the queue");
    c.call(get(&q).flag("no-ack"));
    c.send(&ack(1));
    c.expect("basic.deliver");
    c.tell(&ack(3));
}
