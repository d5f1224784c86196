//! Publisher confirms.

use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{bind, consume, declare, declare_exchange, delete, get, method, publish};
use crate::support::properties::Properties;

scenarios!("confirm":
    selecting_twice_does_not_start_again,
    transactions_are_refused_on_a_confirming_channel,
    select_with_nowait_is_silent,
    messages_to_a_transient_queue_are_confirmed,
    persistent_messages_to_a_durable_queue_are_confirmed,
    unroutable_messages_are_confirmed,
    a_returned_message_is_returned_before_its_confirm,
    many_messages_are_confirmed_each_once,
    a_message_to_several_queues_is_confirmed_once,
    messages_to_a_consumer_are_confirmed,
    messages_before_the_select_are_not_counted,
    numbers_start_again_on_a_new_channel,
    channels_count_on_their_own,
    a_message_which_closes_the_channel_is_not_confirmed,
    messages_to_a_deleted_queue_are_confirmed,
    an_empty_message_is_confirmed,
);

fn selecting_twice_does_not_start_again(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(method("confirm.select"));
    c.publish(&publish("", &q), &Properties::none(), "one");
    c.confirmed();
    c.call(method("confirm.select"));
    c.publish(&publish("", &q), &Properties::none(), "two");
    c.confirmed();
}

fn transactions_are_refused_on_a_confirming_channel(s: &Script) {
    let mut c = s.connect();
    for name in ["tx.select", "tx.commit", "tx.rollback"] {
        c.call(method("confirm.select"));
        c.attempt(method(name));
    }
}

fn select_with_nowait_is_silent(s: &Script) {
    let mut c = s.connect();
    c.tell(&method("confirm.select").flag("nowait"));
    c.publish(&publish("", &s.name("missing")), &Properties::none(), "one");
    c.expect("basic.ack");
}

fn messages_to_a_transient_queue_are_confirmed(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(method("confirm.select"));
    c.publish(&publish("", &q), &Properties::none(), "transient");
    c.publish(&publish("", &q), &Properties::none().delivery_mode(2), "persistent");
    c.confirmed();
}

fn persistent_messages_to_a_durable_queue_are_confirmed(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q).flag("durable"));
    c.call(method("confirm.select"));
    c.publish(&publish("", &q), &Properties::none().delivery_mode(2), "persistent");
    c.publish(&publish("", &q), &Properties::none(), "transient");
    c.publish(&publish("", &q), &Properties::none().delivery_mode(2), "persistent");
    c.confirmed();
}

fn unroutable_messages_are_confirmed(s: &Script) {
    let mut c = s.connect();
    c.call(method("confirm.select"));
    c.publish(&publish("", &s.name("missing")), &Properties::none(), "to nobody");
    c.publish(&publish("amq.direct", &s.name("unbound")), &Properties::none().delivery_mode(2), "to nobody");
    c.confirmed();
}

fn a_returned_message_is_returned_before_its_confirm(s: &Script) {
    let mut c = s.connect();
    c.call(method("confirm.select"));
    c.publish(&publish("", &s.name("missing")).flag("mandatory"), &Properties::none(), "returned");
    c.confirmed();
}

fn many_messages_are_confirmed_each_once(s: &Script) {
    let mut c = s.connect();
    let (transient, durable) = (s.name("transient"), s.name("durable"));
    c.call(declare(&transient));
    c.call(declare(&durable).flag("durable"));
    c.call(method("confirm.select"));
    s.note("publishing 40 messages");
    for number in 0..40 {
        let queue = if number % 3 == 0 { &transient } else { &durable };
        c.publish_unseen(1, &publish("", queue), &Properties::none().delivery_mode(2), b"message");
    }
    c.confirmed();
    c.sync();
}

fn a_message_to_several_queues_is_confirmed_once(s: &Script) {
    let mut c = s.connect();
    let (x, transient, durable) = (s.name("x"), s.name("transient"), s.name("durable"));
    c.call(declare_exchange(&x, "fanout"));
    c.call(declare(&transient));
    c.call(declare(&durable).flag("durable"));
    c.call(bind(&transient, &x, ""));
    c.call(bind(&durable, &x, ""));
    c.call(method("confirm.select"));
    c.publish(&publish(&x, ""), &Properties::none().delivery_mode(2), "for two");
    c.confirmed();
    c.sync();
}

fn messages_to_a_consumer_are_confirmed(s: &Script) {
    let (mut consumer, mut c) = (s.connect_as("consumer"), s.connect_as("publisher"));
    let q = s.name("q");
    consumer.call(declare(&q).flag("durable"));
    consumer.call(consume(&q, "tag"));
    c.call(method("confirm.select"));
    c.publish(&publish("", &q), &Properties::none().delivery_mode(2), "persistent");
    c.confirmed();
    consumer.expect("basic.deliver");
}

fn messages_before_the_select_are_not_counted(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.publish(&publish("", &q), &Properties::none(), "before");
    c.call(method("confirm.select"));
    c.publish(&publish("", &q), &Properties::none(), "after");
    c.confirmed();
}

fn numbers_start_again_on_a_new_channel(s: &Script) {
    let mut c = s.connect();
    c.call(method("confirm.select"));
    c.publish(&publish("", &s.name("missing")), &Properties::none(), "one");
    c.confirmed();
    c.call(method("channel.close").set("reply-code", 200));
    c.reopen();
    c.call(method("confirm.select"));
    c.publish(&publish("", &s.name("missing")), &Properties::none(), "one again");
    c.confirmed();
}

fn channels_count_on_their_own(s: &Script) {
    let mut c = s.connect();
    c.call(method("confirm.select"));
    c.call_on(2, method("channel.open"));
    c.call_on(2, method("confirm.select"));
    c.publish(&publish("", &s.name("missing")), &Properties::none(), "one");
    c.publish_on(2, &publish("", &s.name("missing")), &Properties::none(), "one");
    c.publish_on(2, &publish("", &s.name("missing")), &Properties::none(), "two");
    c.confirmed();
    c.confirmed_on(2);
}

fn a_message_which_closes_the_channel_is_not_confirmed(s: &Script) {
    let mut c = s.connect();
    c.call(method("confirm.select"));
    c.publish(&publish(&s.name("missing"), "key"), &Properties::none(), "refused");
    c.confirmed();
}

fn messages_to_a_deleted_queue_are_confirmed(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q).flag("durable"));
    c.call(method("confirm.select"));
    for _ in 0..5 {
        c.publish_unseen(1, &publish("", &q), &Properties::none().delivery_mode(2), b"persistent");
    }
    c.call(delete(&q));
    c.confirmed();
}

fn an_empty_message_is_confirmed(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(method("confirm.select"));
    c.publish(&publish("", &q), &Properties::none(), "");
    c.confirmed();
    c.call(get(&q).flag("no-ack"));
}
