//! Declaring, deleting and purging queues.

use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{
    bind, cancel, consume, declare, declare_exchange, declare_passive, delete, get, method, publish, purge, unbind,
};
use crate::support::properties::Properties;

scenarios!("queue":
    redeclaring_a_queue_as_it_is_reports_its_counts,
    redeclaring_a_queue_with_another_durability_is_refused,
    redeclaring_a_queue_with_another_auto_delete_is_refused,
    redeclaring_a_queue_with_another_exclusivity_is_locked,
    durability_is_compared_before_auto_delete,
    an_exclusive_queue_is_never_durable,
    an_exclusive_queue_is_locked_for_other_connections,
    an_exclusive_queue_takes_messages_of_other_connections,
    an_exclusive_queue_is_shared_by_the_channels_of_its_connection,
    a_reserved_queue_name_is_refused,
    passive_declare_of_a_missing_queue_is_not_found,
    passive_declare_ignores_all_other_fields,
    a_server_named_queue_gets_a_generated_name,
    a_generated_name_cannot_be_declared_again,
    an_empty_queue_name_means_the_last_declared,
    an_empty_queue_name_without_a_declaration_is_not_found,
    an_empty_queue_name_and_routing_key_bind_by_the_name,
    a_queue_declared_with_nowait_is_the_last_declared,
    line_ends_are_removed_from_queue_names,
    nowait_variants_of_queue_methods_are_silent,
    deleting_a_missing_queue_succeeds,
    deleting_a_queue_reports_its_ready_messages,
    deleting_a_queue_with_consumers_if_unused_is_refused,
    deleting_a_queue_with_messages_if_empty_is_refused,
    purging_removes_only_ready_messages,
    purging_a_missing_queue_is_not_found,
    an_auto_delete_queue_goes_with_its_last_consumer,
    an_auto_delete_queue_goes_with_the_channel_of_its_last_consumer,
    an_auto_delete_queue_which_never_had_a_consumer_stays,
    rebinding_a_queue_is_no_second_binding,
    the_default_exchange_routes_by_queue_name,
);

fn redeclaring_a_queue_as_it_is_reports_its_counts(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.publish(&publish("", &q), &Properties::none(), "one");
    c.publish(&publish("", &q), &Properties::none(), "two");
    c.publish(&publish("", &q), &Properties::none(), "three");
    c.sync();
    c.call(get(&q));
    c.call(declare(&q));
    c.call(declare_passive(&q));
    c.call_on(2, method("channel.open"));
    c.call_on(2, method("basic.qos").set("prefetch-count", 1));
    c.call_on(2, consume(&q, "consumer"));
    c.until(2, &["basic.deliver"]);
    c.call(declare(&q));
}

fn redeclaring_a_queue_with_another_durability_is_refused(s: &Script) {
    let mut c = s.connect();
    let (transient, durable) = (s.name("transient"), s.name("durable"));
    c.call(declare(&transient));
    c.attempt(declare(&transient).flag("durable"));
    c.call(declare(&durable).flag("durable"));
    c.attempt(declare(&durable));
}

fn redeclaring_a_queue_with_another_auto_delete_is_refused(s: &Script) {
    let mut c = s.connect();
    let (plain, auto_delete) = (s.name("plain"), s.name("auto"));
    c.call(declare(&plain));
    c.attempt(declare(&plain).flag("auto-delete"));
    c.call(declare(&auto_delete).flag("auto-delete"));
    c.attempt(declare(&auto_delete));
}

fn redeclaring_a_queue_with_another_exclusivity_is_locked(s: &Script) {
    let mut c = s.connect();
    let (shared, exclusive) = (s.name("shared"), s.name("exclusive"));
    c.call(declare(&shared));
    c.attempt(declare(&shared).flag("exclusive"));
    c.call(declare(&exclusive).flag("exclusive"));
    c.attempt(declare(&exclusive));
    c.attempt(declare(&exclusive).flag("exclusive").flag("auto-delete"));
}

fn durability_is_compared_before_auto_delete(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.attempt(declare(&q).flag("durable").flag("auto-delete"));
    c.attempt(declare(&q).flag("durable").flag("exclusive"));
}

fn an_exclusive_queue_is_never_durable(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q).flag("exclusive").flag("durable"));
    c.attempt(declare(&q).flag("exclusive"));
    c.attempt(declare(&q).flag("exclusive").flag("durable"));
}

