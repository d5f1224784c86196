//! What every exchange type matches. Destinations are compared as sorted sets: a table may name one more than once.

use leveret_protocol::{FieldTable, FieldValue, ReplyCode, ShortString};
use proptest::prelude::*;

use super::{BindingTable, Envelope, ExchangeType};
use crate::broker::error::ChannelError;
use crate::broker::exchange::binding::{Binding, Destination};

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
    entries.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

/// A binding to an exchange, which is a destination that needs nothing but a name.
fn binding(destination: &str, binding_key: &str, arguments: &FieldTable) -> Binding {
    Binding::new(name("source"), Destination::Exchange(name(destination)), name(binding_key), arguments.clone())
}

fn anywhere() -> Destination {
    Destination::Exchange(name("anywhere"))
}

fn bound(kind: ExchangeType, bindings: &[(&str, &str)]) -> BindingTable {
    let mut bound = kind.empty_table(&FieldTable::new());
    for (destination, binding_key) in bindings {
        bound.bind(&binding(destination, binding_key, &FieldTable::new()));
    }
    bound
}

fn destinations(table: &BindingTable, routing_keys: &[&str], headers: Option<&FieldTable>) -> Vec<String> {
    let routing_keys: Vec<&[u8]> = routing_keys.iter().map(|key| key.as_bytes()).collect();
    let mut found = Vec::new();
    table.route(&Envelope { routing_keys: &routing_keys, headers, ..Envelope::default() }, &mut |destination| {
        found.push(destination.key().name.to_string());
    });
    found.sort();
    found.dedup();
    found
}

#[test]
fn every_type_is_found_by_its_own_name_and_no_other() {
    use ExchangeType::{ConsistentHash, Direct, Fanout, Headers, LocalRandom, ModulusHash, Random, Topic};
    for kind in [Direct, Fanout, Topic, Headers, ConsistentHash, ModulusHash, Random, LocalRandom] {
        assert_eq!(ExchangeType::by_name(kind.name().as_bytes()), Some(kind));
    }
    assert_eq!(ExchangeType::by_name(b"Direct"), None);
    assert_eq!(ExchangeType::by_name(b""), None);
}

#[test]
fn of_the_standard_types_headers_alone_looks_at_more_than_keys() {
    assert!(ExchangeType::Headers.empty_table(&FieldTable::new()).varies());
    for kind in [ExchangeType::Direct, ExchangeType::Fanout, ExchangeType::Topic] {
        assert!(!kind.empty_table(&FieldTable::new()).varies());
    }
}

#[test]
fn direct_matches_equal_keys_byte_for_byte() {
    let table = bound(ExchangeType::Direct, &[("a", "red"), ("b", "red"), ("c", "Red"), ("d", ""), ("e", "*")]);
    assert_eq!(destinations(&table, &["red"], None), ["a", "b"]);
    assert_eq!(destinations(&table, &["Red"], None), ["c"]);
    assert_eq!(destinations(&table, &[""], None), ["d"]);
    assert_eq!(destinations(&table, &["*"], None), ["e"]);
    assert!(destinations(&table, &["re"], None).is_empty());
}

#[test]
fn direct_takes_every_routing_key_of_a_message() {
    let table = bound(ExchangeType::Direct, &[("a", "red"), ("b", "green"), ("c", "blue")]);
    assert_eq!(destinations(&table, &["red", "blue", "black"], None), ["a", "c"]);
}

#[test]
fn a_destination_bound_twice_by_one_key_stays_until_both_bindings_are_gone() {
    for kind in [ExchangeType::Direct, ExchangeType::Fanout, ExchangeType::Topic] {
        let plain = binding("a", "key", &FieldTable::new());
        let with_arguments = binding("a", "key", &table(&[("n", FieldValue::I32(1))]));
        let mut table = kind.empty_table(&FieldTable::new());
        table.bind(&plain);
        table.bind(&with_arguments);
        table.unbind(&plain);
        assert_eq!(destinations(&table, &["key"], None), ["a"], "{}", kind.name());
        table.unbind(&with_arguments);
        assert!(destinations(&table, &["key"], None).is_empty(), "{}", kind.name());
    }
}

