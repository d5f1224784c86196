//! Which arguments are taken, and which messages are told apart.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use leveret_protocol::{ContentHeader, FieldTable, FieldValue, Properties, ReplyCode, ShortString};

use super::{Deduplicator, MAX_WINDOW, Settings, Taken, Verdict, key_queue, key_queue_for, key_queue_settings};
use crate::broker::ids::QueueId;
use crate::broker::message::{Message, MessageArena, Traits};
use crate::broker::queue;
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

fn admits(deduplicator: &mut Deduplicator, now: Timestamp, headers: Option<&FieldTable>) -> bool {
    !matches!(deduplicator.judge(now, headers), Verdict::Duplicate(_))
}

fn admits_message(deduplicator: &mut Deduplicator, now: Timestamp, message: &Message) -> bool {
    !matches!(deduplicator.judge_message(now, message), Verdict::Duplicate(_))
}

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
        assert!(admits(&mut deduplicator, at(0), Some(&table(&[(HEADER, value.clone())]))), "{value:?} is new");
    }
    for value in values {
        assert!(!admits(&mut deduplicator, at(0), Some(&table(&[(HEADER, value.clone())]))), "{value:?} is known");
    }
    assert!(!admits(&mut deduplicator, at(0), Some(&table(&[(HEADER, FieldValue::I64(1))]))));
    assert!(!admits(&mut deduplicator, at(0), Some(&table(&[(HEADER, FieldValue::Binary(Bytes::from_static(b"1")))]))));
}

#[test]
fn a_message_without_the_header_is_never_a_duplicate() {
    let mut deduplicator = Deduplicator::new(parsed(&[ON, (HEADER, text("id"))]));
    for _ in 0..2 {
        assert!(admits(&mut deduplicator, at(0), None));
        assert!(admits(&mut deduplicator, at(0), Some(&table(&[(HEADER, text("a"))]))), "another header was asked for");
    }
    assert!(admits(&mut deduplicator, at(0), Some(&table(&[("id", text("a"))]))));
    assert!(!admits(&mut deduplicator, at(0), Some(&table(&[("id", text("a"))]))));
}

#[test]
fn a_message_may_ask_to_be_remembered_for_another_time() {
    let mut deduplicator = Deduplicator::new(parsed(&[ON, ("x-cache-ttl", FieldValue::I32(100))]));
    let longer = table(&[(HEADER, text("longer")), ("x-cache-ttl", FieldValue::I32(200))]);
    let usual = table(&[(HEADER, text("usual")), ("x-cache-ttl", FieldValue::I32(-1))]);
    assert!(admits(&mut deduplicator, at(0), Some(&longer)) && admits(&mut deduplicator, at(0), Some(&usual)));
    assert!(!admits(&mut deduplicator, at(99), Some(&usual)));
    assert!(admits(&mut deduplicator, at(100), Some(&usual)));
    assert!(!admits(&mut deduplicator, at(199), Some(&longer)));
    assert!(admits(&mut deduplicator, at(200), Some(&longer)));
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
    assert!(admits_message(&mut deduplicator, at(0), &keyed));
    assert!(!admits_message(&mut deduplicator, at(0), &keyed));
    for _ in 0..2 {
        assert!(admits_message(&mut deduplicator, at(0), &message(None)));
    }
}

fn taken(deduplicator: &mut Deduplicator, message: &Message) -> Taken {
    match deduplicator.judge_message(at(7), message) {
        Verdict::New(taken) => taken,
        other @ (Verdict::Untold | Verdict::Duplicate(_)) => panic!("it is new: {other:?}"),
    }
}

#[test]
fn a_message_that_is_taken_back_is_new_again() {
    let mut deduplicator = Deduplicator::new(parsed(&[ON]));
    let keyed = message(Some(table(&[(HEADER, text("a"))])));
    let taken = taken(&mut deduplicator, &keyed);
    assert_eq!(deduplicator.judge_message(at(7), &keyed), Verdict::Duplicate(taken.key()));
    deduplicator.forget(&[0; 16]);
    assert!(!admits_message(&mut deduplicator, at(7), &keyed));
    deduplicator.forget(&taken.key());
    assert!(admits_message(&mut deduplicator, at(7), &keyed));
}

#[test]
fn what_was_taken_is_kept_as_a_message_and_known_by_it_again() {
    for settings in [vec![ON], vec![ON, ("x-cache-ttl", FieldValue::I32(100))]] {
        let mut before = Deduplicator::new(parsed(&settings));
        let keyed = message(Some(table(&[(HEADER, text("a"))])));
        let taken = taken(&mut before, &keyed);
        let kept = taken.to_message().unwrap();
        assert_eq!((kept.body(), kept.is_persistent()), (taken.key().as_slice(), true));
        assert_eq!(Taken::of_message(&kept), Some(taken));
        let mut after = Deduplicator::new(parsed(&settings));
        assert!(after.recall(Taken::of_message(&kept).unwrap()));
        assert!(!admits_message(&mut after, at(106), &keyed), "until its time is over");
        assert_eq!(admits_message(&mut after, at(107), &keyed), settings.len() > 1);
    }
    assert_eq!(Taken::of_message(&message(None)), None, "no key");
}

#[test]
fn keys_are_kept_in_a_queue_that_holds_as_many_as_are_remembered() {
    let name = ShortString::from_static("jobs");
    let entry = key_queue(QueueId(5), &name);
    assert_eq!((entry.id, entry.durable, &entry.name), (QueueId(1 << 63 | 5), true, &name));
    assert_eq!((key_queue_for(entry.id), key_queue_for(QueueId(5))), (Some(QueueId(5)), None));
    let settings = key_queue_settings(&parsed(&[ON, ("x-cache-size", FieldValue::I32(3))]));
    assert_eq!(settings, queue::Settings { max_length: Some(3), ..queue::Settings::default() });
}
