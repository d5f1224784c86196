//! Arguments of classic queues: what is valid, and what redeclaring compares.

use crate::conn::Outcome;
use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{consume, declare};
use crate::support::method::Method;
use crate::support::value::{Table, Value, entries, entry, int, text};

scenarios!("arguments":
    an_unknown_queue_type_is_refused,
    an_empty_queue_type_is_accepted,
    the_classic_queue_type_is_the_default,
    unknown_arguments_are_not_compared,
    an_invalid_queue_version_is_refused,
    queue_version_two_is_accepted,
    queue_mode_is_not_validated,
    a_different_queue_mode_is_inequivalent,
    a_missing_or_new_queue_mode_is_inequivalent,
    an_invalid_leader_locator_is_refused,
    a_different_leader_locator_is_inequivalent,
    equal_integers_of_other_tags_are_equivalent,
    texts_name_the_type_of_each_value,
    fractions_are_printed_as_short_as_can_be,
    nested_values_are_printed_with_their_types,
    binaries_are_printed_as_text,
    the_default_queue_type_is_named_in_texts,
    an_invalid_message_ttl_is_refused,
    an_invalid_expiry_is_refused,
    an_invalid_max_length_is_refused,
    an_invalid_max_length_in_bytes_is_refused,
    an_invalid_overflow_is_refused,
    an_invalid_max_priority_is_refused,
    an_invalid_single_active_consumer_is_refused,
    an_invalid_dead_letter_exchange_is_refused,
    a_dead_letter_routing_key_needs_an_exchange,
    arguments_of_quorum_queues_are_refused,
    a_classic_queue_has_no_delivery_limit_and_no_consumer_timeout,
    arguments_of_streams_are_refused,
    a_wrong_value_is_told_before_an_argument_of_another_type,
    a_quorum_queue_must_be_durable_and_shared,
    a_stream_must_be_durable_and_shared,
    a_quorum_queue_or_stream_needs_a_name,
    argument_names_are_case_sensitive,
    a_wrong_type_on_an_existing_queue_is_inequivalent,
    the_first_of_two_equal_names_counts,
    a_valid_message_ttl_is_accepted,
    a_different_message_ttl_is_inequivalent,
    a_valid_expiry_is_accepted,
    a_valid_max_length_is_accepted,
    a_valid_max_length_in_bytes_is_accepted,
    a_valid_overflow_is_accepted,
    a_valid_max_priority_is_accepted,
    a_single_active_consumer_is_accepted,
    a_dead_letter_exchange_is_accepted,
    a_quorum_queue_is_accepted,
    a_stream_is_accepted,
);

fn declare_with(queue: &str, arguments: Table) -> Method {
    declare(queue).set("arguments", arguments)
}

/// Declares one queue per value; none of them should come to be.
fn refused(s: &Script, argument: &str, values: impl IntoIterator<Item = Value>) {
    let mut c = s.connect();
    let q = s.name("q");
    for value in values {
        c.attempt(declare_with(&q, entry(argument, value)));
    }
}

/// Declares a queue with the argument and once more; on a connection of its own, which this may cost.
fn accepted(s: &Script, arguments: &[Table]) {
    for (number, arguments) in arguments.iter().enumerate() {
        let mut c = s.connect();
        let q = s.name(&format!("q{number}"));
        c.attempt(declare_with(&q, arguments.clone()));
    }
}

fn not_integers() -> [Value; 5] {
    [text("10"), Value::F64(10.0), Value::Bool(true), Value::Void, Value::Array(Vec::new())]
}

fn an_unknown_queue_type_is_refused(s: &Script) {
    refused(s, "x-queue-type", [text("no-such-type"), text("Classic"), int(1), Value::Bool(true), Value::Void]);
}

fn an_empty_queue_type_is_accepted(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    for queue_type in ["", "", "classic"] {
        c.attempt(declare_with(&q, entry("x-queue-type", text(queue_type))));
    }
    c.attempt(declare(&q));
}

fn the_classic_queue_type_is_the_default(s: &Script) {
    let mut c = s.connect();
    let (implicit, explicit) = (s.name("implicit"), s.name("explicit"));
    let classic = || entry("x-queue-type", text("classic"));
    c.attempt(declare(&implicit));
    c.attempt(declare_with(&implicit, classic()));
    c.attempt(declare_with(&explicit, classic()));
    c.attempt(declare(&explicit));
    s.note("another type is inequivalent");
    c.attempt(declare_with(&explicit, entry("x-queue-type", text("quorum"))));
    c.attempt(declare_with(&explicit, entry("x-queue-type", text("no-such-type"))));
}

