//! Tests of what survives a restart: rows and back, ids of queues, and that nothing else touches the disk.

use std::sync::Arc;

use bytes::Bytes;
use leveret_protocol::{FieldTable, FieldValue, ShortString};
use proptest::prelude::*;

use super::decode::{Row, RowError, row};
use super::{Definitions, Stored, encode};
use crate::broker::dedup::key_queue_of;
use crate::broker::exchange::ExchangeType;
use crate::broker::ids::QueueId;
use crate::broker::policy::{ApplyTo, Pattern, Policy, PolicyKind};
use crate::broker::queue::{QueueEntry, Settings};
use crate::broker::resource::ResourceKind;
use crate::broker::vhost::{Definition, Effect, ExchangeDefinition, Link};
use crate::store::disk::Disk;
use crate::store::disk::faulty::{FaultyDisk, Unsynced};
use crate::store::meta::{Change, Meta};

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn queue(id: u64) -> Arc<QueueEntry> {
    let arguments = FieldTable::new();
    Arc::new(QueueEntry { id: QueueId(id), name: name("q"), durable: true, auto_delete: false, owner: None, arguments })
}

fn open(disk: &dyn Disk) -> (Definitions, Stored) {
    Definitions::load(Arc::new(Meta::open(disk).unwrap())).unwrap()
}

fn put(change: Change) -> (Vec<u8>, Vec<u8>) {
    match change {
        Change::Put { key, value } => (key, value),
        Change::Remove { key } => panic!("{key:?} is removed"),
    }
}

fn any_name() -> impl Strategy<Value = ShortString> {
    proptest::collection::vec(any::<u8>(), 0..=255).prop_map(|octets| ShortString::new(octets).unwrap())
}

fn any_table() -> impl Strategy<Value = FieldTable> {
    let value = prop_oneof![
        any::<bool>().prop_map(FieldValue::Bool),
        any::<i32>().prop_map(FieldValue::I32),
        any::<i64>().prop_map(FieldValue::I64),
        any::<f64>().prop_map(FieldValue::F64),
        any::<Vec<u8>>().prop_map(|octets| FieldValue::LongString(Bytes::from(octets))),
        Just(FieldValue::Void),
    ];
    let value =
        value.prop_recursive(2, 8, 3, |inner| proptest::collection::vec(inner, 0..3).prop_map(FieldValue::Array));
    proptest::collection::vec((any_name(), value), 0..4).prop_map(FieldTable::from_iter)
}

fn exchange_named(name: ShortString, kind: ExchangeType) -> ExchangeDefinition {
    let arguments = FieldTable::new();
    let (auto_delete, internal, delay_queue, key_queue) = (false, false, None, None);
    ExchangeDefinition { name, kind, auto_delete, internal, arguments, delay_queue, key_queue }
}

fn any_definition() -> impl Strategy<Value = Definition> {
    let kinds = [ExchangeType::Direct, ExchangeType::Fanout, ExchangeType::Topic, ExchangeType::Headers];
    let exchange = (any_name(), proptest::sample::select(kinds.to_vec()), any::<bool>(), any::<bool>(), any_table());
    let id = || proptest::option::of(any::<u64>().prop_map(QueueId));
    // The queue of keys has a bit of its own.
    let keys = id().prop_map(|id| id.map(key_queue_of));
    let exchange = (exchange, id(), keys);
    let queue = (any_name(), any::<u64>(), any::<bool>(), any_table());
    let ends = prop_oneof![Just(ResourceKind::Exchange), Just(ResourceKind::Queue)];
    let binding = (any_name(), ends, any_name(), any_name(), any_table());
    let patterns = proptest::sample::select(vec!["", "^a", r"^(?!amq\.)", "é"]);
    let apply_to = proptest::sample::select(vec![ApplyTo::All, ApplyTo::QuorumQueues, ApplyTo::Exchanges]);
    let kinds_of_policies = prop_oneof![Just(PolicyKind::User), Just(PolicyKind::Operator)];
    let policy = (kinds_of_policies, any_name(), patterns, apply_to, any::<i64>(), any_table());
    prop_oneof![
        exchange.prop_map(|((name, kind, auto_delete, internal, arguments), delay_queue, key_queue)| {
            let flags = ExchangeDefinition { auto_delete, internal, ..exchange_named(name, kind) };
            Definition::Exchange(ExchangeDefinition { arguments, delay_queue, key_queue, ..flags })
        }),
        queue.prop_map(|(name, id, auto_delete, arguments)| {
            let entry = QueueEntry { id: QueueId(id), name, durable: true, auto_delete, owner: None, arguments };
            Definition::Queue(Arc::new(entry))
        }),
        binding.prop_map(|(source, destination_kind, destination, binding_key, arguments)| {
            Definition::Binding(Link { source, destination_kind, destination, binding_key, arguments })
        }),
        policy.prop_map(|(kind, name, pattern, apply_to, priority, definition)| {
            let pattern = Pattern::parse(pattern).unwrap();
            Definition::Policy(kind, Arc::new(Policy { name, pattern, apply_to, priority, definition }))
        }),
    ]
}

