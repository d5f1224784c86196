//! What types that choose one binding choose. Distributions are looked at over so many keys that an even hash cannot
//! miss the bounds; hashes never change, so neither do results.

use std::collections::BTreeMap;

use leveret_protocol::{ContentHeader, FieldTable, FieldValue, Properties, ReplyCode, ShortString};
use proptest::prelude::*;

use super::{Binding, BindingTable, Destination, Envelope, ExchangeType};
use crate::broker::error::ChannelError;
use crate::broker::ids::QueueId;
use crate::broker::queue::QueueEntry;
use crate::broker::resource::Resource;

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
    entries.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

fn text(text: &str) -> FieldValue {
    FieldValue::text(text)
}

fn binding(destination: &str, binding_key: &str) -> Binding {
    Binding::new(name("source"), Destination::Exchange(name(destination)), name(binding_key), FieldTable::new())
}

fn bound(kind: ExchangeType, arguments: &FieldTable, bindings: &[(&str, &str)]) -> BindingTable {
    let mut bound = kind.empty_table(arguments);
    bindings.iter().for_each(|(destination, binding_key)| bound.bind(&binding(destination, binding_key)));
    bound
}

/// The one destination of a message, empty for none.
fn chosen(table: &BindingTable, envelope: &Envelope<'_>) -> String {
    let mut found = Vec::new();
    table.route(envelope, &mut |destination| found.push(destination.key().name.to_string()));
    assert!(found.len() <= 1, "one destination at most: {found:?}");
    found.pop().unwrap_or_default()
}

fn by_key(table: &BindingTable, routing_key: &str) -> String {
    chosen(table, &Envelope { routing_keys: &[routing_key.as_bytes()], ..Envelope::default() })
}

const KEYS: usize = 20_000;

fn keys() -> impl Iterator<Item = String> {
    (0..KEYS).map(|number| format!("order-{number}"))
}

/// Where each of many keys goes.
fn spread(table: &BindingTable) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for key in keys() {
        *counts.entry(by_key(table, &key)).or_default() += 1;
    }
    counts
}

fn is_about(count: usize, expected: usize) -> bool {
    count.abs_diff(expected) * 20 <= expected
}

#[test]
fn a_consistent_hash_gives_each_destination_its_weight_of_the_keys() {
    for weights in [[1, 1, 1, 1], [1, 2, 3, 4], [10_000, 5_000, 2_500, 2_500]] {
        let names = ["a", "b", "c", "d"];
        let weighted: Vec<_> = names.iter().zip(weights.map(|weight: usize| weight.to_string())).collect();
        let bindings: Vec<_> = weighted.iter().map(|(name, weight)| (**name, weight.as_str())).collect();
        let counts = spread(&bound(ExchangeType::ConsistentHash, &FieldTable::new(), &bindings));
        for (name, weight) in names.iter().zip(weights) {
            let expected = KEYS * weight / weights.iter().sum::<usize>();
            assert!(is_about(counts[*name], expected), "{weights:?}: {counts:?}");
        }
    }
}

#[test]
fn a_consistent_hash_moves_only_keys_of_a_destination_that_goes() {
    let bindings = [("a", "1"), ("b", "2"), ("c", "1"), ("d", "3")];
    let before = bound(ExchangeType::ConsistentHash, &FieldTable::new(), &bindings);
    let mut after = before.clone();
    after.unbind(&binding("b", "2"));
    for key in keys() {
        let (was, is) = (by_key(&before, &key), by_key(&after, &key));
        assert!(was == is || was == "b", "{key} moved from {was} to {is}");
        assert_ne!(is, "b");
    }
}

proptest! {
    #[test]
    fn a_consistent_hash_does_not_depend_on_the_order_of_bindings(
        bindings in prop::collection::btree_map("[a-z]{1,4}", 1..=10_000_u16, 1..12),
        routing_keys in prop::collection::vec(".{0,8}", 1..20),
        seed in any::<u64>(),
    ) {
        let weighted: Vec<_> = bindings.iter().map(|(name, weight)| (name.clone(), weight.to_string())).collect();
        let mut shuffled = weighted.clone();
        shuffled.sort_by_key(|(name, _)| super::mixed(seed ^ super::hash::hash(name.as_bytes())));
        let make = |bindings: &[(String, String)]| {
            let bindings: Vec<_> = bindings.iter().map(|(name, weight)| (name.as_str(), weight.as_str())).collect();
            bound(ExchangeType::ConsistentHash, &FieldTable::new(), &bindings)
        };
        let (one, other) = (make(&weighted), make(&shuffled));
        for routing_key in &routing_keys {
            prop_assert_eq!(by_key(&one, routing_key), by_key(&other, routing_key));
            prop_assert!(bindings.contains_key(&by_key(&one, routing_key)));
        }
    }
}

