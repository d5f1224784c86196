//! Which arguments are taken, and which messages are told apart.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use leveret_protocol::{ContentHeader, FieldTable, FieldValue, Properties, ReplyCode, ShortString};

use super::{Deduplicator, MAX_WINDOW, Settings};
use crate::broker::message::{Message, MessageArena, Traits};
use crate::broker::resource::Resource;
use crate::broker::time::Timestamp;

fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
    entries.iter().map(|(name, value)| (ShortString::new(name).unwrap(), value.clone())).collect()
}

fn text(text: &str) -> FieldValue {
    FieldValue::text(text)
}

const ON: (&str, FieldValue) = ("x-message-deduplication", FieldValue::Bool(true));

fn parsed(entries: &[(&str, FieldValue)]) -> Settings {
    Settings::parse(&table(entries)).unwrap().unwrap()
}

#[test]
fn deduplication_has_to_be_asked_for() {
    for entries in [vec![], vec![("x-cache-size", FieldValue::Void)], vec![(ON.0, FieldValue::Bool(false))]] {
        assert_eq!(Settings::parse(&table(&entries)), Ok(None));
    }
}

#[test]
fn what_is_not_said_has_defaults() {
    let expected = Settings { size: 128, ttl: None, header: b"x-deduplication-header".as_slice().into() };
    assert_eq!(parsed(&[ON]), expected);
}