proptest! {
    #[test]
    fn definitions_come_back_from_their_rows_and_find_them_again(vhost in any_name(), definition in any_definition()) {
        let (key, value) = put(encode::stored(&vhost, &definition));
        let Row::Definition(found_vhost, found) = row(&key, &value).unwrap() else { panic!("another row") };
        prop_assert_eq!((&found_vhost, &found), (&vhost, &definition));
        prop_assert_eq!(encode::forgotten(&found_vhost, &found), Change::Remove { key });
    }

    #[test]
    fn any_bytes_are_read_or_refused(key in any::<Vec<u8>>(), value in any::<Vec<u8>>()) {
        _ = row(&key, &value);
    }

    #[test]
    fn a_row_that_is_cut_off_is_damaged(vhost in any_name(), definition in any_definition(), cut in any::<prop::sample::Index>()) {
        let (key, value) = put(encode::stored(&vhost, &definition));
        let refused = row(&key, &value[..cut.index(value.len())]);
        prop_assert!(matches!(refused, Err(RowError::Damaged { .. })), "{:?}", refused);
    }
}

#[test]
fn bindings_between_the_same_ends_have_rows_of_their_own() {
    let link = |binding_key: &str, arguments: FieldTable| {
        let (source, destination) = (name("x"), name("q"));
        let destination_kind = ResourceKind::Queue;
        Definition::Binding(Link { source, destination_kind, destination, binding_key: name(binding_key), arguments })
    };
    let table: FieldTable = [(name("a"), FieldValue::I32(1))].into_iter().collect();
    let keys = [link("", FieldTable::new()), link("k", FieldTable::new()), link("", table)]
        .map(|definition| put(encode::stored(&name("/"), &definition)).0);
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
}

#[test]
fn rows_have_the_bytes_that_the_storage_format_tells() {
    let table: FieldTable = [(name("a"), FieldValue::I32(1))].into_iter().collect();
    let exchange = ExchangeDefinition {
        name: name("x"),
        kind: ExchangeType::Fanout,
        auto_delete: true,
        internal: true,
        arguments: table.clone(),
        delay_queue: None,
        key_queue: None,
    };
    let delaying = ExchangeDefinition { delay_queue: Some(QueueId(0x0304)), ..exchange.clone() };
    let keeping = ExchangeDefinition { key_queue: Some(key_queue_of(QueueId(0x0506))), ..delaying.clone() };
    let entry = QueueEntry { auto_delete: true, ..QueueEntry::clone(&queue(0x0102)) };
    let link = Link {
        source: name("x"),
        destination_kind: ResourceKind::Queue,
        destination: name("q"),
        binding_key: name("k"),
        arguments: FieldTable::new(),
    };
    let stored = |definition| put(encode::stored(&name("/"), &definition));
    let row = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    assert_eq!(put(encode::queue_ids(0x0102)), row(b"n", b"\x01\x02\x01\0\0\0\0\0\0"));
    assert_eq!(put(encode::vhost(&name("/"))), row(b"v\x01/", b"\x01"));
    assert_eq!(
        stored(Definition::Exchange(exchange)),
        row(b"e\x01/\x01x", b"\x01\x03\x06fanout\0\0\0\x07\x01aI\0\0\0\x01")
    );
    assert_eq!(
        stored(Definition::Exchange(delaying)),
        row(b"e\x01/\x01x", b"\x01\x07\x04\x03\0\0\0\0\0\0\x06fanout\0\0\0\x07\x01aI\0\0\0\x01")
    );
    assert_eq!(
        stored(Definition::Exchange(keeping)),
        row(b"e\x01/\x01x", b"\x01\x0f\x04\x03\0\0\0\0\0\0\x06\x05\0\0\0\0\0\x80\x06fanout\0\0\0\x07\x01aI\0\0\0\x01")
    );
    assert_eq!(
        stored(Definition::Queue(Arc::new(entry))),
        row(b"q\x01/\x01q", b"\x01\x01\x02\x01\0\0\0\0\0\0\0\0\0\0")
    );
    // The first half of the SHA-256 of 01 6b 00 00 00 00.
    let digest = [0xeb, 0xb4, 0x8c, 0x99, 0x08, 0xe8, 0x79, 0x96, 0xca, 0x52, 0x10, 0x8b, 0x18, 0x21, 0xc8, 0xf7];
    let key = [b"b\x01/\x01xq\x01q".as_slice(), &digest].concat();
    assert_eq!(stored(Definition::Binding(link)), row(&key, b"\x01\x01k\0\0\0\0"));
    let policy = Policy {
        name: name("p"),
        pattern: Pattern::parse("^q").unwrap(),
        apply_to: ApplyTo::Queues,
        priority: -2,
        definition: [(name("expires"), FieldValue::I64(5))].into_iter().collect(),
    };
    assert_eq!(
        stored(Definition::Policy(PolicyKind::Operator, Arc::new(policy))),
        row(
            b"p\x01/o\x01p",
            b"\x01\xfe\xff\xff\xff\xff\xff\xff\xff\x06queues\x02\0^q\0\0\0\x11\x07expiresl\0\0\0\0\0\0\0\x05"
        )
    );
}