fn unknown_arguments_are_not_compared(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.attempt(declare_with(&q, entry("x-of-our-own", int(1))));
    c.attempt(declare_with(&q, entry("x-of-our-own", text("two"))));
    c.attempt(declare(&q));
}

fn an_invalid_queue_version_is_refused(s: &Script) {
    refused(s, "x-queue-version", [int(0), int(1), int(3), int(-1)]);
    refused(s, "x-queue-version", not_integers());
}

fn queue_version_two_is_accepted(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.attempt(declare_with(&q, entry("x-queue-version", int(2))));
    c.attempt(declare_with(&q, entry("x-queue-version", Value::I64(2))));
    c.attempt(declare(&q));
}

fn queue_mode_is_not_validated(s: &Script) {
    for (number, value) in [text("lazy"), text("default"), text("anything"), int(5)].into_iter().enumerate() {
        let mut c = s.connect();
        c.attempt(declare_with(&s.name(&format!("q{number}")), entry("x-queue-mode", value)));
    }
}

fn a_different_queue_mode_is_inequivalent(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.attempt(declare_with(&q, entry("x-queue-mode", text("lazy"))));
    c.attempt(declare_with(&q, entry("x-queue-mode", text("lazy"))));
    c.attempt(declare_with(&q, entry("x-queue-mode", Value::Binary(b"lazy".to_vec()))));
    c.attempt(declare_with(&q, entry("x-queue-mode", text("default"))));
    c.attempt(declare_with(&q, entry("x-queue-mode", int(10))));
}

fn a_missing_or_new_queue_mode_is_inequivalent(s: &Script) {
    let mut c = s.connect();
    let (plain, lazy) = (s.name("plain"), s.name("lazy"));
    c.attempt(declare(&plain));
    c.attempt(declare_with(&plain, entry("x-queue-mode", text("lazy"))));
    c.attempt(declare_with(&lazy, entry("x-queue-mode", text("lazy"))));
    c.attempt(declare(&lazy));
    c.attempt(declare(&lazy).flag("durable"));
}

fn an_invalid_leader_locator_is_refused(s: &Script) {
    refused(s, "x-queue-leader-locator", [text("nowhere"), text(""), int(1), Value::Bool(true)]);
}

fn a_different_leader_locator_is_inequivalent(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    for locator in ["client-local", "balanced", "random", "least-leaders", "min-masters"] {
        c.attempt(declare_with(&s.name(locator), entry("x-queue-leader-locator", text(locator))));
    }
    c.attempt(declare_with(&q, entry("x-queue-leader-locator", text("balanced"))));
    c.attempt(declare_with(&q, entry("x-queue-leader-locator", text("client-local"))));
    c.attempt(declare(&q));
}

fn equal_integers_of_other_tags_are_equivalent(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.attempt(declare_with(&q, entry("x-queue-mode", int(10))));
    for value in [
        Value::I8(10),
        Value::U8(10),
        Value::I16(10),
        Value::U16(10),
        Value::U32(10),
        Value::I64(10),
        Value::UpperL(10),
        Value::F32(10.0),
        Value::F64(10.0),
        Value::Timestamp(10),
        text("10"),
        int(11),
    ] {
        c.attempt(declare_with(&q, entry("x-queue-mode", value)));
    }
    let floating = s.name("floating");
    c.attempt(declare_with(&floating, entry("x-queue-mode", Value::F64(1.5))));
    c.attempt(declare_with(&floating, entry("x-queue-mode", Value::F32(1.5))));
    c.attempt(declare_with(&floating, entry("x-queue-mode", Value::F32(2.5))));
}

fn texts_name_the_type_of_each_value(s: &Script) {
    let mut c = s.connect();
    let q = s.name("plain");
    c.attempt(declare(&q));
    let values = [
        Value::Bool(true),
        Value::I8(-1),
        Value::U8(1),
        Value::I16(-2),
        Value::U16(2),
        Value::I32(-3),
        Value::U32(3),
        Value::I64(-4),
        Value::UpperL(4),
        Value::F32(0.5),
        Value::F64(1e100),
        Value::F64(3.0),
        Value::Decimal(2, 314),
        text("text"),
        text(""),
        Value::Array(vec![int(1), text("two")]),
        Value::Timestamp(1_700_000_000),
        Value::Table(entry("a", int(1))),
        Value::Void,
        Value::Binary(vec![0, 255]),
    ];
    for value in values {
        c.attempt(declare_with(&q, entry("x-queue-mode", value)));
    }
    s.note("and the other way round");
    let held = [int(10), Value::I64(10), Value::Bool(false), Value::F64(1.5), text("text")];
    for (number, value) in held.into_iter().enumerate() {
        let q = s.name(&format!("q{number}"));
        c.attempt(declare_with(&q, entry("x-queue-mode", value)));
        c.attempt(declare(&q));
    }
}

