//! Declaring, deleting and binding exchanges.

use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{
    bind, bind_exchange, declare, declare_exchange, delete, delete_exchange, get, method, publish, unbind,
    unbind_exchange,
};
use crate::support::properties::Properties;
use crate::support::value::{Value, entries, entry, int, text};

scenarios!("exchange":
    an_unknown_exchange_type_is_refused,
    the_default_exchange_cannot_be_declared_or_deleted,
    the_default_exchange_cannot_be_bound,
    a_reserved_exchange_name_is_refused,
    a_predeclared_exchange_can_be_redeclared_as_it_is,
    all_predeclared_exchanges_exist,
    a_predeclared_exchange_cannot_be_deleted,
    redeclaring_an_exchange_with_another_type_is_refused,
    redeclaring_an_exchange_with_other_flags_is_refused,
    redeclaring_an_exchange_with_another_alternate_is_refused,
    other_exchange_arguments_are_not_compared,
    an_alternate_exchange_must_be_a_string,
    passive_declare_of_a_missing_exchange_is_not_found,
    passive_declare_ignores_all_other_fields,
    deleting_a_missing_exchange_succeeds,
    deleting_an_exchange_in_use_is_refused,
    deleting_an_exchange_unbinds_its_queues,
    line_ends_are_removed_from_exchange_names,
    nowait_variants_of_exchange_methods_are_silent,
    an_error_of_a_nowait_method_closes_the_channel,
    an_auto_delete_exchange_goes_with_its_last_binding,
    an_auto_delete_exchange_goes_with_its_last_queue,
    auto_delete_follows_a_chain_of_exchanges,
    binding_to_a_missing_exchange_is_not_found,
    binding_exchanges_that_are_missing_is_not_found,
    unbinding_what_does_not_exist_succeeds,
    unbinding_needs_the_same_arguments,
    an_internal_exchange_cannot_be_published_to,
    an_internal_exchange_passes_messages_on,
    a_cycle_of_exchanges_delivers_once,
    an_alternate_exchange_takes_what_is_not_routed,
    an_alternate_exchange_need_not_exist,
    alternate_exchanges_may_form_a_cycle,
    a_bound_exchange_counts_as_routed_for_the_alternate,
);

fn an_unknown_exchange_type_is_refused(s: &Script) {
    let mut c = s.connect();
    c.attempt(declare_exchange(&s.name("x"), "no-such-type"));
    c.attempt(declare_exchange(&s.name("x"), ""));
    c.attempt(declare_exchange("", "no-such-type"));
}

fn the_default_exchange_cannot_be_declared_or_deleted(s: &Script) {
    let mut c = s.connect();
    c.attempt(declare_exchange("", "direct"));
    c.attempt(declare_exchange("", "direct").flag("passive"));
    c.attempt(delete_exchange(""));
    c.attempt(declare_exchange("\r\n", "direct"));
}

fn the_default_exchange_cannot_be_bound(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare(&q));
    c.call(declare_exchange(&x, "direct"));
    c.attempt(bind(&q, "", "key"));
    c.attempt(unbind(&q, "", &q));
    c.attempt(bind_exchange("", &x, ""));
    c.attempt(bind_exchange(&x, "", ""));
    c.attempt(unbind_exchange("", &x, ""));
}

fn a_reserved_exchange_name_is_refused(s: &Script) {
    let mut c = s.connect();
    c.attempt(declare_exchange("amq.never-declared", "direct"));
    c.attempt(declare_exchange("amq.", "direct"));
    c.attempt(declare_exchange("amq.never-declared", "direct").flag("passive"));
    c.attempt(declare_exchange("amqp-is-not-reserved", "no-such-type"));
}

fn a_predeclared_exchange_can_be_redeclared_as_it_is(s: &Script) {
    let mut c = s.connect();
    c.attempt(declare_exchange("amq.direct", "direct").flag("durable"));
    c.attempt(declare_exchange("amq.direct", "direct"));
    c.attempt(declare_exchange("amq.topic", "direct").flag("durable"));
}

fn all_predeclared_exchanges_exist(s: &Script) {
    let mut c = s.connect();
    for (name, exchange_type) in [
        ("amq.direct", "direct"),
        ("amq.fanout", "fanout"),
        ("amq.topic", "topic"),
        ("amq.match", "headers"),
        ("amq.headers", "headers"),
    ] {
        c.attempt(declare_exchange(name, exchange_type).flag("durable"));
    }
    c.attempt(declare_exchange("amq.rabbitmq.trace", "topic").flag("durable").flag("internal"));
}

fn a_predeclared_exchange_cannot_be_deleted(s: &Script) {
    let mut c = s.connect();
    c.attempt(delete_exchange("amq.direct"));
    c.attempt(delete_exchange("amq.never-declared"));
    c.attempt(delete_exchange("amq.fanout").flag("if-unused"));
}