#[test]
fn a_clone_keeps_its_bindings_when_the_original_changes() {
    for kind in [ExchangeType::Direct, ExchangeType::Fanout, ExchangeType::Topic, ExchangeType::Headers] {
        let mut table = bound(kind, &[("a", "x.y")]);
        let before = table.clone();
        table.unbind(&binding("a", "x.y", &FieldTable::new()));
        table.bind(&binding("b", "x.y", &FieldTable::new()));
        assert_eq!(destinations(&before, &["x.y"], None), ["a"], "{}", kind.name());
        assert_eq!(destinations(&table, &["x.y"], None), ["b"], "{}", kind.name());
    }
}

#[test]
fn fanout_ignores_keys() {
    let table = bound(ExchangeType::Fanout, &[("a", ""), ("b", "red"), ("b", "blue")]);
    assert_eq!(destinations(&table, &["anything"], None), ["a", "b"]);
    assert_eq!(destinations(&table, &[], None), ["a", "b"]);
}

fn topic_matches(binding_key: &str, routing_key: &str) -> bool {
    !destinations(&bound(ExchangeType::Topic, &[("a", binding_key)]), &[routing_key], None).is_empty()
}

#[test]
fn topic_wildcards_stand_for_whole_words() {
    let cases: [(&str, &[&str], &[&str]); 10] = [
        ("#", &["", "a", ".", "a.b", "..."], &[]),
        ("", &[""], &[".", "a"]),
        ("*", &["a", "*", "#"], &["", "a.b", "."]),
        ("*.*", &["a.b", ".", "a.", ".a"], &["a", "", "a.b.c"]),
        ("#.#", &["", "a", ".", "a.b.c"], &[]),
        ("a.#", &["a", "a.b", "a.", "a.b.c"], &["b", "", "ab"]),
        ("#.a", &["a", "x.a", "x.y.a", ".a"], &["a.x", ""]),
        ("*.#", &["a", ".", "a.b", "a.b.c"], &[""]),
        ("a.*.#.b", &["a.x.b", "a.x.y.b", "a..b", "a.b.b"], &["a.b", "a.x"]),
        ("a*", &["a*"], &["ab", "a", "a.b"]),
    ];
    for (binding_key, matching, others) in cases {
        for routing_key in matching {
            assert!(topic_matches(binding_key, routing_key), "'{binding_key}' takes '{routing_key}'");
        }
        for routing_key in others {
            assert!(!topic_matches(binding_key, routing_key), "'{binding_key}' leaves '{routing_key}'");
        }
    }
}

#[test]
fn topic_words_are_case_sensitive_and_wildcards_inside_them_literal() {
    assert!(!topic_matches("Stock.*", "stock.usd"));
    assert!(topic_matches("a#.b", "a#.b"));
    assert!(!topic_matches("a#.b", "ax.b"));
    assert!(topic_matches("**", "**"));
    assert!(!topic_matches("**", "ab"));
}

#[test]
fn topic_takes_every_routing_key_of_a_message() {
    let table = bound(ExchangeType::Topic, &[("a", "x.*"), ("b", "#.z"), ("c", "q")]);
    assert_eq!(destinations(&table, &["x.y", "y.z"], None), ["a", "b"]);
}

#[test]
fn topic_takes_many_hashes_in_a_row_in_little_time() {
    let binding_key = ["#"; 60].join(".a.");
    let routing_key = ["a"; 100].join(".");
    assert!(topic_matches(&binding_key, &routing_key));
    assert!(!topic_matches(&format!("{binding_key}.b"), &routing_key));
    assert_eq!(ExchangeType::Topic.validate_binding(&name(&binding_key), &FieldTable::new(), &anywhere()), Ok(()));
}

/// The definition of a match, word by word, with no eye to cost.
fn naive(binding_words: &[&str], routing_words: &[&str]) -> bool {
    match (binding_words.split_first(), routing_words.split_first()) {
        (None, routing) => routing.is_none(),
        (Some((&"#", rest)), routing) => {
            naive(rest, routing_words) || routing.is_some_and(|(_, tail)| naive(binding_words, tail))
        }
        (Some(_), None) => false,
        (Some((word, rest)), Some((first, tail))) => (*word == "*" || word == first) && naive(rest, tail),
    }
}

fn words(key: &str) -> Vec<&str> {
    if key.is_empty() { Vec::new() } else { key.split('.').collect() }
}

fn key_of(alphabet: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(alphabet), 0..6).prop_map(|words| words.join("."))
}

fn binding_key() -> impl Strategy<Value = String> {
    key_of(&["a", "b", "", "*", "#", "#"])
}

fn routing_key() -> impl Strategy<Value = String> {
    key_of(&["a", "b", ""])
}

