//! Channels and connections: opening, closing, and methods where they do not belong.

use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{
    consume, declare, declare_exchange, declare_passive, delete, get, method, prefetch, publish,
};
use crate::support::method::Method;
use crate::support::properties::Properties;
use crate::support::raw::{Handshake, frame, header};

scenarios!("channel":
    a_method_on_a_channel_which_is_not_open_closes_the_connection,
    opening_a_channel_twice_closes_the_connection,
    closing_a_channel_which_is_not_open_closes_the_connection,
    close_ok_on_a_channel_which_is_not_open_closes_the_connection,
    close_ok_on_an_open_channel_closes_the_connection,
    a_channel_closed_by_both_sides_at_once_leaves_the_others_alone,
    a_channel_number_above_channel_max_is_accepted,
    more_channels_than_channel_max_close_the_connection,
    a_closed_channel_number_can_be_used_again_at_once,
    frames_between_close_and_close_ok_are_discarded,
    opening_a_channel_before_close_ok_closes_the_connection,
    a_channel_close_during_the_server_close_is_answered,
    a_channel_close_behind_a_failing_publish_is_answered,
    methods_before_a_failing_one_have_taken_effect,
    an_error_on_one_channel_leaves_the_others_alone,
    a_connection_method_on_a_channel_closes_the_connection,
    a_server_method_from_a_client_closes_the_connection,
    a_server_method_with_content_is_refused_when_it_is_complete,
    a_second_start_ok_closes_the_connection,
    an_unexpected_flow_ok_closes_the_connection,
    flow_on_is_confirmed,
    flow_off_is_not_implemented,
    access_request_is_granted,
    update_secret_is_confirmed,
    any_secret_is_confirmed,
    update_secret_on_a_channel_closes_the_connection,
    a_client_close_is_answered,
    a_close_during_the_server_close_is_answered,
    after_a_connection_error_only_close_ok_counts,
    closing_the_connection_deletes_exclusive_queues_first,
    closing_a_channel_requeues_unacked_messages,
    qos_with_a_size_is_not_implemented,
    qos_is_confirmed,
    a_global_prefetch_is_shared_by_the_consumers_of_the_channel,
    a_prefetch_limits_only_consumers_started_later,
);

fn a_method_on_a_channel_which_is_not_open_closes_the_connection(s: &Script) {
    let mut c = s.connect();
    c.call_on(2, method("basic.qos"));
    c.eof();
}

fn opening_a_channel_twice_closes_the_connection(s: &Script) {
    let mut c = s.connect();
    c.call(method("channel.open"));
}

fn closing_a_channel_which_is_not_open_closes_the_connection(s: &Script) {
    let mut c = s.connect();
    c.call_on(2, method("channel.close").set("reply-code", 200));
}

fn close_ok_on_a_channel_which_is_not_open_closes_the_connection(s: &Script) {
    let mut c = s.connect();
    c.send_on(2, &method("channel.close-ok"));
    c.until(2, &[]);
}

fn close_ok_on_an_open_channel_closes_the_connection(s: &Script) {
    let mut c = s.connect();
    c.send(&method("channel.close-ok"));
    c.until(1, &[]);
}

/// RabbitMQ may or may not answer the client's close, so that is not shown.
fn a_channel_closed_by_both_sides_at_once_leaves_the_others_alone(s: &Script) {
    let mut c = s.connect();
    let missing = s.name("missing");
    let close = method("channel.close").set("reply-code", 200);
    let at_once = [
        frame(1, 1, &publish(&missing, "").encode()),
        frame(2, 1, &header(60, 0, 0, &Properties::none().encode())),
        frame(1, 1, &close.encode()),
    ];
    c.leave_closes_unanswered();
    c.hide(true);
    c.client.send(&at_once.concat());
    c.until(1, &["channel.close"]);
    c.send(&method("channel.close-ok"));
    c.call_on(2, method("channel.open"));
    c.hide(false);
    c.call_on(2, method("basic.qos"));
    s.note("and the number can be used again");
    c.call(method("channel.open"));
}

fn a_channel_number_above_channel_max_is_accepted(s: &Script) {
    let mut c = s.connect_with("", &Handshake { channel_max: 10, ..Handshake::default() });
    c.call_on(60_000, method("channel.open"));
    c.call_on(60_000, method("basic.qos"));
}