fn redeclaring_an_exchange_with_another_type_is_refused(s: &Script) {
    let mut c = s.connect();
    let x = s.name("x");
    c.call(declare_exchange(&x, "direct"));
    c.attempt(declare_exchange(&x, "direct"));
    c.attempt(declare_exchange(&x, "topic").flag("durable"));
}

fn redeclaring_an_exchange_with_other_flags_is_refused(s: &Script) {
    let mut c = s.connect();
    let (x, y) = (s.name("x"), s.name("y"));
    c.call(declare_exchange(&x, "fanout"));
    for flag in ["durable", "auto-delete", "internal"] {
        c.attempt(declare_exchange(&x, "fanout").flag(flag));
    }
    let full = || declare_exchange(&y, "fanout").flag("durable").flag("auto-delete").flag("internal");
    c.call(full());
    for flag in ["durable", "auto-delete", "internal"] {
        c.attempt(full().set(flag, false));
    }
}

fn redeclaring_an_exchange_with_another_alternate_is_refused(s: &Script) {
    let mut c = s.connect();
    let (x, plain, ae) = (s.name("x"), s.name("plain"), s.name("ae"));
    let with =
        |name: &str, value| declare_exchange(name, "direct").set("arguments", entry("alternate-exchange", value));
    c.call(with(&x, text(&ae)));
    c.attempt(with(&x, text(&ae)));
    c.attempt(with(&x, text("another")));
    c.attempt(declare_exchange(&x, "direct"));
    c.attempt(with(&x, int(5)));
    c.call(declare_exchange(&plain, "direct"));
    c.attempt(with(&plain, text("another")));
}

fn other_exchange_arguments_are_not_compared(s: &Script) {
    let mut c = s.connect();
    let x = s.name("x");
    c.call(declare_exchange(&x, "direct").set("arguments", entry("color", text("red"))));
    c.attempt(declare_exchange(&x, "direct").set("arguments", entry("color", text("blue"))));
    c.attempt(declare_exchange(&x, "direct"));
}

fn an_alternate_exchange_must_be_a_string(s: &Script) {
    let mut c = s.connect();
    let x = s.name("x");
    for value in [int(5), Value::Bool(true), Value::Void, Value::Binary(b"x".to_vec()), Value::Table(Vec::new())] {
        c.attempt(declare_exchange(&x, "direct").set("arguments", entry("alternate-exchange", value)));
    }
}

fn passive_declare_of_a_missing_exchange_is_not_found(s: &Script) {
    let mut c = s.connect();
    c.attempt(declare_exchange(&s.name("x"), "direct").flag("passive"));
    c.attempt(declare_exchange(&s.name("x"), "no-such-type").flag("passive"));
}

fn passive_declare_ignores_all_other_fields(s: &Script) {
    let mut c = s.connect();
    let x = s.name("x");
    c.call(declare_exchange(&x, "direct"));
    c.attempt(declare_exchange(&x, "").flag("passive").flag("durable").flag("internal"));
    c.attempt(
        declare_exchange(&x, "no-such-type").flag("passive").set("arguments", entry("alternate-exchange", int(1))),
    );
}

fn deleting_a_missing_exchange_succeeds(s: &Script) {
    let mut c = s.connect();
    c.attempt(delete_exchange(&s.name("x")));
    c.attempt(delete_exchange(&s.name("x")).flag("if-unused"));
}

fn deleting_an_exchange_in_use_is_refused(s: &Script) {
    let mut c = s.connect();
    let (x, y, q) = (s.name("x"), s.name("y"), s.name("q"));
    c.call(declare_exchange(&x, "fanout"));
    c.call(declare_exchange(&y, "fanout"));
    c.call(declare(&q));
    c.call(bind(&q, &x, ""));
    c.call(bind_exchange(&x, &y, ""));
    c.attempt(delete_exchange(&x).flag("if-unused"));
    c.attempt(delete_exchange(&y).flag("if-unused"));
    c.call(unbind(&q, &x, ""));
    s.note("x is now only a destination, which is no use");
    c.attempt(delete_exchange(&x).flag("if-unused"));
    c.attempt(delete_exchange(&y).flag("if-unused"));
}

fn deleting_an_exchange_unbinds_its_queues(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, "fanout"));
    c.call(declare(&q));
    c.call(bind(&q, &x, ""));
    c.call(delete_exchange(&x));
    c.call(declare_exchange(&x, "fanout"));
    c.publish(&publish(&x, "").flag("mandatory"), &Properties::none(), "lost");
    c.expect("basic.return");
}