proptest! {
    #[test]
    fn topic_agrees_with_the_naive_matcher_while_bindings_come_and_go(
        steps in prop::collection::vec((0..4_usize, binding_key(), any::<prop::sample::Index>(), 0..3_u8), 1..40),
        routing_keys in prop::collection::vec(routing_key(), 1..8),
    ) {
        const NAMES: [&str; 4] = ["p", "q", "r", "s"];
        let mut table = ExchangeType::Topic.empty_table(&FieldTable::new());
        let mut model: Vec<(usize, String)> = Vec::new();
        for (destination, binding_key, at, choice) in steps {
            if choice == 0 && !model.is_empty() {
                let (destination, binding_key) = model.swap_remove(at.index(model.len()));
                table.unbind(&binding(NAMES[destination], &binding_key, &FieldTable::new()));
            } else if !model.contains(&(destination, binding_key.clone())) {
                table.bind(&binding(NAMES[destination], &binding_key, &FieldTable::new()));
                model.push((destination, binding_key));
            }
            for routing_key in &routing_keys {
                let mut expected: Vec<&str> = model
                    .iter()
                    .filter(|(_, binding_key)| naive(&words(binding_key), &words(routing_key)))
                    .map(|(destination, _)| NAMES[*destination])
                    .collect();
                expected.sort_unstable();
                expected.dedup();
                prop_assert_eq!(destinations(&table, &[routing_key], None), expected, "routing key '{}'", routing_key);
            }
        }
    }
}

fn headers_match(arguments: &[(&str, FieldValue)], headers: &[(&str, FieldValue)]) -> bool {
    let mut bound = ExchangeType::Headers.empty_table(&FieldTable::new());
    bound.bind(&binding("a", "ignored", &table(arguments)));
    !destinations(&bound, &["other"], Some(&table(headers))).is_empty()
}

fn text(text: &str) -> FieldValue {
    FieldValue::text(text)
}

#[test]
fn headers_all_is_the_default_and_wants_every_argument() {
    let wanted = [("a", text("1")), ("b", text("2"))];
    for mode in [None, Some("all")] {
        let arguments: Vec<_> = mode.map(|mode| ("x-match", text(mode))).into_iter().chain(wanted.clone()).collect();
        assert!(headers_match(&arguments, &[("b", text("2")), ("a", text("1")), ("c", text("3"))]));
        assert!(!headers_match(&arguments, &[("a", text("1"))]));
        assert!(!headers_match(&arguments, &[("a", text("1")), ("b", text("3"))]));
    }
}

#[test]
fn headers_any_wants_one_argument() {
    let arguments = [("x-match", text("any")), ("a", text("1")), ("b", text("2"))];
    assert!(headers_match(&arguments, &[("b", text("2"))]));
    assert!(headers_match(&arguments, &[("a", text("0")), ("b", text("2"))]));
    assert!(!headers_match(&arguments, &[("a", text("2"))]));
    assert!(!headers_match(&arguments, &[]));
}

#[test]
fn headers_modes_without_x_leave_out_arguments_that_begin_with_x() {
    let all = [("x-match", text("all")), ("x-kind", text("k")), ("a", text("1"))];
    assert!(headers_match(&all, &[("a", text("1"))]));
    let any = [("x-match", text("any")), ("x-kind", text("k")), ("a", text("1"))];
    assert!(!headers_match(&any, &[("x-kind", text("k"))]));
}

#[test]
fn headers_modes_with_x_leave_out_x_match_alone() {
    let all = [("x-match", text("all-with-x")), ("x-kind", text("k")), ("a", text("1"))];
    assert!(!headers_match(&all, &[("a", text("1"))]));
    assert!(headers_match(&all, &[("a", text("1")), ("x-kind", text("k"))]));
    let any = [("x-match", text("any-with-x")), ("x-kind", text("k")), ("a", text("1"))];
    assert!(headers_match(&any, &[("x-kind", text("k"))]));
    assert!(!headers_match(&any, &[("x-match", text("any-with-x"))]));
}

#[test]
fn headers_without_arguments_match_everything_with_all_and_nothing_with_any() {
    for (mode, everything) in [("all", true), ("any", false), ("all-with-x", true), ("any-with-x", false)] {
        let arguments = [("x-match", text(mode))];
        assert_eq!(headers_match(&arguments, &[("a", text("1"))]), everything, "{mode}");
        assert_eq!(headers_match(&arguments, &[]), everything, "{mode}");
    }
}