/// Redeclares a queue with one value after another for an argument that it does not have.
fn printed(s: &Script, values: impl IntoIterator<Item = Value>) {
    let mut c = s.connect();
    let q = s.name("q");
    c.attempt(declare(&q));
    for value in values {
        c.attempt(declare_with(&q, entry("x-queue-mode", value)));
    }
}

fn fractions_are_printed_as_short_as_can_be(s: &Script) {
    let doubles = [
        0.0,
        -0.0,
        -1.25,
        0.1,
        0.05,
        0.001,
        0.0001,
        0.000_012,
        1.0e-10,
        100.0,
        1000.0,
        12_000.0,
        123_456_789.0,
        1.0e15,
        9_007_199_254_740_992.0,
        1.5e16,
        1.234_567_890_123_456_8e17,
        5.0e-324,
    ];
    printed(s, doubles.map(Value::F64));
    printed(s, [0.1, 0.25, 16_777_216.0, 1.0e20].map(Value::F32));
}

fn nested_values_are_printed_with_their_types(s: &Script) {
    printed(
        s,
        [
            Value::Array(Vec::new()),
            Value::Array(vec![Value::Bool(true), Value::Void, Value::Decimal(2, 314)]),
            Value::Array(vec![Value::F64(1.0), Value::F32(0.5), Value::Timestamp(5)]),
            Value::Array(vec![Value::Binary(b"ab".to_vec()), Value::Binary(vec![0, 1])]),
            Value::Array(vec![text(""), text("\u{e9}\u{20ac}"), text("\u{e9}")]),
            Value::Array(vec![Value::Array(vec![int(1)]), Value::Table(entry("k", Value::U8(7)))]),
            Value::Table(Table::new()),
            Value::Array(vec![Value::Binary(vec![0xe9]), Value::Binary(vec![0xc3, 0xa9, 0]), text("\"\n")]),
            Value::Table(entries([("b", int(1)), ("a", Value::Table(entry("c", text("d"))))])),
        ],
    );
}

fn binaries_are_printed_as_text(s: &Script) {
    printed(
        s,
        [
            Value::Binary(b"plain".to_vec()),
            Value::Binary("\u{e9}".as_bytes().to_vec()),
            Value::Binary(vec![0xe9, b'a']),
            text("\u{20ac}"),
            Value::Binary(Vec::new()),
        ],
    );
}

fn the_default_queue_type_is_named_in_texts(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.attempt(declare(&q));
    for value in [text("quorum"), text("no-such-type"), text(""), int(5), Value::Binary(b"classic".to_vec())] {
        c.attempt(declare_with(&q, entry("x-queue-type", value)));
    }
}

fn too_large() -> Value {
    Value::I64(315_360_000_001)
}

fn an_invalid_message_ttl_is_refused(s: &Script) {
    refused(s, "x-message-ttl", [int(-1), too_large()]);
    refused(s, "x-message-ttl", not_integers());
}

fn an_invalid_expiry_is_refused(s: &Script) {
    refused(s, "x-expires", [int(0), int(-1), too_large()]);
    refused(s, "x-expires", not_integers());
}

fn an_invalid_max_length_is_refused(s: &Script) {
    refused(s, "x-max-length", [int(-1), Value::I64(i64::MIN)]);
    refused(s, "x-max-length", not_integers());
}

fn an_invalid_max_length_in_bytes_is_refused(s: &Script) {
    refused(s, "x-max-length-bytes", [int(-1)]);
    refused(s, "x-max-length-bytes", not_integers());
}

fn an_invalid_overflow_is_refused(s: &Script) {
    refused(s, "x-overflow", [text("drop-tail"), text(""), int(1), Value::Bool(true), Value::Void]);
}

fn an_invalid_max_priority_is_refused(s: &Script) {
    refused(s, "x-max-priority", [int(256), int(-1), Value::I64(1 << 40)]);
    refused(s, "x-max-priority", not_integers());
}

fn an_invalid_single_active_consumer_is_refused(s: &Script) {
    refused(s, "x-single-active-consumer", [text("true"), int(1), Value::Void]);
}