fn an_exclusive_queue_is_locked_for_other_connections(s: &Script) {
    let (mut owner, mut c) = (s.connect_as("owner"), s.connect_as("other"));
    let q = s.name("q");
    owner.call(declare(&q).flag("exclusive"));
    c.attempt(declare(&q));
    c.attempt(declare(&q).flag("exclusive"));
    c.attempt(declare_passive(&q));
    c.attempt(bind(&q, "amq.direct", "key"));
    s.note("unbinding is refused only where there is a binding");
    c.attempt(unbind(&q, "amq.direct", "key"));
    owner.call(bind(&q, "amq.direct", "key"));
    c.attempt(unbind(&q, "amq.direct", "key"));
    c.attempt(consume(&q, ""));
    c.attempt(get(&q));
    c.attempt(purge(&q));
    c.attempt(delete(&q));
    c.attempt(delete(&q).flag("if-empty"));
}

fn an_exclusive_queue_takes_messages_of_other_connections(s: &Script) {
    let (mut owner, mut c) = (s.connect_as("owner"), s.connect_as("other"));
    let q = s.name("q");
    owner.call(declare(&q).flag("exclusive"));
    c.publish(&publish("", &q).flag("mandatory"), &Properties::none(), "for the owner");
    c.sync();
    owner.call(get(&q).flag("no-ack"));
}

fn an_exclusive_queue_is_shared_by_the_channels_of_its_connection(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q).flag("exclusive"));
    c.call_on(2, method("channel.open"));
    c.call_on(2, declare(&q).flag("exclusive"));
    c.call_on(2, get(&q));
    c.call_on(2, delete(&q));
}

fn a_reserved_queue_name_is_refused(s: &Script) {
    let mut c = s.connect();
    c.attempt(declare("amq.never-declared"));
    c.attempt(declare("amq."));
    c.attempt(declare_passive("amq.never-declared"));
    c.attempt(delete("amq.never-declared"));
}

fn passive_declare_of_a_missing_queue_is_not_found(s: &Script) {
    let mut c = s.connect();
    c.attempt(declare_passive(&s.name("q")));
    c.attempt(declare_passive(""));
}

fn passive_declare_ignores_all_other_fields(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.attempt(declare_passive(&q).flag("durable").flag("auto-delete").flag("exclusive"));
    let arguments = crate::support::value::entry("x-message-ttl", crate::support::value::text("nonsense"));
    c.attempt(declare_passive(&q).set("arguments", arguments));
}

fn a_server_named_queue_gets_a_generated_name(s: &Script) {
    let mut c = s.connect();
    c.call(declare("").flag("exclusive"));
    let first = c.given_name();
    c.call(declare("").flag("exclusive"));
    assert_ne!(first, c.given_name());
    s.note(&format!("the name has {} characters", first.len()));
    c.call(declare("\r\n").flag("exclusive"));
}

fn a_generated_name_cannot_be_declared_again(s: &Script) {
    let mut c = s.connect();
    c.call(declare("").flag("exclusive"));
    let q = c.given_name();
    c.attempt(declare_passive(&q));
    c.attempt(declare(&q).flag("exclusive"));
    c.attempt(delete(&q));
}

fn an_empty_queue_name_means_the_last_declared(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(bind("", "amq.direct", "key"));
    c.call(unbind("", "amq.direct", "key"));
    c.call(purge(""));
    c.call(get(""));
    c.call(consume("", "consumer"));
    c.send(&delete(""));
    c.expect_all(&["basic.cancel", "queue.delete-ok"]);
    c.call(get(""));
}

fn an_empty_queue_name_without_a_declaration_is_not_found(s: &Script) {
    let mut c = s.connect();
    c.attempt(bind("", "amq.direct", "key"));
    c.attempt(unbind("", "amq.direct", "key"));
    c.attempt(purge(""));
    c.attempt(get(""));
    c.attempt(consume("", ""));
    c.attempt(delete(""));
}

fn an_empty_queue_name_and_routing_key_bind_by_the_name(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, "direct"));
    c.call(declare(&q));
    c.call(bind("", &x, ""));
    c.publish(&publish(&x, &q), &Properties::none(), "by name");
    c.publish(&publish(&x, "").flag("mandatory"), &Properties::none(), "by the empty key");
    c.expect("basic.return");
    c.call(get(""));
    c.call(unbind("", &x, ""));
    c.publish(&publish(&x, &q).flag("mandatory"), &Properties::none(), "not bound");
    c.expect("basic.return");
}

fn a_queue_declared_with_nowait_is_the_last_declared(s: &Script) {
    let mut c = s.connect();
    let (first, second) = (s.name("first"), s.name("second"));
    c.call(declare(&first));
    c.tell(&declare(&second).flag("nowait"));
    c.publish(&publish("", &second), &Properties::none(), "in the second");
    c.sync();
    c.call(get("").flag("no-ack"));
    c.call(declare_passive(&first));
    c.call(get(""));
}

