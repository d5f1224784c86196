//! Queues that are bounded: in length, in bytes, in time.

use crate::conn::Conn;
use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{
    ack, bind, consume, declare, declare_exchange, declare_passive, get, method, prefetch, publish, reject,
};
use crate::support::method::Method;
use crate::support::properties::Properties;
use crate::support::value::{Table, entries, entry, int, text};

scenarios!("limits":
    the_oldest_ready_messages_make_room,
    unacked_messages_do_not_count,
    a_message_for_a_waiting_consumer_does_not_count,
    a_length_of_zero_keeps_nothing,
    a_length_of_zero_serves_a_waiting_consumer,
    bytes_are_those_of_bodies,
    a_message_larger_than_the_queue_goes_and_takes_all_with_it,
    a_requeue_into_a_full_queue_drops_the_head,
    a_full_queue_refuses_publishes_where_it_is_told_to,
    a_full_queue_refuses_silently_without_confirms,
    a_queue_with_a_waiting_consumer_refuses_beyond_its_length,
    a_refused_message_of_a_transaction_is_an_error,
    a_refused_message_may_be_dead_lettered,
    a_message_for_several_queues_is_refused_if_one_refuses,
    an_acked_message_makes_no_room_and_a_taken_one_does,
    bytes_refuse_what_does_not_fit_and_take_what_does,
    messages_expire_together_with_the_queue_setting,
    the_shorter_time_counts,
    a_message_expires_only_at_the_head,
    a_time_of_zero_expires_unless_somebody_waits,
    an_expired_message_is_not_given_out,
    a_requeued_message_expires_when_its_time_is_over,
    an_unused_queue_expires,
    a_consumer_keeps_a_queue_that_would_expire,
    declaring_again_renews_the_lease,
);

fn with(queue: &str, arguments: Table) -> Method {
    declare(queue).set("arguments", arguments)
}

/// A client and a queue with these arguments.
fn limited(s: &Script, arguments: Table) -> (Conn, String) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(with(&q, arguments));
    (c, q)
}

/// Asks for so many messages, one by one.
fn get_each(c: &mut Conn, queue: &str, count: usize) {
    for _ in 0..count {
        c.call(get(queue));
    }
}