#[test]
fn of_several_weights_of_a_destination_the_heaviest_counts() {
    let mut table = bound(ExchangeType::ConsistentHash, &FieldTable::new(), &[("a", "1"), ("a", "3"), ("b", "1")]);
    assert!(is_about(spread(&table)["a"], KEYS * 3 / 4));
    table.unbind(&binding("a", "3"));
    assert!(is_about(spread(&table)["a"], KEYS / 2));
    table.unbind(&binding("a", "1"));
    assert_eq!(spread(&table)["b"], KEYS);
}

#[test]
fn a_consistent_hash_takes_the_first_routing_key_alone() {
    let table = bound(ExchangeType::ConsistentHash, &FieldTable::new(), &[("a", "1"), ("b", "1"), ("c", "1")]);
    for key in keys().take(100) {
        let routing_keys: [&[u8]; 2] = [key.as_bytes(), b"copy"];
        let envelope = Envelope { routing_keys: &routing_keys, ..Envelope::default() };
        assert_eq!(chosen(&table, &envelope), by_key(&table, &key));
    }
    assert!(!table.varies());
}

#[test]
fn a_hash_header_decides_in_place_of_the_routing_key() {
    let arguments = table(&[("hash-header", text("customer"))]);
    let table_of = bound(ExchangeType::ConsistentHash, &arguments, &[("a", "1"), ("b", "1"), ("c", "1")]);
    assert!(table_of.varies());
    let by_header = |routing_key: &str, headers: Option<&FieldTable>| {
        chosen(&table_of, &Envelope { routing_keys: &[routing_key.as_bytes()], headers, ..Envelope::default() })
    };
    let mut counts = BTreeMap::<String, usize>::new();
    for number in 0..3000 {
        let of = |value| table(&[("other", text("x")), ("customer", value)]);
        let destination = by_header("k", Some(&of(FieldValue::I32(number))));
        assert_eq!(by_header("another", Some(&of(FieldValue::I64(number.into())))), destination);
        *counts.entry(destination).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count > 900), "{counts:?}");
    let without: Vec<_> = keys().take(100).map(|key| by_header(&key, None)).collect();
    assert!(without.windows(2).all(|pair| pair[0] == pair[1]), "all without the header go one way");
    assert_eq!(by_header("k", Some(&table(&[("other", text("x"))]))), without[0]);
}

#[test]
fn a_hash_property_decides_in_place_of_the_routing_key() {
    for property in ["correlation_id", "message_id", "timestamp"] {
        let arguments = table(&[("hash-property", text(property))]);
        let table = bound(ExchangeType::ConsistentHash, &arguments, &[("a", "1"), ("b", "1")]);
        let choose = |routing_key: &str, number: Option<u64>| {
            let id = number.map(|number| name(&number.to_string()));
            let mut properties = Properties::default();
            match property {
                "correlation_id" => properties.correlation_id = id,
                "message_id" => properties.message_id = id,
                _ => properties.timestamp = number,
            }
            let mut content_header = bytes::BytesMut::new();
            ContentHeader::new(0, properties).encode(&mut content_header);
            let routing_keys: [&[u8]; 1] = [routing_key.as_bytes()];
            chosen(
                &table,
                &Envelope { routing_keys: &routing_keys, content_header: &content_header, ..Envelope::default() },
            )
        };
        let mut counts = BTreeMap::<String, usize>::new();
        for number in 0..1000 {
            assert_eq!(choose("x", Some(number)), choose("y", Some(number)), "{property}");
            *counts.entry(choose("x", Some(number))).or_default() += 1;
        }
        assert!(counts.values().all(|count| *count > 400), "{property}: {counts:?}");
        assert!(keys().take(50).all(|key| choose(&key, None) == choose("x", None)), "{property}");
    }
}

fn refused(kind: ExchangeType, binding_key: &[u8], destination: &Destination) -> String {
    let key = ShortString::new(binding_key).unwrap();
    let error = kind.validate_binding(&key, &FieldTable::new(), destination).unwrap_err();
    assert_eq!(error.code(), ReplyCode::PreconditionFailed);
    error.to_string()
}

#[test]
fn a_weight_is_a_whole_number_from_1_to_10000() {
    let destination = Destination::Exchange(name("x"));
    let validate =
        |key: &str| ExchangeType::ConsistentHash.validate_binding(&name(key), &FieldTable::new(), &destination);
    for key in ["1", "10000", "+5", "07", "00000000000000000000000000001"] {
        assert_eq!(validate(key), Ok(()), "{key}");
    }
    for (key, term) in
        [("", "<<>>"), ("abc", "<<\"abc\">>"), ("1.5", "<<\"1.5\">>"), (" 1", "<<\" 1\">>"), ("é", "<<\"é\"/utf8>>")]
    {
        let expected = format!("The binding key must be an integer: {term}");
        assert_eq!(refused(ExchangeType::ConsistentHash, key.as_bytes(), &destination), expected);
    }
    for key in ["0", "-1", "+0", "-0", "-99999999999999999999"] {
        let expected = "The binding key must be greater than 0";
        assert_eq!(refused(ExchangeType::ConsistentHash, key.as_bytes(), &destination), expected);
    }
    for key in ["10001", "65536", "99999999999999999999"] {
        let expected = "The binding key must not exceed 10000";
        assert_eq!(refused(ExchangeType::ConsistentHash, key.as_bytes(), &destination), expected);
    }
}