fn line_ends_are_removed_from_exchange_names(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    let broken = format!("\r{x}\n");
    c.call(declare_exchange(&broken, "fanout"));
    c.call(declare_exchange(&x, "").flag("passive"));
    c.call(declare(&q));
    c.call(bind(&q, &broken, ""));
    c.call(bind_exchange(&broken, &broken, ""));
    c.call(unbind_exchange(&broken, &broken, ""));
    c.publish(&publish(&x, ""), &Properties::none(), "routed");
    c.sync();
    c.call(get(&q).flag("no-ack"));
    c.publish(&publish(&broken, ""), &Properties::none(), "refused");
    c.sync();
    c.reopen();
    c.call(delete_exchange(&broken));
    c.attempt(declare_exchange(&x, "").flag("passive"));
}

fn nowait_variants_of_exchange_methods_are_silent(s: &Script) {
    let mut c = s.connect();
    let (x, y) = (s.name("x"), s.name("y"));
    c.tell(&declare_exchange(&x, "fanout").flag("nowait"));
    c.tell(&declare_exchange(&y, "fanout").flag("nowait"));
    c.tell(&declare_exchange(&x, "").flag("passive").flag("nowait"));
    c.tell(&bind_exchange(&x, &y, "").flag("nowait"));
    c.tell(&unbind_exchange(&x, &y, "").flag("nowait"));
    c.tell(&delete_exchange(&x).flag("nowait"));
    c.call(declare_exchange(&x, "").flag("passive"));
}

fn an_error_of_a_nowait_method_closes_the_channel(s: &Script) {
    let mut c = s.connect();
    c.tell(&declare_exchange(&s.name("x"), "").flag("passive").flag("nowait"));
}

fn an_auto_delete_exchange_goes_with_its_last_binding(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, "direct").flag("auto-delete"));
    c.call(declare(&q));
    c.call(bind(&q, &x, "a"));
    c.call(bind(&q, &x, "b"));
    c.call(unbind(&q, &x, "a"));
    c.call(unbind(&q, &x, "not bound"));
    c.call(declare_exchange(&x, "").flag("passive"));
    c.call(unbind(&q, &x, "b"));
    c.call(declare_exchange(&x, "").flag("passive"));
}

fn an_auto_delete_exchange_goes_with_its_last_queue(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, "direct").flag("auto-delete"));
    c.call(declare(&q));
    c.call(bind(&q, &x, "a"));
    c.call(delete(&q));
    c.call(declare_exchange(&x, "").flag("passive"));
}

fn auto_delete_follows_a_chain_of_exchanges(s: &Script) {
    let mut c = s.connect();
    let (x, y, z, q) = (s.name("x"), s.name("y"), s.name("z"), s.name("q"));
    for name in [&x, &y] {
        c.call(declare_exchange(name, "fanout").flag("auto-delete"));
    }
    c.call(declare_exchange(&z, "fanout"));
    c.call(declare(&q));
    c.call(bind_exchange(&y, &x, ""));
    c.call(bind_exchange(&z, &y, ""));
    c.call(bind(&q, &z, ""));
    c.call(delete_exchange(&z));
    for name in [&x, &y] {
        c.attempt(declare_exchange(name, "").flag("passive"));
    }
}

fn binding_to_a_missing_exchange_is_not_found(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.attempt(bind(&q, &x, ""));
    c.call(declare(&q));
    c.attempt(bind(&q, &x, ""));
    c.attempt(bind(&s.name("missing"), "amq.direct", ""));
}

fn binding_exchanges_that_are_missing_is_not_found(s: &Script) {
    let mut c = s.connect();
    let (x, y, missing) = (s.name("x"), s.name("y"), s.name("missing"));
    c.attempt(bind_exchange(&x, &y, ""));
    c.call(declare_exchange(&x, "direct"));
    c.attempt(bind_exchange(&x, &missing, ""));
    c.attempt(bind_exchange(&missing, &x, ""));
}

fn unbinding_what_does_not_exist_succeeds(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.attempt(unbind(&q, &x, "key"));
    c.attempt(unbind_exchange(&x, &s.name("y"), "key"));
    c.call(declare(&q));
    c.attempt(unbind(&q, &x, "key"));
    c.call(declare_exchange(&x, "direct"));
    c.attempt(unbind(&q, &x, "key"));
    c.attempt(unbind(&s.name("missing"), &x, "key"));
}

fn unbinding_needs_the_same_arguments(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, "direct"));
    c.call(declare(&q));
    let arguments = || entries([("a", int(1)), ("b", text("two"))]);
    c.call(bind(&q, &x, "key").set("arguments", arguments()));
    c.call(bind(&q, &x, "key").set("arguments", arguments()));
    c.call(unbind(&q, &x, "key"));
    c.publish(&publish(&x, "key").flag("mandatory"), &Properties::none(), "still bound");
    c.sync();
    c.call(unbind(&q, &x, "key").set("arguments", entries([("b", text("two")), ("a", int(1))])));
    c.publish(&publish(&x, "key").flag("mandatory"), &Properties::none(), "not bound");
    c.expect("basic.return");
    c.call(get(&q).flag("no-ack"));
    c.call(get(&q).flag("no-ack"));
}