fn an_invalid_dead_letter_exchange_is_refused(s: &Script) {
    refused(s, "x-dead-letter-exchange", [int(1), Value::Bool(true), Value::Void, Value::Binary(b"x".to_vec())]);
}

fn a_dead_letter_routing_key_needs_an_exchange(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.attempt(declare_with(&q, entry("x-dead-letter-routing-key", text("key"))));
    c.attempt(declare_with(&q, entry("x-dead-letter-routing-key", int(1))));
    let both = entries([("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", int(1))]);
    c.attempt(declare_with(&q, both));
}

fn arguments_of_quorum_queues_are_refused(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    for (argument, value) in [
        ("x-quorum-initial-group-size", int(3)),
        ("x-dead-letter-strategy", text("at-most-once")),
        ("x-max-in-memory-length", int(5)),
        ("x-max-in-memory-bytes", int(5)),
        ("x-consumer-disconnected-timeout", int(5)),
        ("x-delayed-retry-type", text("all")),
    ] {
        c.attempt(declare_with(&q, entry(argument, value)));
    }
}

fn a_classic_queue_has_no_delivery_limit_and_no_consumer_timeout(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    for (argument, value) in [
        ("x-delivery-limit", text("five")),
        ("x-consumer-timeout", int(-1)),
        ("x-delivery-limit", int(5)),
        ("x-consumer-timeout", int(5000)),
    ] {
        let q = s.another_name("q");
        c.attempt(declare_with(&q, entry(argument, value)));
    }
    c.call(declare(&q));
    c.attempt(consume(&q, "tag").set("arguments", entry("x-consumer-timeout", int(-1))));
    c.attempt(consume(&q, "tag").set("arguments", entry("x-consumer-timeout", int(5000))));
}

fn arguments_of_streams_are_refused(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    for (argument, value) in [
        ("x-max-age", text("1h")),
        ("x-stream-max-segment-size-bytes", int(1000)),
        ("x-stream-filter-size-bytes", int(16)),
        ("x-initial-cluster-size", int(1)),
    ] {
        c.attempt(declare_with(&q, entry(argument, value)));
    }
}

fn a_wrong_value_is_told_before_an_argument_of_another_type(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    for arguments in [
        entries([("x-max-age", text("1h")), ("x-message-ttl", int(-1))]),
        entries([("x-message-ttl", int(-1)), ("x-max-age", text("1h"))]),
        entries([("x-max-age", text("1h")), ("x-initial-cluster-size", int(1))]),
        entries([("x-initial-cluster-size", int(1)), ("x-max-age", text("1h"))]),
        entries([("x-initial-cluster-size", text("one")), ("x-max-age", int(1))]),
        entries([("x-expires", int(0)), ("x-message-ttl", int(-1))]),
        entries([("x-message-ttl", int(-1)), ("x-expires", int(0))]),
        entries([("x-queue-type", text("none")), ("x-expires", int(0))]),
        entries([("x-max-length", int(-1)), ("x-overflow", text("none")), ("x-max-priority", int(-1))]),
        entries([("x-max-length-bytes", int(-1)), ("x-overflow", text("none"))]),
        entries([("x-dead-letter-routing-key", text("key")), ("x-expires", int(0))]),
        entries([("x-dead-letter-routing-key", text("key")), ("x-message-ttl", int(-1))]),
        entries([("x-dead-letter-routing-key", text("key")), ("x-max-length", int(-1))]),
        entries([("x-max-priority", int(-1)), ("x-overflow", text("none"))]),
        entries([("x-max-priority", int(-1)), ("x-max-length-bytes", int(-1))]),
        entries([("x-single-active-consumer", int(1)), ("x-overflow", text("none"))]),
        entries([("x-single-active-consumer", int(1)), ("x-max-priority", int(-1))]),
        entries([("x-queue-version", int(0)), ("x-single-active-consumer", int(1))]),
        entries([("x-queue-version", int(0)), ("x-queue-leader-locator", int(1))]),
        entries([("x-queue-version", int(0)), ("x-overflow", int(1))]),
        entries([("x-queue-leader-locator", int(1)), ("x-single-active-consumer", int(1))]),
        entries([("x-queue-leader-locator", int(1)), ("x-overflow", int(1))]),
        entries([("x-queue-leader-locator", int(1)), ("x-max-priority", int(-1))]),
        entries([("x-queue-version", int(0)), ("x-max-priority", int(-1))]),
    ] {
        c.attempt(declare_with(&q, arguments));
    }
}

