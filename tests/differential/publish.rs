//! What `basic.publish` checks, where messages go, and how they come out again.

use crate::conn::{Conn, Outcome};
use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{bind, consume, declare, declare_exchange, get, method, publish};
use crate::support::properties::Properties;
use crate::support::value::{Table, Value, entries, entry, int, text};

scenarios!("publish":
    the_immediate_flag_is_not_implemented,
    a_missing_exchange_is_not_found,
    a_missing_exchange_is_not_found_even_when_immediate_comes_later,
    an_unroutable_mandatory_message_is_returned_as_it_was,
    an_unroutable_message_which_is_not_mandatory_is_dropped,
    a_returned_message_has_no_bcc_header,
    a_cc_header_which_is_no_array_is_refused,
    a_bcc_header_which_is_no_array_is_refused,
    cc_and_bcc_route_to_further_queues,
    members_of_cc_which_are_no_strings_are_ignored,
    a_queue_named_twice_gets_one_copy,
    an_expiration_must_be_a_number,
    an_expiration_beyond_all_bounds_is_refused,
    a_valid_expiration_is_relayed,
    a_user_id_must_be_the_users_own,
    a_user_id_of_the_user_is_relayed,
    all_properties_are_relayed,
    all_header_types_are_relayed,
    an_absent_and_an_empty_headers_table_stay_apart,
    the_upper_l_tag_is_relayed,
    a_header_which_is_not_a_number_is_relayed,
    a_leading_plus_in_an_expiration_is_relayed,
    duplicate_headers_are_relayed,
    a_delivery_mode_of_any_number_is_relayed,
    a_message_above_the_maximum_size_is_refused,
    a_message_of_several_body_frames_comes_out_whole,
    topic_words_match_as_they_should,
    a_topic_binding_with_three_hashes_is_refused,
    a_direct_exchange_needs_the_same_key,
    a_fanout_exchange_ignores_the_key,
    headers_match_all_by_default,
    headers_match_any,
    headers_starting_with_x_count_only_with_x,
    a_void_binding_argument_asks_only_for_the_header,
    header_values_are_compared_without_their_tags,
    headers_without_arguments_match_all_or_nothing,
    an_invalid_x_match_is_refused,
    line_ends_in_a_routing_key_are_kept,
);

fn the_immediate_flag_is_not_implemented(s: &Script) {
    let mut c = s.connect();
    c.publish(&publish("", "key").flag("immediate"), &Properties::none(), "now");
    c.sync();
}

fn a_missing_exchange_is_not_found(s: &Script) {
    let mut c = s.connect();
    c.publish(&publish(&s.name("x"), "key").flag("mandatory"), &Properties::none(), "lost");
    c.sync();
}

fn a_missing_exchange_is_not_found_even_when_immediate_comes_later(s: &Script) {
    let mut c = s.connect();
    c.publish(&publish(&s.name("x"), "key").flag("immediate"), &Properties::none(), "lost");
    c.sync();
}

fn an_unroutable_mandatory_message_is_returned_as_it_was(s: &Script) {
    let mut c = s.connect();
    let x = s.name("x");
    c.call(declare_exchange(&x, "direct"));
    let properties = Properties::none()
        .text("content-type", "text/plain")
        .text("correlation-id", "c1")
        .delivery_mode(2)
        .headers(entries([("a", int(1)), ("b", text("two"))]));
    c.publish(&publish(&x, "key").flag("mandatory"), &properties, "returned");
    c.expect("basic.return");
    c.publish(&publish("", &s.name("missing")).flag("mandatory"), &Properties::none(), "");
    c.expect("basic.return");
}

fn an_unroutable_message_which_is_not_mandatory_is_dropped(s: &Script) {
    let mut c = s.connect();
    c.publish(&publish("", &s.name("missing")), &Properties::none(), "dropped");
    c.publish(&publish("amq.direct", &s.name("unbound")), &Properties::none(), "dropped");
    c.sync();
}

