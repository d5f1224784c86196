//! Direct reply-to.

use crate::conn::Conn;
use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{bind, cancel, consume, declare, declare_passive, delete, get, method, publish, purge};
use crate::support::method::Method;
use crate::support::properties::Properties;

scenarios!("reply_to":
    a_reply_consumer_must_not_acknowledge,
    a_second_reply_consumer_is_refused,
    a_request_without_a_reply_consumer_is_refused,
    the_bare_name_can_always_be_declared,
    a_reply_reaches_the_requester,
    a_reply_by_another_connection_reaches_the_requester,
    a_reply_needs_the_default_exchange,
    a_live_token_can_be_declared,
    a_dead_token_is_not_found,
    a_reply_to_a_dead_token_is_dropped,
    a_malformed_token_is_unroutable,
    a_cancelled_reply_consumer_may_be_started_again,
    a_reply_is_confirmed,
    other_operations_on_reply_names_are_refused,
    operations_on_a_live_token_are_refused,
    operations_on_a_dead_token_find_no_queue,
    the_requester_cannot_consume_from_its_token,
    other_reply_to_values_are_relayed,
);

const NAME: &str = "amq.rabbitmq.reply-to";

fn reply_consumer() -> Method {
    consume(NAME, "replies").flag("no-ack")
}

/// A requester whose request has arrived in a queue, and the token that the request carries.
fn requester(s: &Script) -> (Conn, Conn, String) {
    let (mut c, mut responder) = (s.connect_as("requester"), s.connect_as("responder"));
    let q = s.name("requests");
    c.call(declare(&q));
    c.call(reply_consumer());
    c.publish(&publish("", &q), &Properties::none().text("reply-to", NAME).text("correlation-id", "1"), "request");
    c.sync();
    responder.call(get(&q).flag("no-ack"));
    let token = responder.reply_token();
    assert!(token.starts_with("amq.rabbitmq.reply-to."), "{token} is no token");
    (c, responder, token)
}

fn a_reply_consumer_must_not_acknowledge(s: &Script) {
    s.connect().call(consume(NAME, "replies"));
}

fn a_second_reply_consumer_is_refused(s: &Script) {
    let mut c = s.connect();
    c.call(reply_consumer());
    c.call_on(2, method("channel.open"));
    c.call_on(2, reply_consumer());
    c.call(consume(NAME, "again").flag("no-ack"));
}

fn a_request_without_a_reply_consumer_is_refused(s: &Script) {
    let mut c = s.connect();
    c.publish(&publish("", &s.name("missing")), &Properties::none().text("reply-to", NAME), "request");
    c.sync();
}

fn the_bare_name_can_always_be_declared(s: &Script) {
    let mut c = s.connect();
    c.attempt(declare(NAME));
    c.attempt(declare_passive(NAME));
    c.attempt(declare(NAME).flag("exclusive").flag("durable"));
}

fn a_reply_reaches_the_requester(s: &Script) {
    let mut c = s.connect();
    let q = s.name("requests");
    c.call(declare(&q));
    c.call(reply_consumer());
    c.publish(&publish("", &q), &Properties::none().text("reply-to", NAME), "request");
    c.sync();
    c.call(get(&q).flag("no-ack"));
    let token = c.reply_token();
    c.publish(&publish("", &token).flag("mandatory"), &Properties::none().text("correlation-id", "1"), "reply");
    c.expect("basic.deliver");
    c.publish(&publish("", &token), &Properties::none().delivery_mode(2), "another reply");
    c.expect("basic.deliver");
}

fn a_reply_by_another_connection_reaches_the_requester(s: &Script) {
    let (mut c, mut responder, token) = requester(s);
    responder.publish(&publish("", &token).flag("mandatory"), &Properties::none(), "reply");
    responder.sync();
    c.expect("basic.deliver");
}

fn a_reply_needs_the_default_exchange(s: &Script) {
    let (_c, mut responder, token) = requester(s);
    responder.publish(&publish("amq.direct", &token).flag("mandatory"), &Properties::none(), "reply");
    responder.expect("basic.return");
}