#[test]
fn numbers_may_be_text_and_a_window_is_bounded() {
    let settings = parsed(&[ON, ("x-cache-size", text("5")), ("x-cache-ttl", FieldValue::I64(1500))]);
    assert_eq!((settings.size, settings.ttl), (5, Some(Duration::from_millis(1500))));
    assert_eq!(parsed(&[ON, ("x-cache-size", FieldValue::I32(1_000_000_000))]).size, MAX_WINDOW);
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let cases = [
        ("x-message-deduplication", text("true"), "{unacceptable_type,longstr}"),
        ("x-cache-size", FieldValue::I32(0), "{value_zero,0}"),
        ("x-cache-size", text("many"), "{unacceptable_type,longstr}"),
        ("x-cache-ttl", FieldValue::I32(-1), "{value_negative,-1}"),
        ("x-cache-ttl", FieldValue::Bool(true), "{unacceptable_type,bool}"),
        ("x-deduplication-header", FieldValue::I32(1), "{unacceptable_type,signedint}"),
        ("x-cache-persistence", text("disk"), "not_implemented"),
        ("x-cache-persistence", text("tape"), "unsupported"),
    ];
    let queue = Resource::queue(&ShortString::from_static("q"), &ShortString::from_static("/"));
    for (argument, value, reason) in cases {
        let mut arguments = table(&[ON]);
        arguments.insert(argument, value);
        let error = Settings::parse(&arguments).unwrap_err().of(&queue);
        assert_eq!(error.code(), ReplyCode::PreconditionFailed);
        assert_eq!(error.to_string(), format!("invalid arg '{argument}' for queue 'q' in vhost '/': {reason}"));
    }
    assert!(Settings::of_type(&table(&[])).is_err(), "an exchange of that type has to say how many it remembers");
    assert!(Settings::of_type(&table(&[("x-cache-size", FieldValue::I32(1))])).is_ok());
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

const HEADER: &str = "x-deduplication-header";

#[test]
fn a_message_is_a_duplicate_of_one_with_an_equal_value_of_any_type() {
    let values = [
        FieldValue::I32(1),
        text("1"),
        FieldValue::Bool(true),
        FieldValue::F64(1.0),
        FieldValue::Void,
        FieldValue::Array(vec![text("1")]),
        FieldValue::Table(table(&[("1", text("1"))])),
    ];
    let mut deduplicator = Deduplicator::new(parsed(&[ON]));
    for value in &values {
        assert!(deduplicator.admits(at(0), Some(&table(&[(HEADER, value.clone())]))), "{value:?} is new");
    }
    for value in values {
        assert!(!deduplicator.admits(at(0), Some(&table(&[(HEADER, value.clone())]))), "{value:?} is known");
    }
    assert!(!deduplicator.admits(at(0), Some(&table(&[(HEADER, FieldValue::I64(1))]))));
    assert!(!deduplicator.admits(at(0), Some(&table(&[(HEADER, FieldValue::Binary(Bytes::from_static(b"1")))]))));
}

#[test]
fn a_message_without_the_header_is_never_a_duplicate() {
    let mut deduplicator = Deduplicator::new(parsed(&[ON, (HEADER, text("id"))]));
    for _ in 0..2 {
        assert!(deduplicator.admits(at(0), None));
        assert!(deduplicator.admits(at(0), Some(&table(&[(HEADER, text("a"))]))), "another header was asked for");
    }
    assert!(deduplicator.admits(at(0), Some(&table(&[("id", text("a"))]))));
    assert!(!deduplicator.admits(at(0), Some(&table(&[("id", text("a"))]))));
}

#[test]
fn a_message_may_ask_to_be_remembered_for_another_time() {
    let mut deduplicator = Deduplicator::new(parsed(&[ON, ("x-cache-ttl", FieldValue::I32(100))]));
    let longer = table(&[(HEADER, text("longer")), ("x-cache-ttl", FieldValue::I32(200))]);
    let usual = table(&[(HEADER, text("usual")), ("x-cache-ttl", FieldValue::I32(-1))]);
    assert!(deduplicator.admits(at(0), Some(&longer)) && deduplicator.admits(at(0), Some(&usual)));
    assert!(!deduplicator.admits(at(99), Some(&usual)));
    assert!(deduplicator.admits(at(100), Some(&usual)));
    assert!(!deduplicator.admits(at(199), Some(&longer)));
    assert!(deduplicator.admits(at(200), Some(&longer)));
}

fn message(headers: Option<FieldTable>) -> Message {
    let traits = if headers.is_some() { Traits::HEADERS } else { Traits::default() };
    let mut header = BytesMut::new();
    ContentHeader::new(0, Properties { headers, ..Properties::default() }).encode(&mut header);
    MessageArena::default().store(b"\0\0", &header, b"", traits, at(0)).unwrap()
}

#[test]
fn headers_are_read_out_of_a_message() {
    let mut deduplicator = Deduplicator::new(parsed(&[ON]));
    let keyed = message(Some(table(&[(HEADER, text("a"))])));
    assert!(deduplicator.admits_message(at(0), &keyed));
    assert!(!deduplicator.admits_message(at(0), &keyed));
    for _ in 0..2 {
        assert!(deduplicator.admits_message(at(0), &message(None)));
    }
}

#[test]
fn a_message_that_is_taken_back_is_new_again() {
    let mut deduplicator = Deduplicator::new(parsed(&[ON]));
    let keyed = message(Some(table(&[(HEADER, text("a"))])));
    assert!(deduplicator.admits_message(at(0), &keyed));
    deduplicator.forget(&message(None));
    assert!(!deduplicator.admits_message(at(0), &keyed));
    deduplicator.forget(&keyed);
    assert!(deduplicator.admits_message(at(0), &keyed));
}

#[test]
fn a_message_is_recalled_for_as_long_as_it_was_to_be_remembered_when_it_arrived() {
    let mut deduplicator = Deduplicator::new(parsed(&[ON, ("x-cache-ttl", FieldValue::I32(100))]));
    let headers = table(&[("x-deduplication-header", text("k"))]);
    let properties = Properties { headers: Some(headers.clone()), ..Properties::default() };
    let mut header = BytesMut::from(&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..]);
    properties.encode(&mut header);
    let at = Timestamp::from_millis;
    let stored = |traits| MessageArena::default().store(b"\x00\x01q", &header, b"", traits, at(50)).unwrap();
    assert_eq!(deduplicator.taken_before(&stored(Traits::default())), None, "it has no headers");
    let taken = deduplicator.taken_before(&stored(Traits::HEADERS)).unwrap();
    deduplicator.recall(taken);
    assert!(!deduplicator.admits(at(149), Some(&headers)));
    assert!(deduplicator.admits(at(150), Some(&headers)));
    let mut other = Deduplicator::new(parsed(&[ON, ("x-deduplication-header", text("other"))]));
    assert_eq!(other.taken_before(&stored(Traits::HEADERS)), None, "it is told by another header");
    assert!(other.admits(at(0), Some(&headers)));
}