fn line_ends_are_removed_from_queue_names(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    let broken = format!("\n{q}\r\n");
    c.call(declare_exchange(&x, "fanout"));
    c.call(declare(&broken));
    c.call(declare_passive(&broken));
    c.call(bind(&broken, &x, ""));
    c.call(unbind(&broken, &x, ""));
    c.attempt(get(&broken));
    c.attempt(consume(&broken, ""));
    c.attempt(purge(&broken));
    c.call(delete(&broken));
    c.attempt(declare_passive(&q));
}

fn nowait_variants_of_queue_methods_are_silent(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.tell(&declare(&q).flag("nowait"));
    c.tell(&declare_exchange(&x, "fanout").flag("nowait"));
    c.tell(&bind(&q, &x, "").flag("nowait"));
    c.publish(&publish(&x, ""), &Properties::none(), "purged");
    c.tell(&purge(&q).flag("nowait"));
    c.call(get(&q));
    c.tell(&consume(&q, "consumer").flag("nowait"));
    c.tell(&cancel("consumer").flag("nowait"));
    c.tell(&delete(&q).flag("nowait"));
    c.tell(&declare_passive(&q).flag("nowait"));
}

fn deleting_a_missing_queue_succeeds(s: &Script) {
    let mut c = s.connect();
    c.attempt(delete(&s.name("q")));
    c.attempt(delete(&s.name("q")).flag("if-unused").flag("if-empty"));
}

fn deleting_a_queue_reports_its_ready_messages(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.fill(&q, &["one", "two", "three"]);
    c.call(get(&q));
    c.call(delete(&q));
    s.note("the tag of a message of a deleted queue is still known");
    c.tell(&crate::support::commands::ack(1));
    c.tell(&crate::support::commands::ack(1));
}

fn deleting_a_queue_with_consumers_if_unused_is_refused(s: &Script) {
    let (mut consumer, mut c) = (s.connect_as("consumer"), s.connect_as("other"));
    let q = s.name("q");
    consumer.call(declare(&q));
    consumer.call(consume(&q, "consumer"));
    c.attempt(delete(&q).flag("if-unused"));
    c.attempt(delete(&q).flag("if-unused").flag("if-empty"));
    consumer.call(cancel("consumer"));
    c.attempt(delete(&q).flag("if-unused"));
}

fn deleting_a_queue_with_messages_if_empty_is_refused(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.publish(&publish("", &q), &Properties::none(), "one");
    c.sync();
    c.attempt(delete(&q).flag("if-empty"));
    c.attempt(delete(&q).flag("if-empty").flag("if-unused"));
    c.call(get(&q));
    s.note("an unacked message does not count");
    c.attempt(delete(&q).flag("if-empty"));
}

fn purging_removes_only_ready_messages(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.fill(&q, &["one", "two", "three"]);
    c.call(get(&q));
    c.call(purge(&q));
    c.call(purge(&q));
    c.tell(&crate::support::commands::reject(1).flag("requeue"));
    c.call(get(&q).flag("no-ack"));
}

fn purging_a_missing_queue_is_not_found(s: &Script) {
    s.connect().call(purge(&s.name("q")));
}

fn an_auto_delete_queue_goes_with_its_last_consumer(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q).flag("auto-delete"));
    c.call(consume(&q, "first"));
    c.call(consume(&q, "second"));
    c.call(cancel("first"));
    c.call(declare_passive(&q));
    c.call(cancel("second"));
    c.call(declare_passive(&q));
}

fn an_auto_delete_queue_goes_with_the_channel_of_its_last_consumer(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q).flag("auto-delete"));
    c.call_on(2, method("channel.open"));
    c.call_on(2, consume(&q, "consumer"));
    c.call_on(2, method("channel.close").set("reply-code", 200));
    c.call(declare_passive(&q));
}

fn an_auto_delete_queue_which_never_had_a_consumer_stays(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q).flag("auto-delete"));
    c.call(get(&q));
    c.call(method("channel.close").set("reply-code", 200));
    c.call(method("channel.open"));
    c.call(declare_passive(&q));
}

fn rebinding_a_queue_is_no_second_binding(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, "direct"));
    c.call(declare(&q));
    c.call(bind(&q, &x, "key"));
    c.call(bind(&q, &x, "key"));
    c.publish(&publish(&x, "key"), &Properties::none(), "one copy");
    c.sync();
    c.call(get(&q).flag("no-ack"));
    c.call(get(&q).flag("no-ack"));
    c.call(unbind(&q, &x, "key"));
    c.publish(&publish(&x, "key").flag("mandatory"), &Properties::none(), "not bound");
    c.expect("basic.return");
}

fn the_default_exchange_routes_by_queue_name(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.publish(&publish("", &q).flag("mandatory"), &Properties::none(), "too early");
    c.expect("basic.return");
    c.call(declare(&q));
    c.publish(&publish("", &q).flag("mandatory"), &Properties::none(), "in time");
    c.sync();
    c.call(get(&q));
}