fn names(names: &[&str]) -> Value {
    Value::Array(names.iter().map(text).collect())
}

fn a_returned_message_has_no_bcc_header(s: &Script) {
    let mut c = s.connect();
    let missing = s.name("missing");
    let headers = entries([("BCC", names(&[&missing])), ("CC", names(&[&missing])), ("a", int(1))]);
    c.publish(&publish("", &missing).flag("mandatory"), &Properties::none().headers(headers), "returned");
    c.expect("basic.return");
}

fn refused_header(s: &Script, name: &str) {
    let values = [text("key"), int(1), Value::Void, Value::Bool(true), Value::Table(Vec::new())];
    for value in values {
        let mut c = s.connect();
        let properties = Properties::none().headers(entry(name, value));
        c.publish(&publish("", &s.name("missing")), &properties, "refused");
        c.sync();
    }
}

fn a_cc_header_which_is_no_array_is_refused(s: &Script) {
    refused_header(s, "CC");
}

fn a_bcc_header_which_is_no_array_is_refused(s: &Script) {
    refused_header(s, "BCC");
}

fn cc_and_bcc_route_to_further_queues(s: &Script) {
    let mut c = s.connect();
    let (first, second, third) = (s.name("first"), s.name("second"), s.name("third"));
    for name in [&first, &second, &third] {
        c.call(declare(name));
    }
    let headers = entries([("CC", names(&[&second, &first])), ("BCC", names(&[&third])), ("cc", int(1))]);
    c.publish(&publish("", &first), &Properties::none().headers(headers), "for three");
    c.sync();
    for name in [&first, &second, &third] {
        c.call(get(name).flag("no-ack"));
        c.call(get(name).flag("no-ack"));
    }
}

fn members_of_cc_which_are_no_strings_are_ignored(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    let members = vec![int(1), Value::Void, Value::Binary(q.clone().into_bytes())];
    let headers = entry("CC", Value::Array(members));
    c.publish(&publish("", &s.name("missing")).flag("mandatory"), &Properties::none().headers(headers), "returned");
    c.expect("basic.return");
    let headers = entry("CC", Value::Array(vec![int(1), text(&q)]));
    c.publish(&publish("", &s.name("missing")).flag("mandatory"), &Properties::none().headers(headers), "routed");
    c.sync();
    c.call(get(&q).flag("no-ack"));
}

fn a_queue_named_twice_gets_one_copy(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    let headers = entry("CC", names(&[&q, &q]));
    c.publish(&publish("", &q), &Properties::none().headers(headers), "one copy");
    c.sync();
    c.call(get(&q).flag("no-ack"));
    c.call(get(&q).flag("no-ack"));
}

fn an_expiration_must_be_a_number(s: &Script) {
    let mut c = s.connect();
    for expiration in ["", "foo", "10foo", "-1", "1.5", " 1", "1 ", "315360000001", "0x10"] {
        let properties = Properties::none().text("expiration", expiration);
        c.publish(&publish("", &s.name("missing")), &properties, "refused");
        c.sync();
        c.reopen();
    }
}

fn an_expiration_beyond_all_bounds_is_refused(s: &Script) {
    let mut c = s.connect();
    let properties = Properties::none().text("expiration", "99999999999999999999");
    c.publish(&publish("", &s.name("missing")), &properties, "refused");
    c.sync();
}

fn a_valid_expiration_is_relayed(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    for expiration in ["60000", "315360000000"] {
        c.publish(&publish("", &q), &Properties::none().text("expiration", expiration), "kept");
        c.sync();
        c.call(get(&q).flag("no-ack"));
    }
}

fn a_user_id_must_be_the_users_own(s: &Script) {
    let mut c = s.connect();
    for user in ["somebody", "", "Guest"] {
        c.publish(&publish("", &s.name("missing")), &Properties::none().text("user-id", user), "refused");
        c.sync();
        c.reopen();
    }
}