fn more_channels_than_channel_max_close_the_connection(s: &Script) {
    let mut c = s.connect_with("", &Handshake { channel_max: 2, ..Handshake::default() });
    c.call_on(2, method("channel.open"));
    c.call_on(3, method("channel.open"));
}

fn a_closed_channel_number_can_be_used_again_at_once(s: &Script) {
    let mut c = s.connect_with("", &Handshake { channel_max: 1, ..Handshake::default() });
    for _ in 0..3 {
        c.call(method("channel.close").set("reply-code", 200).set("reply-text", "Goodbye"));
        c.call(method("channel.open"));
    }
}

fn frames_between_close_and_close_ok_are_discarded(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.leave_closes_unanswered();
    c.call(declare_passive(&q));
    c.send(&declare(&q));
    c.publish(&publish(&s.name("missing"), ""), &Properties::none(), "discarded");
    c.send(&method("basic.ack").set("delivery-tag", 1));
    c.send(&method("channel.close-ok"));
    c.call(method("channel.open"));
    c.call(declare_passive(&q));
    c.send(&method("channel.close-ok"));
}

fn opening_a_channel_before_close_ok_closes_the_connection(s: &Script) {
    let mut c = s.connect();
    c.leave_closes_unanswered();
    c.call(declare_passive(&s.name("q")));
    c.call(method("channel.open"));
}

fn a_channel_close_during_the_server_close_is_answered(s: &Script) {
    let mut c = s.connect();
    c.leave_closes_unanswered();
    c.call(declare_passive(&s.name("q")));
    c.call(method("channel.close").set("reply-code", 200));
    c.send(&method("channel.close-ok"));
    c.call(method("channel.open"));
}

fn methods_before_a_failing_one_have_taken_effect(s: &Script) {
    let mut c = s.connect();
    let (before, missing, after) = (s.name("before"), s.name("missing"), s.name("after"));
    c.leave_closes_unanswered();
    c.send(&declare(&before));
    c.send(&declare_passive(&missing));
    c.send(&declare(&after));
    c.until(1, &["channel.close"]);
    c.send(&method("channel.close-ok"));
    c.call(method("channel.open"));
    c.call(declare_passive(&before));
    c.call(declare_passive(&after));
    c.send(&method("channel.close-ok"));
}

fn an_error_on_one_channel_leaves_the_others_alone(s: &Script) {
    let mut c = s.connect();
    c.call_on(2, method("channel.open"));
    c.call(get(&s.name("missing")));
    c.call_on(2, method("basic.qos"));
}

fn a_connection_method_on_a_channel_closes_the_connection(s: &Script) {
    let mut c = s.connect();
    c.call(method("connection.open").set("virtual-host", "/"));
}

fn a_server_method_from_a_client_closes_the_connection(s: &Script) {
    for name in ["basic.qos-ok", "channel.open-ok", "basic.deliver", "queue.declare-ok", "tx.commit-ok"] {
        let mut c = s.connect();
        c.send(&method(name));
        c.sync();
    }
}

fn a_server_method_with_content_is_refused_when_it_is_complete(s: &Script) {
    for name in ["basic.deliver", "basic.return", "basic.get-ok"] {
        for body in ["", "content"] {
            let mut c = s.connect();
            c.publish(&method(name), &Properties::none(), body);
            c.until(1, &[]);
        }
    }
}

fn a_second_start_ok_closes_the_connection(s: &Script) {
    for offender in [Handshake::default().start_ok(), Handshake::default().tune_ok(), Handshake::default().open()] {
        let mut c = s.connect();
        c.send_on(0, &offender);
        c.sync();
    }
}

fn an_unexpected_flow_ok_closes_the_connection(s: &Script) {
    let mut c = s.connect();
    c.tell(&method("channel.flow-ok").flag("active"));
}

fn flow_on_is_confirmed(s: &Script) {
    s.connect().call(method("channel.flow").flag("active"));
}

fn flow_off_is_not_implemented(s: &Script) {
    s.connect().call(method("channel.flow"));
}

fn access_request_is_granted(s: &Script) {
    s.connect().call(method("access.request").set("realm", "/data").flag("write").flag("read"));
}