fn a_live_token_can_be_declared(s: &Script) {
    let (_c, mut responder, token) = requester(s);
    responder.attempt(declare(&token));
    responder.attempt(declare_passive(&token));
}

fn a_dead_token_is_not_found(s: &Script) {
    let (mut c, mut responder, token) = requester(s);
    c.call(method("channel.close").set("reply-code", 200));
    responder.attempt(declare(&token));
    responder.attempt(declare_passive(&token));
}

fn a_reply_to_a_dead_token_is_dropped(s: &Script) {
    let (mut c, mut responder, token) = requester(s);
    c.close();
    responder.publish(&publish("", &token).flag("mandatory"), &Properties::none(), "reply");
    responder.sync();
}

fn a_malformed_token_is_unroutable(s: &Script) {
    let mut c = s.connect();
    for name in ["amq.rabbitmq.reply-to.", "amq.rabbitmq.reply-to.nonsense", NAME] {
        c.publish(&publish("", name).flag("mandatory"), &Properties::none(), "reply");
        c.expect("basic.return");
    }
    c.attempt(declare_passive("amq.rabbitmq.reply-to.nonsense"));
}

fn a_cancelled_reply_consumer_may_be_started_again(s: &Script) {
    let (mut c, mut responder, token) = requester(s);
    c.call(cancel("replies"));
    responder.attempt(declare_passive(&token));
    c.call(reply_consumer());
    responder.attempt(declare_passive(&token));
    c.call(cancel("replies"));
    c.publish(&publish("", &s.name("missing")), &Properties::none().text("reply-to", NAME), "request");
    c.sync();
}

fn a_reply_is_confirmed(s: &Script) {
    let (mut c, mut responder, token) = requester(s);
    responder.call(method("confirm.select"));
    responder.publish(&publish("", &token), &Properties::none(), "reply");
    responder.confirmed();
    c.expect("basic.deliver");
}

fn other_operations_on_reply_names_are_refused(s: &Script) {
    for operation in [
        bind(NAME, "amq.direct", "key"),
        crate::support::commands::unbind(NAME, "amq.direct", "key"),
        get(NAME),
        purge(NAME),
        delete(NAME),
    ] {
        let mut c = s.connect();
        c.call(operation);
    }
}

const OPERATIONS: [fn(&str) -> Method; 6] = [
    |token: &str| bind(token, "amq.direct", "key"),
    |token: &str| crate::support::commands::unbind(token, "amq.direct", "key"),
    |token: &str| get(token),
    |token: &str| purge(token),
    |token: &str| consume(token, "tag").flag("no-ack"),
    |token: &str| delete(token),
];

fn operations_on_a_live_token_are_refused(s: &Script) {
    for operation in OPERATIONS {
        let (_c, mut responder, token) = requester(s);
        responder.call(operation(&token));
    }
}

fn operations_on_a_dead_token_find_no_queue(s: &Script) {
    for operation in OPERATIONS {
        let (mut c, mut responder, token) = requester(s);
        c.call(cancel("replies"));
        responder.call(operation(&token));
    }
}

fn the_requester_cannot_consume_from_its_token(s: &Script) {
    for operation in [consume("", "tag"), consume("", "tag").flag("no-ack"), get("").flag("no-ack")] {
        let mut c = s.connect();
        let q = s.another_name("requests");
        c.call(declare(&q));
        c.call(reply_consumer());
        c.publish(&publish("", &q), &Properties::none().text("reply-to", NAME), "request");
        c.sync();
        c.call(get(&q).flag("no-ack"));
        let token = c.reply_token();
        c.call(operation.set("queue", token.as_str()));
    }
}

fn other_reply_to_values_are_relayed(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    for reply_to in ["", "answers", "amq.rabbitmq.reply-to-not"] {
        c.publish(&publish("", &q), &Properties::none().text("reply-to", reply_to), "request");
        c.sync();
        c.call(get(&q).flag("no-ack"));
    }
}