fn a_user_id_of_the_user_is_relayed(s: &Script) {
    relayed(s, &Properties::none().text("user-id", "guest"));
}

/// Sends one message through a queue.
fn relayed(s: &Script, properties: &Properties) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.publish(&publish("", &q), properties, "relayed");
    c.sync();
    c.call(get(&q).flag("no-ack"));
}

fn all_properties_are_relayed(s: &Script) {
    let properties = Properties::none()
        .text("content-type", "text/plain")
        .text("content-encoding", "gzip")
        .headers(entry("a", int(1)))
        .delivery_mode(2)
        .priority(200)
        .text("correlation-id", "correlation")
        .text("reply-to", "answers")
        .text("expiration", "100000")
        .text("message-id", "message")
        .timestamp(1_700_000_000)
        .text("type", "type")
        .text("user-id", "guest")
        .text("app-id", "app")
        .text("cluster-id", "cluster");
    relayed(s, &properties);
}

fn all_header_types_are_relayed(s: &Script) {
    let headers = entries([
        ("bool", Value::Bool(true)),
        ("byte", Value::I8(-1)),
        ("unsignedbyte", Value::U8(255)),
        ("short", Value::I16(-2)),
        ("unsignedshort", Value::U16(65_535)),
        ("int", Value::I32(-3)),
        ("unsignedint", Value::U32(4_294_967_295)),
        ("long", Value::I64(-4)),
        ("float", Value::F32(1.5)),
        ("double", Value::F64(-2.25)),
        ("decimal", Value::Decimal(2, 12_345)),
        ("string", text("text with \u{fc}")),
        ("array", Value::Array(vec![int(1), text("two"), Value::Array(Vec::new())])),
        ("timestamp", Value::Timestamp(1_700_000_000)),
        ("table", Value::Table(entry("nested", Value::Table(entry("deep", Value::Void))))),
        ("void", Value::Void),
        ("binary", Value::Binary(vec![0, 255, 7])),
    ]);
    relayed(s, &Properties::none().headers(headers));
}

fn an_absent_and_an_empty_headers_table_stay_apart(s: &Script) {
    relayed(s, &Properties::none());
    relayed(s, &Properties::none().headers(Table::new()));
}

fn the_upper_l_tag_is_relayed(s: &Script) {
    relayed(s, &Properties::none().headers(entry("a", Value::UpperL(-5))));
}

fn a_header_which_is_not_a_number_is_relayed(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.publish(&publish("", &q), &Properties::none().headers(entry("a", Value::F64(f64::NAN))), "relayed");
    if c.sync() == Outcome::Answered {
        c.call(get(&q).flag("no-ack"));
    }
}

fn a_leading_plus_in_an_expiration_is_relayed(s: &Script) {
    relayed(s, &Properties::none().text("expiration", "+060000"));
}

fn duplicate_headers_are_relayed(s: &Script) {
    relayed(s, &Properties::none().headers(entries([("b", int(1)), ("a", int(2)), ("b", int(3))])));
}

fn a_delivery_mode_of_any_number_is_relayed(s: &Script) {
    relayed(s, &Properties::none().delivery_mode(0));
    relayed(s, &Properties::none().delivery_mode(1));
    relayed(s, &Properties::none().delivery_mode(9));
}

fn publish_large(c: &mut Conn, queue: &str, size: usize) {
    c.client.send_method(1, &publish("", queue));
    c.client.send_header(1, u64::try_from(size).unwrap(), &Properties::none());
    vec![b'x'; size].chunks(131_064).for_each(|chunk| c.client.send_body(1, chunk));
    c.sync();
}

fn a_message_above_the_maximum_size_is_refused(s: &Script) {
    let mut c = s.connect();
    s.note("publishing 16777216 octets");
    publish_large(&mut c, &s.name("missing"), 16_777_216);
    s.note("publishing 16777217 octets");
    publish_large(&mut c, &s.name("missing"), 16_777_217);
}