/// Waits for as long as another queue takes to let a message expire.
fn wait(s: &Script, c: &mut Conn, millis: i32) {
    c.hide(true);
    let (q, dead) = (s.another_name("clock"), s.another_name("struck"));
    c.call(declare(&dead));
    let arguments = [("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(&dead))];
    c.call(with(&q, entries(arguments)));
    c.publish(&publish("", &q), &Properties::none().text("expiration", millis.to_string()), "tick");
    c.call(consume(&dead, "clock").flag("no-ack"));
    c.expect("basic.deliver");
    c.call(method("basic.cancel").set("consumer-tag", "clock"));
    c.hide(false);
}

fn the_oldest_ready_messages_make_room(s: &Script) {
    let (mut c, q) = limited(s, entry("x-max-length", int(2)));
    c.fill(&q, &["one", "two", "three", "four"]);
    get_each(&mut c, &q, 3);
}

fn unacked_messages_do_not_count(s: &Script) {
    let (mut c, q) = limited(s, entry("x-max-length", int(1)));
    c.fill(&q, &["one"]);
    c.call(get(&q));
    c.fill(&q, &["two"]);
    get_each(&mut c, &q, 2);
}

fn a_message_for_a_waiting_consumer_does_not_count(s: &Script) {
    let (mut c, q) = limited(s, entry("x-max-length", int(1)));
    c.call(consume(&q, "waits"));
    for body in ["one", "two", "three"] {
        c.publish(&publish("", &q), &Properties::none(), body);
        c.expect("basic.deliver");
    }
}

fn a_length_of_zero_keeps_nothing(s: &Script) {
    let (mut c, q) = limited(s, entry("x-max-length", int(0)));
    c.fill(&q, &["one"]);
    c.call(get(&q));
}

fn a_length_of_zero_serves_a_waiting_consumer(s: &Script) {
    let (mut c, q) = limited(s, entry("x-max-length", int(0)));
    c.call(consume(&q, "waits"));
    c.publish(&publish("", &q), &Properties::none(), "one");
    c.expect("basic.deliver");
}

fn bytes_are_those_of_bodies(s: &Script) {
    let (mut c, q) = limited(s, entry("x-max-length-bytes", int(10)));
    c.fill(&q, &["12345", "67890", "", "a"]);
    get_each(&mut c, &q, 4);
}

fn a_message_larger_than_the_queue_goes_and_takes_all_with_it(s: &Script) {
    let (mut c, q) = limited(s, entry("x-max-length-bytes", int(10)));
    c.fill(&q, &["12345", "12345678901"]);
    c.call(get(&q));
}

fn a_requeue_into_a_full_queue_drops_the_head(s: &Script) {
    let (mut c, q) = limited(s, entry("x-max-length", int(1)));
    c.fill(&q, &["one"]);
    c.call(get(&q));
    c.fill(&q, &["two"]);
    c.tell(&reject(1).flag("requeue"));
    get_each(&mut c, &q, 2);
}

fn refusing(max_length: i32) -> Table {
    entries([("x-max-length", int(max_length)), ("x-overflow", text("reject-publish"))])
}

fn a_full_queue_refuses_publishes_where_it_is_told_to(s: &Script) {
    let (mut c, q) = limited(s, refusing(2));
    c.call(method("confirm.select"));
    for body in ["one", "two", "three", "four"] {
        c.publish(&publish("", &q), &Properties::none(), body);
    }
    c.confirmed();
    c.call(get(&q));
    c.publish(&publish("", &q), &Properties::none(), "five");
    c.confirmed();
    get_each(&mut c, &q, 3);
}

fn a_full_queue_refuses_silently_without_confirms(s: &Script) {
    let (mut c, q) = limited(s, refusing(1));
    c.fill(&q, &["one", "two"]);
    get_each(&mut c, &q, 2);
}

fn a_queue_with_a_waiting_consumer_refuses_beyond_its_length(s: &Script) {
    let (mut c, q) = limited(s, refusing(0));
    c.call(consume(&q, "waits"));
    c.call(method("confirm.select"));
    c.publish(&publish("", &q), &Properties::none(), "one");
    c.confirmed();
}

fn a_refused_message_of_a_transaction_is_an_error(s: &Script) {
    let (mut c, q) = limited(s, refusing(1));
    c.call(method("tx.select"));
    c.publish(&publish("", &q), &Properties::none(), "one");
    c.publish(&publish("", &q), &Properties::none(), "two");
    c.attempt(method("tx.commit"));
    get_each(&mut c, &q, 2);
}

fn a_refused_message_may_be_dead_lettered(s: &Script) {
    let mut c = s.connect();
    let (q, dead) = (s.name("q"), s.name("dead"));
    let arguments = [
        ("x-max-length", int(1)),
        ("x-overflow", text("reject-publish-dlx")),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(&dead)),
    ];
    c.call(declare(&dead));
    c.call(with(&q, entries(arguments)));
    c.call(method("confirm.select"));
    c.publish(&publish("", &q), &Properties::none(), "one");
    c.publish(&publish("", &q), &Properties::none(), "two");
    c.confirmed();
    c.call(consume(&dead, "taker"));
    c.expect("basic.deliver");
    c.call(get(&q));
}

fn a_message_for_several_queues_is_refused_if_one_refuses(s: &Script) {
    let mut c = s.connect();
    let (full, open, exchange) = (s.name("full"), s.name("open"), s.name("exchange"));
    c.call(declare_exchange(&exchange, "fanout"));
    c.call(with(&full, refusing(1)));
    c.call(declare(&open));
    c.call(bind(&full, &exchange, ""));
    c.call(bind(&open, &exchange, ""));
    c.call(method("confirm.select"));
    c.publish(&publish(&exchange, ""), &Properties::none(), "one");
    c.publish(&publish(&exchange, ""), &Properties::none(), "two");
    c.confirmed();
    for queue in [&full, &full, &open, &open] {
        c.call(get(queue));
    }
}

fn an_acked_message_makes_no_room_and_a_taken_one_does(s: &Script) {
    let (mut c, q) = limited(s, refusing(1));
    c.call(prefetch(1));
    c.call(consume(&q, "taker"));
    c.publish(&publish("", &q), &Properties::none(), "taken");
    c.expect("basic.deliver");
    c.call(method("confirm.select"));
    c.publish(&publish("", &q), &Properties::none(), "ready");
    c.expect("basic.ack");
    c.publish(&publish("", &q), &Properties::none(), "refused");
    c.expect("basic.nack");
    c.send(&ack(1));
    c.expect("basic.deliver");
}

fn bytes_refuse_what_does_not_fit_and_take_what_does(s: &Script) {
    let (mut c, q) = limited(s, entries([("x-max-length-bytes", int(6)), ("x-overflow", text("reject-publish"))]));
    c.call(method("confirm.select"));
    for body in ["1234", "567", "56", "", "7"] {
        c.publish(&publish("", &q), &Properties::none(), body);
    }
    c.confirmed();
}

fn messages_expire_together_with_the_queue_setting(s: &Script) {
    let (mut c, q) = limited(s, entry("x-message-ttl", int(50)));
    c.fill(&q, &["one", "two"]);
    c.call(get(&q));
    wait(s, &mut c, 200);
    c.call(get(&q));
    c.call(declare_passive(&q));
}

fn the_shorter_time_counts(s: &Script) {
    let mut c = s.connect();
    let (q, dead) = (s.name("q"), s.name("dead"));
    let arguments =
        [("x-message-ttl", int(100)), ("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(&dead))];
    c.call(declare(&dead));
    c.call(with(&q, entries(arguments)));
    c.publish(&publish("", &q), &Properties::none().text("expiration", "20"), "short");
    c.publish(&publish("", &q), &Properties::none().text("expiration", "60000"), "long");
    c.call(consume(&dead, "taker"));
    c.expect("basic.deliver");
    c.expect("basic.deliver");
}

fn a_message_expires_only_at_the_head(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.fill(&q, &["lives"]);
    c.publish(&publish("", &q), &Properties::none().text("expiration", "1"), "dies");
    wait(s, &mut c, 100);
    c.call(declare_passive(&q));
    get_each(&mut c, &q, 2);
}

fn a_time_of_zero_expires_unless_somebody_waits(s: &Script) {
    let (mut c, q) = limited(s, entry("x-message-ttl", int(0)));
    c.fill(&q, &["one"]);
    c.call(get(&q));
    c.call(consume(&q, "waits"));
    c.publish(&publish("", &q), &Properties::none(), "two");
    c.expect("basic.deliver");
}

fn an_expired_message_is_not_given_out(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.publish(&publish("", &q), &Properties::none().text("expiration", "0"), "dies");
    c.publish(&publish("", &q), &Properties::none(), "lives");
    get_each(&mut c, &q, 2);
}

fn a_requeued_message_expires_when_its_time_is_over(s: &Script) {
    let (mut c, q) = limited(s, entry("x-message-ttl", int(50)));
    c.fill(&q, &["one"]);
    c.call(get(&q));
    wait(s, &mut c, 200);
    c.tell(&reject(1).flag("requeue"));
    c.call(get(&q));
}

fn an_unused_queue_expires(s: &Script) {
    let (mut c, q) = limited(s, entry("x-expires", int(50)));
    c.fill(&q, &["one"]);
    wait(s, &mut c, 400);
    c.attempt(declare_passive(&q));
}

fn a_consumer_keeps_a_queue_that_would_expire(s: &Script) {
    let (mut c, q) = limited(s, entry("x-expires", int(100)));
    c.call(consume(&q, "keeper"));
    wait(s, &mut c, 400);
    c.call(declare_passive(&q));
}

fn declaring_again_renews_the_lease(s: &Script) {
    let (mut c, q) = limited(s, entry("x-expires", int(800)));
    for _ in 0..3 {
        wait(s, &mut c, 400);
        c.call(with(&q, entry("x-expires", int(800))));
    }
    wait(s, &mut c, 2000);
    c.attempt(declare_passive(&q));
}