fn an_internal_exchange_cannot_be_published_to(s: &Script) {
    let mut c = s.connect();
    let x = s.name("x");
    c.call(declare_exchange(&x, "fanout").flag("internal"));
    c.publish(&publish(&x, "").flag("mandatory"), &Properties::none(), "refused");
    c.sync();
}

fn an_internal_exchange_passes_messages_on(s: &Script) {
    let mut c = s.connect();
    let (front, x, q) = (s.name("front"), s.name("x"), s.name("q"));
    c.call(declare_exchange(&front, "fanout"));
    c.call(declare_exchange(&x, "fanout").flag("internal"));
    c.call(declare(&q));
    c.call(bind_exchange(&x, &front, ""));
    c.call(bind(&q, &x, ""));
    c.publish(&publish(&front, "key"), &Properties::none(), "routed");
    c.sync();
    c.call(get(&q).flag("no-ack"));
}

fn a_cycle_of_exchanges_delivers_once(s: &Script) {
    let mut c = s.connect();
    let (x, y, q) = (s.name("x"), s.name("y"), s.name("q"));
    for name in [&x, &y] {
        c.call(declare_exchange(name, "fanout"));
    }
    c.call(declare(&q));
    c.call(bind_exchange(&x, &y, ""));
    c.call(bind_exchange(&y, &x, ""));
    c.call(bind_exchange(&x, &x, ""));
    c.call(bind(&q, &x, ""));
    c.call(bind(&q, &y, "again"));
    c.publish(&publish(&x, "key"), &Properties::none(), "once");
    c.sync();
    c.call(get(&q).flag("no-ack"));
    c.call(get(&q).flag("no-ack"));
}

fn an_alternate_exchange_takes_what_is_not_routed(s: &Script) {
    let mut c = s.connect();
    let (x, ae, q, other) = (s.name("x"), s.name("ae"), s.name("q"), s.name("other"));
    c.call(declare_exchange(&ae, "fanout").flag("internal"));
    c.call(declare_exchange(&x, "direct").set("arguments", entry("alternate-exchange", text(&ae))));
    c.call(declare(&q));
    c.call(declare(&other));
    c.call(bind(&q, &x, "known"));
    c.call(bind(&other, &ae, ""));
    c.publish(&publish(&x, "known").flag("mandatory"), &Properties::none(), "to the queue");
    c.publish(&publish(&x, "unknown").flag("mandatory"), &Properties::none(), "to the alternate");
    c.sync();
    for name in [&q, &other] {
        c.call(get(name).flag("no-ack"));
        c.call(get(name).flag("no-ack"));
    }
    c.call(unbind(&other, &ae, ""));
    c.publish(&publish(&x, "unknown").flag("mandatory"), &Properties::none(), "to nobody");
    c.expect("basic.return");
}

fn an_alternate_exchange_need_not_exist(s: &Script) {
    let mut c = s.connect();
    let x = s.name("x");
    c.call(declare_exchange(&x, "direct").set("arguments", entry("alternate-exchange", text(s.name("missing")))));
    c.publish(&publish(&x, "key").flag("mandatory"), &Properties::none(), "returned");
    c.expect("basic.return");
    c.call(method("basic.qos"));
}

fn alternate_exchanges_may_form_a_cycle(s: &Script) {
    let mut c = s.connect();
    let (x, y) = (s.name("x"), s.name("y"));
    c.call(declare_exchange(&x, "direct").set("arguments", entry("alternate-exchange", text(&y))));
    c.call(declare_exchange(&y, "direct").set("arguments", entry("alternate-exchange", text(&x))));
    c.publish(&publish(&x, "key").flag("mandatory"), &Properties::none(), "returned");
    c.expect("basic.return");
}

fn a_bound_exchange_counts_as_routed_for_the_alternate(s: &Script) {
    let mut c = s.connect();
    let (x, y, ae, q) = (s.name("x"), s.name("y"), s.name("ae"), s.name("q"));
    c.call(declare_exchange(&ae, "fanout"));
    c.call(declare_exchange(&y, "fanout"));
    c.call(declare_exchange(&x, "fanout").set("arguments", entry("alternate-exchange", text(&ae))));
    c.call(declare(&q));
    c.call(bind(&q, &ae, ""));
    c.call(bind_exchange(&y, &x, ""));
    c.publish(&publish(&x, "key").flag("mandatory"), &Properties::none(), "returned");
    c.expect("basic.return");
    c.call(get(&q));
}