fn update_secret_is_confirmed(s: &Script) {
    let mut c = s.connect();
    c.call_on(0, method("connection.update-secret").set("new-secret", "anything").set("reason", "renewed"));
    c.sync();
}

fn update_secret(secret: &str) -> Method {
    method("connection.update-secret").set("new-secret", secret)
}

fn any_secret_is_confirmed(s: &Script) {
    let mut c = s.connect();
    for secret in ["", "guest", "not the password"] {
        c.call_on(0, update_secret(secret));
    }
    c.call(declare(&s.name("q")));
    s.note("and the password is what it was");
    s.connect_as("other").call(method("basic.qos"));
}

fn update_secret_on_a_channel_closes_the_connection(s: &Script) {
    s.connect().call(update_secret("guest"));
}

fn goodbye() -> Method {
    method("connection.close").set("reply-code", 200).set("reply-text", "Goodbye")
}

fn a_client_close_is_answered(s: &Script) {
    let mut c = s.connect();
    c.call_on(0, goodbye());
    s.note("who closes the stream first is not compared: RabbitMQ leaves that to the client for 30 s");
    c.client.half_close();
    c.eof();
}

fn a_close_during_the_server_close_is_answered(s: &Script) {
    let mut c = s.connect();
    c.leave_closes_unanswered();
    c.call(method("channel.open"));
    c.call_on(0, goodbye());
    c.send_on(0, &method("connection.close-ok"));
    c.eof();
}

fn after_a_connection_error_only_close_ok_counts(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.leave_closes_unanswered();
    c.call(method("channel.open"));
    c.send(&declare(&q));
    c.send_bytes(b"\x01\x00\x01\x00\x00\x00\x00\xce", "an empty method frame");
    c.send_on(0, &method("connection.close-ok"));
    c.eof();
    s.connect_as("other").call(declare_passive(&q));
}

fn closing_the_connection_deletes_exclusive_queues_first(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q).flag("exclusive"));
    c.call_on(0, goodbye());
    s.connect_as("other").call(declare_passive(&q));
}

fn a_channel_close_behind_a_failing_publish_is_answered(s: &Script) {
    let mut c = s.connect();
    c.publish(&publish(&s.name("missing"), "key"), &Properties::none(), "lost");
    c.send(&method("channel.close").set("reply-code", 200));
    c.expect("channel.close-ok");
    c.expect("channel.close-ok");
    c.call(method("channel.open"));
}

fn closing_a_channel_requeues_unacked_messages(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.fill(&q, &["one", "two", "three"]);
    c.call(get(&q));
    c.call(get(&q));
    c.call(method("channel.close").set("reply-code", 200));
    c.call(method("channel.open"));
    for _ in 0..4 {
        c.call(get(&q).flag("no-ack"));
    }
}

fn qos_with_a_size_is_not_implemented(s: &Script) {
    s.connect().call(prefetch(10).set("prefetch-size", 1));
}

fn qos_is_confirmed(s: &Script) {
    let mut c = s.connect();
    c.call(prefetch(0));
    c.call(prefetch(65_535));
    c.call(prefetch(1).flag("global"));
}

/// The answer to the get comes from the queue, so whatever it sends for the second message is under way.
fn a_global_prefetch_is_shared_by_the_consumers_of_the_channel(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(prefetch(1).flag("global"));
    c.call(consume(&q, "first"));
    c.call(consume(&q, "second"));
    c.publish(&publish("", &q), &Properties::none(), "one");
    c.expect("basic.deliver");
    c.publish(&publish("", &q), &Properties::none(), "two");
    s.in_any_order(|| {
        c.call(get(&q).flag("no-ack"));
        c.sync();
    });
}

fn a_prefetch_limits_only_consumers_started_later(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, "fanout"));
    c.call(declare(&q));
    c.fill(&q, &["one", "two", "three"]);
    c.call(prefetch(1));
    c.call(consume(&q, "limited"));
    c.expect("basic.deliver");
    c.call(prefetch(0));
    c.sync();
    c.call(consume(&q, "unlimited"));
    c.expect("basic.deliver");
    c.expect("basic.deliver");
    c.call(delete(&s.name("other")));
}