fn must_be_durable_and_shared(s: &Script, queue_type: &str) {
    let mut c = s.connect();
    let q = s.name("q");
    let typed = || declare_with(&q, entry("x-queue-type", text(queue_type)));
    c.attempt(typed());
    c.attempt(typed().flag("durable").flag("exclusive"));
    c.attempt(typed().flag("durable").flag("auto-delete"));
    s.note("one of several reasons is told");
    c.attempt(typed().flag("auto-delete"));
    c.attempt(typed().flag("durable").flag("exclusive").flag("auto-delete"));
}

fn a_quorum_queue_must_be_durable_and_shared(s: &Script) {
    must_be_durable_and_shared(s, "quorum");
}

fn a_stream_must_be_durable_and_shared(s: &Script) {
    must_be_durable_and_shared(s, "stream");
}

fn a_quorum_queue_or_stream_needs_a_name(s: &Script) {
    let mut c = s.connect();
    for queue_type in ["quorum", "stream"] {
        c.attempt(declare_with("", entry("x-queue-type", text(queue_type))).flag("durable"));
    }
}

fn argument_names_are_case_sensitive(s: &Script) {
    accepted(s, &[entry("X-Message-TTL", text("not looked at")), entry("x-queue-types", text("not looked at"))]);
}

fn a_wrong_type_on_an_existing_queue_is_inequivalent(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.attempt(declare(&q));
    c.attempt(declare_with(&q, entry("x-queue-version", text("two"))));
    c.attempt(declare_with(&q, entry("x-message-ttl", text("soon"))));
    c.attempt(declare_with(&q, entry("x-message-ttl", int(-1))));
    c.attempt(declare_with(&q, entry("x-dead-letter-exchange", int(1))));
    c.attempt(declare_with(&q, entry("x-max-age", text("1h"))));
    c.attempt(declare_with(&q, entry("x-dead-letter-strategy", int(1))));
}

fn the_first_of_two_equal_names_counts(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    let twice = entries([("x-queue-mode", text("first")), ("x-queue-mode", text("second"))]);
    c.attempt(declare_with(&q, twice));
    c.attempt(declare_with(&q, entry("x-queue-mode", text("second"))));
    c.attempt(declare_with(&q, entry("x-queue-mode", text("first"))));
}

fn a_valid_message_ttl_is_accepted(s: &Script) {
    let values = [int(0), int(60_000), Value::I64(315_360_000_000), Value::I16(1000)];
    accepted(s, &values.map(|value| entry("x-message-ttl", value)));
}

fn a_different_message_ttl_is_inequivalent(s: &Script) {
    let q = s.name("q");
    for arguments in [
        entry("x-message-ttl", int(10_000)),
        entry("x-message-ttl", Value::I64(10_000)),
        entry("x-message-ttl", int(20_000)),
        Table::new(),
    ] {
        s.connect().attempt(declare_with(&q, arguments));
    }
}

fn a_valid_expiry_is_accepted(s: &Script) {
    accepted(s, &[int(600_000), Value::I64(315_360_000_000)].map(|value| entry("x-expires", value)));
}

fn a_valid_max_length_is_accepted(s: &Script) {
    accepted(s, &[int(0), int(10), Value::I64(i64::MAX)].map(|value| entry("x-max-length", value)));
}

fn a_valid_max_length_in_bytes_is_accepted(s: &Script) {
    accepted(s, &[int(0), int(10)].map(|value| entry("x-max-length-bytes", value)));
}

fn a_valid_overflow_is_accepted(s: &Script) {
    accepted(s, &["drop-head", "reject-publish", "reject-publish-dlx"].map(|value| entry("x-overflow", text(value))));
}

fn a_valid_max_priority_is_accepted(s: &Script) {
    accepted(s, &[int(0), int(10), int(255)].map(|value| entry("x-max-priority", value)));
}

fn a_single_active_consumer_is_accepted(s: &Script) {
    accepted(s, &[true, false].map(|value| entry("x-single-active-consumer", Value::Bool(value))));
}

fn a_dead_letter_exchange_is_accepted(s: &Script) {
    accepted(
        s,
        &[
            entry("x-dead-letter-exchange", text("")),
            entry("x-dead-letter-exchange", text("missing")),
            entries([("x-dead-letter-exchange", text("missing")), ("x-dead-letter-routing-key", text("key"))]),
        ],
    );
}

fn a_quorum_queue_is_accepted(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare_with(&q, entry("x-queue-type", text("quorum"))).flag("durable"));
}

fn a_stream_is_accepted(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    if c.call(declare_with(&q, entry("x-queue-type", text("stream"))).flag("durable")) == Outcome::Answered {
        c.call(consume(&q, "tag"));
    }
}