fn a_message_of_several_body_frames_comes_out_whole(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    s.note("publishing 300000 octets");
    publish_large(&mut c, &q, 300_000);
    c.call(get(&q).flag("no-ack"));
}

/// Which of the keys reach a queue that is bound with the one binding key.
fn matching_keys(s: &Script, c: &mut Conn, exchange: &str, binding_key: &str, keys: &[&str]) {
    let q = s.name(&format!("q{}", c.next_number()));
    c.unseen(declare(&q));
    c.unseen(bind(&q, exchange, binding_key));
    let mut matched = Vec::new();
    for key in keys {
        c.publish_unseen(1, &publish(exchange, key), &Properties::none(), key.as_bytes());
        c.sync();
        if c.unseen_get(&q) {
            matched.push(*key);
        }
    }
    s.note(&format!("{binding_key:?} matches {matched:?} of {keys:?}"));
    c.unseen(method("queue.delete").set("queue", &q));
}

fn topic_words_match_as_they_should(s: &Script) {
    let mut c = s.connect();
    let x = s.name("x");
    c.unseen(declare_exchange(&x, "topic"));
    let keys = ["", ".", "a", "A", "b", "a.", ".a", "a.b", "a.b.c", "a.x.b", "a.x.y.b", "a*", "ab", "*", "#", "x.a"];
    for binding_key in [
        "#", "", "*", "*.*", "#.#", "a.#", "#.a", "*.#", "#.*", "a.*.#.b", "a.#.b", "a*", "a.*", "*.a", ".", "a.",
        "#.b.#", "*.#.*",
    ] {
        matching_keys(s, &mut c, &x, binding_key, &keys);
    }
}

fn a_topic_binding_with_three_hashes_is_refused(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, "topic"));
    c.call(declare(&q));
    c.attempt(bind(&q, &x, "#.a.#.b.#"));
    c.attempt(bind(&q, &x, "a#.##.#.#"));
}

fn a_direct_exchange_needs_the_same_key(s: &Script) {
    let mut c = s.connect();
    let x = s.name("x");
    c.unseen(declare_exchange(&x, "direct"));
    for binding_key in ["", "a", "#", "a.b"] {
        matching_keys(s, &mut c, &x, binding_key, &["", "a", "A", "#", "a.b", "a "]);
    }
}

fn a_fanout_exchange_ignores_the_key(s: &Script) {
    let mut c = s.connect();
    let x = s.name("x");
    c.unseen(declare_exchange(&x, "fanout"));
    matching_keys(s, &mut c, &x, "key", &["", "a", "key"]);
}

/// Which of the headers reach a queue that is bound with the arguments.
fn matching_headers(s: &Script, c: &mut Conn, exchange: &str, arguments: &Table, messages: &[Table]) {
    let q = s.name(&format!("q{}", c.next_number()));
    c.unseen(declare(&q));
    c.unseen(bind(&q, exchange, "").set("arguments", arguments.clone()));
    s.note(&format!("bound with {}", crate::support::value::table_text(arguments)));
    for headers in messages {
        let properties = Properties::none().headers(headers.clone());
        c.publish_unseen(1, &publish(exchange, "key"), &properties, b"x");
        c.sync();
        let verdict = if c.unseen_get(&q) { "matches" } else { "does not match" };
        s.note(&format!("  {verdict} {}", crate::support::value::table_text(headers)));
    }
    c.unseen(method("queue.delete").set("queue", &q));
}

fn headers_exchange(s: &Script, bindings: &[Table], messages: &[Table]) {
    let mut c = s.connect();
    let x = s.name("x");
    c.unseen(declare_exchange(&x, "headers"));
    for arguments in bindings {
        matching_headers(s, &mut c, &x, arguments, messages);
    }
}

fn two_headers() -> Vec<Table> {
    vec![
        Table::new(),
        entry("a", int(1)),
        entry("b", int(2)),
        entries([("a", int(1)), ("b", int(2))]),
        entries([("a", int(1)), ("b", int(3))]),
        entries([("a", int(1)), ("b", int(2)), ("c", int(3))]),
    ]
}