#[test]
fn headers_take_a_message_without_headers_as_an_empty_table() {
    let mut bound = ExchangeType::Headers.empty_table(&FieldTable::new());
    bound.bind(&binding("all", "", &FieldTable::new()));
    bound.bind(&binding("one", "", &table(&[("a", FieldValue::Void)])));
    assert_eq!(destinations(&bound, &[""], None), ["all"]);
}

#[test]
fn headers_void_arguments_want_the_header_with_any_value() {
    let arguments = [("a", FieldValue::Void)];
    assert!(headers_match(&arguments, &[("a", text("1"))]));
    assert!(headers_match(&arguments, &[("a", FieldValue::Void)]));
    assert!(headers_match(&arguments, &[("a", FieldValue::Array(Vec::new()))]));
    assert!(!headers_match(&arguments, &[("b", text("1"))]));
    assert!(!headers_match(&[("a", text("1"))], &[("a", FieldValue::Void)]));
}

#[test]
fn headers_compare_values_and_not_their_tags() {
    let binary = FieldValue::Binary(bytes::Bytes::from_static(b"1"));
    let same = [
        (FieldValue::I32(5), FieldValue::I64(5)),
        (FieldValue::U8(5), FieldValue::I16(5)),
        (text("1"), binary),
        (FieldValue::F32(1.5), FieldValue::F64(1.5)),
        (FieldValue::Bool(true), FieldValue::Bool(true)),
        (FieldValue::Timestamp(7), FieldValue::Timestamp(7)),
    ];
    for (argument, header) in same {
        assert!(headers_match(&[("a", argument.clone())], &[("a", header.clone())]), "{argument:?} is {header:?}");
    }
    let different = [
        (FieldValue::I32(5), FieldValue::I32(6)),
        (FieldValue::I32(5), FieldValue::F64(5.0)),
        (FieldValue::I32(1), text("1")),
        (FieldValue::I32(1), FieldValue::Bool(true)),
        (text("a"), text("A")),
    ];
    for (argument, header) in different {
        assert!(!headers_match(&[("a", argument.clone())], &[("a", header.clone())]), "{argument:?} is not {header:?}");
    }
}

#[test]
fn headers_bindings_with_other_arguments_come_and_go_on_their_own() {
    let red = binding("a", "", &table(&[("colour", text("red"))]));
    let blue = binding("a", "", &table(&[("colour", text("blue"))]));
    let mut bound = ExchangeType::Headers.empty_table(&FieldTable::new());
    bound.bind(&red);
    bound.bind(&blue);
    bound.unbind(&red);
    assert!(destinations(&bound, &[""], Some(&table(&[("colour", text("red"))]))).is_empty());
    assert_eq!(destinations(&bound, &[""], Some(&table(&[("colour", text("blue"))]))), ["a"]);
}

fn refused(arguments: &[(&str, FieldValue)]) -> (ReplyCode, String) {
    let error: ChannelError =
        ExchangeType::Headers.validate_binding(&name(""), &table(arguments), &anywhere()).unwrap_err();
    (error.code(), error.to_string())
}

#[test]
fn headers_bindings_with_a_bad_x_match_are_refused() {
    let expected = "Invalid x-match field value <<\"foo\">>; expected all, any, all-with-x, or any-with-x";
    assert_eq!(refused(&[("x-match", text("foo"))]), (ReplyCode::PreconditionFailed, expected.to_owned()));
    let expected = "Invalid x-match field type signedint (value 5); expected longstr";
    assert_eq!(refused(&[("x-match", FieldValue::I32(5))]), (ReplyCode::PreconditionFailed, expected.to_owned()));
}

#[test]
fn headers_bindings_with_a_known_x_match_or_none_are_accepted() {
    for mode in ["all", "any", "all-with-x", "any-with-x"] {
        assert_eq!(
            ExchangeType::Headers.validate_binding(&name(""), &table(&[("x-match", text(mode))]), &anywhere()),
            Ok(())
        );
    }
    assert_eq!(ExchangeType::Headers.validate_binding(&name(""), &FieldTable::new(), &anywhere()), Ok(()));
}

#[test]
fn other_types_do_not_look_at_x_match() {
    for kind in [ExchangeType::Direct, ExchangeType::Fanout, ExchangeType::Topic] {
        assert_eq!(kind.validate_binding(&name("k"), &table(&[("x-match", text("foo"))]), &anywhere()), Ok(()));
    }
}