#[test]
fn an_unknown_version_is_told_with_what_to_do() {
    let (key, mut value) = put(encode::stored(&name("/"), &Definition::Queue(queue(1))));
    value[0] = 2;
    assert_eq!(
        row(&key, &value).unwrap_err().to_string(),
        "the queue 'q' in vhost '/' is stored in version 2 of its form, and this version of the server reads version \
         1: start the version that wrote it, or a newer one"
    );
    let meta = Arc::new(Meta::open(&FaultyDisk::new()).unwrap());
    meta.commit(crate::store::meta::Space::Definitions, &[Change::Put { key, value }]).unwrap();
    let error = Definitions::load(meta).unwrap_err().to_string();
    assert!(error.starts_with("meta.redb: the queue 'q' in vhost '/' is stored in version 2"), "{error}");
}

#[test]
fn what_was_kept_is_there_at_the_next_start() {
    let disk = FaultyDisk::new();
    let (definitions, stored) = open(&disk);
    assert!(stored.vhosts.is_empty());
    definitions.keep_vhost(&name("empty")).unwrap();
    let (kept, gone) = (
        Definition::Queue(queue(7)),
        Definition::Queue(Arc::new(QueueEntry { name: name("g"), ..QueueEntry::clone(&queue(8)) })),
    );
    definitions.keep(&name("/"), &[Effect::Stored(kept.clone()), Effect::Stored(gone.clone())]).unwrap();
    definitions.keep(&name("/"), &[Effect::Forgotten(gone)]).unwrap();
    let (_, stored) = open(&disk.after_power_cut(Unsynced::Lost));
    let vhosts: Vec<_> =
        stored.vhosts.iter().map(|(name, definitions)| (name.to_string(), definitions.clone())).collect();
    assert_eq!(vhosts, [("/".to_owned(), vec![kept]), ("empty".to_owned(), Vec::new())]);
    assert_eq!(stored.queues().into_iter().collect::<Vec<_>>(), [QueueId(7)]);
}

#[test]
fn no_queue_id_is_given_twice_whenever_the_power_is_cut() {
    let mut disk = FaultyDisk::new();
    let mut last = QueueId(0);
    for _ in 0..5 {
        let (definitions, _) = open(&disk);
        for _ in 0..10 {
            let next = definitions.next_queue().unwrap();
            assert!(next > last, "{next:?} after {last:?}");
            last = next;
        }
        disk = disk.after_power_cut(Unsynced::Lost);
    }
}

#[test]
fn what_is_not_durable_costs_no_access_to_the_disk() {
    let disk = FaultyDisk::new();
    let (definitions, _) = open(&disk);
    definitions.next_queue().unwrap();
    let before = disk.operations();
    for _ in 0..1000 {
        let id = definitions.next_queue().unwrap();
        let effects = [Effect::QueueCreated(queue(id.0), Settings::default()), Effect::QueueRemoved(id)];
        definitions.keep(&name("/"), &effects).unwrap();
    }
    assert_eq!(disk.operations(), before);
}

#[test]
fn a_failing_disk_is_told_and_final() {
    let disk = FaultyDisk::new();
    let (definitions, _) = open(&disk);
    disk.fail_sync(1);
    let effects = [Effect::Stored(Definition::Queue(queue(1)))];
    let told = definitions.keep(&name("/"), &effects).unwrap_err().to_string();
    assert!(told.starts_with("meta.redb: commit: "), "{told}");
    assert!(definitions.keep(&name("/"), &effects).is_err());
    let (_, stored) = open(&disk.after_power_cut(Unsynced::Lost));
    assert!(stored.vhosts.is_empty());
}

#[test]
fn a_commit_lets_the_runtime_go_on_and_works_on_any() {
    let disk = FaultyDisk::new();
    let definitions = open(&disk).0;
    let keep = || definitions.keep(&name("/"), &[Effect::Stored(Definition::Queue(queue(1)))]).unwrap();
    keep();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async { keep() });
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap().block_on(async { keep() });
}