#[test]
fn what_to_hash_is_one_header_or_a_known_property() {
    let exchange = Resource::exchange(&name("x"), &name("/"));
    let validate = |entries: &[(&str, FieldValue)]| {
        let checked = ExchangeType::ConsistentHash.validate_arguments(&table(entries), &exchange);
        checked.map_err(|error: ChannelError| (error.code(), error.to_string()))
    };
    let refusal = |text: &str| Err((ReplyCode::PreconditionFailed, text.to_owned()));
    assert_eq!(validate(&[("hash-header", text(""))]), Ok(()));
    assert_eq!(validate(&[("hash-property", text("timestamp")), ("hash-unknown", FieldValue::Void)]), Ok(()));
    assert_eq!(
        validate(&[("hash-property", text("message_id")), ("hash-header", text("a"))]),
        refusal("hash-header and hash-property are mutually exclusive")
    );
    assert_eq!(validate(&[("hash-property", text("app_id"))]), refusal("Unsupported property: app_id"));
    assert_eq!(
        validate(&[("hash-header", FieldValue::I32(5))]),
        refusal("invalid type 'signedint' for arg 'hash-header' in exchange 'x' in vhost '/'")
    );
}

#[test]
fn a_modulus_hash_spreads_keys_evenly_and_each_goes_one_way() {
    let bindings = [("a", ""), ("b", "ignored"), ("c", "")];
    let table = bound(ExchangeType::ModulusHash, &FieldTable::new(), &bindings);
    let counts = spread(&table);
    assert!(["a", "b", "c"].iter().all(|name| is_about(counts[*name], KEYS / 3)), "{counts:?}");
    assert_eq!(spread(&table), counts);
    let reversed: Vec<_> = bindings.iter().rev().copied().collect();
    let reversed = bound(ExchangeType::ModulusHash, &FieldTable::new(), &reversed);
    assert!(keys().take(100).all(|key| by_key(&table, &key) == by_key(&reversed, &key)), "their order plays no part");
    assert!(!table.varies());
}

#[test]
fn random_types_choose_by_the_number_that_comes_with_the_message() {
    for kind in [ExchangeType::Random, ExchangeType::LocalRandom] {
        let table = bound(kind, &FieldTable::new(), &[("a", ""), ("b", ""), ("c", "")]);
        assert!(table.varies());
        let at = |random| chosen(&table, &Envelope { random, ..Envelope::default() });
        assert_eq!([at(0), at(u64::MAX / 2), at(u64::MAX)], ["a", "b", "c"]);
    }
}

#[test]
fn a_destination_bound_twice_is_twice_as_likely_until_one_of_its_bindings_goes() {
    let mut table = bound(ExchangeType::Random, &FieldTable::new(), &[("a", "x"), ("a", "y"), ("b", "")]);
    let share = |table: &BindingTable| {
        let random = |number: u64| Envelope { random: super::mixed(number), ..Envelope::default() };
        (0..3000).filter(|number| chosen(table, &random(*number)) == "a").count()
    };
    assert!(is_about(share(&table), 2000));
    table.unbind(&binding("a", "x"));
    assert!(is_about(share(&table), 1500));
    table.unbind(&binding("a", "y"));
    assert_eq!(share(&table), 0);
}

#[test]
fn without_bindings_nothing_is_chosen() {
    use ExchangeType::{ConsistentHash, LocalRandom, ModulusHash, Random};
    for kind in [ConsistentHash, ModulusHash, Random, LocalRandom] {
        let mut table = bound(kind, &FieldTable::new(), &[("a", "1")]);
        table.unbind(&binding("a", "1"));
        assert_eq!(by_key(&table, "k"), "", "{}", kind.name());
    }
}

fn queue(queue_type: &str) -> Destination {
    let entry = QueueEntry {
        id: QueueId(1),
        name: name("q"),
        durable: true,
        auto_delete: false,
        owner: None,
        arguments: table(&[("x-queue-type", text(queue_type))]),
    };
    Destination::Queue(entry.into())
}

#[test]
fn local_random_takes_classic_queues_without_a_binding_key() {
    let kind = ExchangeType::LocalRandom;
    assert_eq!(kind.validate_binding(&name(""), &FieldTable::new(), &queue("classic")), Ok(()));
    let expected = "Queue type rabbit_quorum_queue not valid for this exchange type";
    assert_eq!(refused(kind, b"", &queue("quorum")), expected);
    assert_eq!(refused(kind, b"", &Destination::Exchange(name("x"))), "Destination not found");
    assert_eq!(refused(kind, b"k", &queue("quorum")), "Non empty binding 'k' key not permitted");
    assert_eq!(refused(kind, "é".as_bytes(), &queue("classic")), "Non empty binding 'Ã©' key not permitted");
}
