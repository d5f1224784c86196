//! What delays and times in headers mean, value by value.

use super::*;
use crate::broker::message::MessageArena;
use leveret_protocol::ShortString;

fn headers(name: &'static str, value: FieldValue) -> FieldTable {
    std::iter::once((ShortString::from_static(name), value)).collect()
}

fn delay_of(value: FieldValue) -> Option<u64> {
    delay(&headers(DELAY, value)).map(|delay| u64::try_from(delay.as_millis()).unwrap())
}

fn time_of(value: FieldValue) -> Option<u64> {
    time(&headers("eta", value), "eta").map(Timestamp::as_millis)
}

fn message(table: FieldTable) -> Message {
    let mut header = BytesMut::from(&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4][..]);
    Properties { headers: Some(table), ..Properties::default() }.encode(&mut header);
    let traits = Traits::HEADERS.with(Traits::PERSISTENT);
    MessageArena::default().store(b"\x02ex\x03key", &header, b"body", traits, Timestamp::from_millis(100)).unwrap()
}

#[test]
fn a_delay_is_a_number_of_any_size_or_text_of_one() {
    assert_eq!(delay_of(FieldValue::U8(5)), Some(5));
    assert_eq!(delay_of(FieldValue::I64(5_000_000_000)), Some(5_000_000_000), "beyond 32 bits");
    assert_eq!(delay_of(FieldValue::F64(1.9)), Some(1));
    assert_eq!(delay_of(FieldValue::F32(7.5)), Some(7));
    assert_eq!(delay_of(FieldValue::text("250")), Some(250));
    assert_eq!(delay_of(FieldValue::text(" 2.5 ")), Some(2));
    assert_eq!(delay_of(FieldValue::I64(315_360_000_000)), Some(315_360_000_000), "ten years");
}

#[test]
fn what_is_no_delay_delays_nothing() {
    let none = [
        FieldValue::I32(0),
        FieldValue::I32(-5),
        FieldValue::I64(315_360_000_001),
        FieldValue::F64(0.9),
        FieldValue::F64(f64::NAN),
        FieldValue::F64(f64::INFINITY),
        FieldValue::text("soon"),
        FieldValue::text(""),
        FieldValue::Bool(true),
        FieldValue::Void,
        FieldValue::Table(FieldTable::new()),
    ];
    for value in none {
        assert_eq!(delay_of(value.clone()), None, "{value:?}");
    }
    assert_eq!(delay(&FieldTable::new()), None);
}

#[test]
fn a_time_is_unix_time_or_a_date_with_a_time() {
    let expected = Some(1_795_618_295_123);
    assert_eq!(time_of(FieldValue::I64(1_795_618_295_123)), expected);
    assert_eq!(time_of(FieldValue::text("1795618295123")), expected);
    assert_eq!(time_of(FieldValue::text("2026-11-25T14:51:35.123456+00:00")), expected, "Python's isoformat");
    assert_eq!(time_of(FieldValue::text("2026-11-25T14:51:35.123Z")), expected);
    assert_eq!(time_of(FieldValue::text("2026-11-25 15:51:35,123+0100")), expected);
    assert_eq!(time_of(FieldValue::text("2026-11-25T09:21:35.123-05:30")), expected);
    assert_eq!(time_of(FieldValue::text("2026-11-25T14:51:35.123")), expected, "UTC without a zone");
    assert_eq!(time_of(FieldValue::text("2024-02-29T00:00")), Some(1_709_164_800_000));
    assert_eq!(time_of(FieldValue::text("1970-01-01T01:00+01")), Some(0));
    assert_eq!(time_of(FieldValue::Timestamp(1_795_618_295)), Some(1_795_618_295_000));
}

#[test]
fn what_is_no_time_is_none() {
    for text in
        ["", "tomorrow", "2026-13-01T00:00", "2026-11-25", "2026-11-25T14", "2026-11-25T14:51:35.1é", "T:", "-T+1"]
    {
        assert_eq!(time_of(FieldValue::text(text)), None, "{text:?}");
    }
    assert_eq!(time_of(FieldValue::Void), None, "Celery sends no eta so");
}

#[test]
fn a_released_message_tells_that_its_delay_is_over() {
    let delayed = message(headers(DELAY, FieldValue::I32(5000)));
    assert_eq!(release_time(&delayed), Timestamp::from_millis(5100));
    let released = Released::new(&delayed, Timestamp::from_millis(5101)).unwrap();
    assert_eq!(released.headers, headers(DELAY, FieldValue::I64(-5000)));
    assert_eq!(headers_of(&released.message), Some(released.headers.clone()));
    assert_eq!(released.message.names(), delayed.names());
    assert_eq!(released.message.body(), b"body");
    assert_eq!(released.message.arrived(), Timestamp::from_millis(5101), "its time to live begins now");
    assert_eq!(released.routing_keys, [b"key".to_vec()]);
    assert!(released.message.is_persistent());
}

#[test]
fn blind_copies_are_kept_until_the_release_and_seen_by_nobody() {
    let text = |text| FieldValue::Array(vec![FieldValue::text(text)]);
    let delayed = message([(ShortString::from_static("CC"), text("c"))].into_iter().collect());
    assert_eq!(with_blind_copies(&delayed, &[b"c".to_vec()]), None, "there are none");
    let kept = with_blind_copies(&delayed, &[b"c".to_vec(), b"b".to_vec()]).unwrap();
    let released = Released::new(&kept, Timestamp::ZERO).unwrap();
    assert_eq!(released.routing_keys, [b"key".to_vec(), b"c".to_vec(), b"b".to_vec()]);
    assert!(!headers_of(&released.message).unwrap().contains("BCC"));
}
