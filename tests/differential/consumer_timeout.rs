//! Deliveries that stay unacked for too long (`x-consumer-timeout`).

use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{ack, cancel, consume, declare, get, method, publish};
use crate::support::method::Method;
use crate::support::properties::Properties;
use crate::support::raw::{Handshake, capabilities};
use crate::support::value::{entries, entry, int, text};

scenarios!("consumer_timeout":
    a_quorum_queue_takes_back_what_is_unacked_for_too_long_and_cancels_the_consumer,
    a_client_that_is_not_told_of_cancels_loses_its_channel,
    a_get_that_is_unacked_for_too_long_closes_the_channel,
    the_time_of_the_consumer_counts_before_that_of_the_queue,
    a_cancelled_consumer_times_out_as_well,
    all_consumers_of_the_channel_but_one_go_on,
);

fn quorum(queue: &str, timeout_ms: i32) -> Method {
    let arguments = entries([("x-queue-type", text("quorum")), ("x-consumer-timeout", int(timeout_ms))]);
    declare(queue).flag("durable").set("arguments", arguments)
}

fn send(c: &mut crate::conn::Conn, queue: &str, body: &str) {
    c.publish_unseen(1, &publish("", queue), &Properties::none(), body.as_bytes());
}

fn a_quorum_queue_takes_back_what_is_unacked_for_too_long_and_cancels_the_consumer(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(quorum(&q, 1000));
    c.call(consume(&q, "tag"));
    send(&mut c, &q, "a");
    c.expect("basic.deliver");
    c.expect("basic.cancel");
    let mut heir = s.connect_as("heir");
    heir.call(consume(&q, "heir"));
    heir.expect("basic.deliver");
    heir.tell(&ack(1));
    s.note("the tag is free");
    c.call(consume(&q, "tag"));
}

fn a_client_that_is_not_told_of_cancels_loses_its_channel(s: &Script) {
    let handshake = Handshake { client_properties: capabilities(&[]), ..Handshake::default() };
    let mut c = s.connect_with("", &handshake);
    let q = s.name("q");
    c.call(quorum(&q, 1000));
    c.call(consume(&q, "tag"));
    send(&mut c, &q, "a");
    c.expect("basic.deliver");
    c.expect("channel.close");
}

fn a_get_that_is_unacked_for_too_long_closes_the_channel(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(quorum(&q, 1000));
    c.call(method("confirm.select"));
    c.publish(&publish("", &q), &Properties::none(), "a");
    c.confirmed();
    c.call(get(&q));
    c.expect("channel.close");
}

fn the_time_of_the_consumer_counts_before_that_of_the_queue(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(quorum(&q, 600_000));
    c.call(consume(&q, "tag").set("arguments", entry("x-consumer-timeout", int(1000))));
    send(&mut c, &q, "a");
    c.expect("basic.deliver");
    c.expect("basic.cancel");
}

fn a_cancelled_consumer_times_out_as_well(s: &Script) {
    let (mut c, mut heir) = (s.connect(), s.connect_as("heir"));
    let q = s.name("q");
    c.call(quorum(&q, 1000));
    c.call(consume(&q, "tag"));
    send(&mut c, &q, "a");
    c.expect("basic.deliver");
    c.call(cancel("tag"));
    heir.call(consume(&q, "heir"));
    heir.expect("basic.deliver");
    heir.tell(&ack(1));
    c.sync();
}

fn all_consumers_of_the_channel_but_one_go_on(s: &Script) {
    let mut c = s.connect();
    let (q, other) = (s.name("q"), s.name("other"));
    c.call(quorum(&q, 1000));
    c.call(declare(&other));
    c.call(consume(&q, "slow"));
    c.call(consume(&other, "other"));
    send(&mut c, &q, "a");
    c.expect("basic.deliver");
    c.expect("basic.cancel");
    send(&mut c, &other, "b");
    c.expect("basic.deliver");
}