fn headers_match_all_by_default(s: &Script) {
    let bindings =
        [entries([("a", int(1)), ("b", int(2))]), entries([("x-match", text("all")), ("a", int(1)), ("b", int(2))])];
    headers_exchange(s, &bindings, &two_headers());
}

fn headers_match_any(s: &Script) {
    headers_exchange(s, &[entries([("x-match", text("any")), ("a", int(1)), ("b", int(2))])], &two_headers());
}

fn headers_starting_with_x_count_only_with_x(s: &Script) {
    let bindings: Vec<Table> = ["all", "any", "all-with-x", "any-with-x"]
        .iter()
        .map(|x_match| entries([("x-match", text(x_match)), ("x-a", int(1)), ("b", int(2))]))
        .collect();
    let messages = [
        entry("x-a", int(1)),
        entry("b", int(2)),
        entries([("x-a", int(1)), ("b", int(2))]),
        entries([("x-a", int(9)), ("b", int(2))]),
    ];
    headers_exchange(s, &bindings, &messages);
}

fn a_void_binding_argument_asks_only_for_the_header(s: &Script) {
    let messages =
        [Table::new(), entry("a", int(1)), entry("a", Value::Void), entry("a", text("")), entry("b", int(1))];
    headers_exchange(s, &[entry("a", Value::Void)], &messages);
}

fn header_values_are_compared_without_their_tags(s: &Script) {
    let bindings = [int(1), Value::I64(1), Value::F64(1.0), text("1"), Value::Bool(true), Value::Binary(b"1".to_vec())]
        .map(|value| entry("a", value));
    let messages = [
        int(1),
        Value::I64(1),
        Value::U8(1),
        Value::F32(1.0),
        Value::F64(1.0),
        text("1"),
        Value::Binary(b"1".to_vec()),
        Value::Bool(true),
        Value::Void,
    ]
    .map(|value| entry("a", value));
    headers_exchange(s, &bindings, &messages);
}

fn headers_without_arguments_match_all_or_nothing(s: &Script) {
    let bindings = [Table::new(), entry("x-match", text("all")), entry("x-match", text("any"))];
    headers_exchange(s, &bindings, &[Table::new(), entry("a", int(1))]);
    s.note("a message without a headers table");
    let mut c = s.connect();
    let (x, q) = (s.name("plain"), s.name("q"));
    c.call(declare_exchange(&x, "headers"));
    c.call(declare(&q));
    c.call(bind(&q, &x, ""));
    c.publish(&publish(&x, ""), &Properties::none(), "no headers");
    c.sync();
    c.call(get(&q).flag("no-ack"));
}

fn an_invalid_x_match_is_refused(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, "headers"));
    c.call(declare(&q));
    for value in [
        text("foo"),
        text(""),
        text("ALL"),
        text("\u{e9}"),
        text("\u{20ac}"),
        int(1),
        Value::Bool(true),
        Value::Void,
        Value::F64(1e100),
        Value::Array(vec![text("all")]),
        Value::Binary(b"all".to_vec()),
        Value::Binary(vec![0xe9]),
    ] {
        c.attempt(bind(&q, &x, "").set("arguments", entry("x-match", value)));
    }
    s.note("other exchange types do not look at it");
    c.attempt(bind(&q, "amq.direct", "key").set("arguments", entry("x-match", text("foo"))));
}

fn line_ends_in_a_routing_key_are_kept(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(declare_exchange(&x, "direct"));
    c.call(declare(&q));
    c.call(bind(&q, &x, "a\r\n"));
    c.publish(&publish(&x, "a").flag("mandatory"), &Properties::none(), "without");
    c.expect("basic.return");
    c.publish(&publish(&x, "a\r\n").flag("mandatory"), &Properties::none(), "with");
    c.sync();
    c.call(consume(&q, "consumer").flag("no-ack"));
    c.expect("basic.deliver");
}
