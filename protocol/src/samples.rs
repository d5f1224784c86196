//! Arbitrary values for property tests: of each type of the wire, and octets that are nearly right.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::{ContentHeader, FieldTable, FieldValue, Properties, ShortString};

/// A type of which tests can make any value.
pub(crate) trait Sample: Sized {
    fn sample() -> BoxedStrategy<Self>;
}

macro_rules! sample_any {
    ($($type:ty)*) => {
        $(impl Sample for $type {
            fn sample() -> BoxedStrategy<Self> {
                any::<$type>().boxed()
            }
        })*
    };
}

sample_any!(bool u8 u16 u32 u64);

impl Sample for ShortString {
    fn sample() -> BoxedStrategy<Self> {
        prop_oneof![
            Just(Self::default()),
            any::<String>().prop_map(|text| Self::truncated(&text)),
            Just(Self::truncated(&"é".repeat(200))),
        ]
        .boxed()
    }
}

impl Sample for Bytes {
    fn sample() -> BoxedStrategy<Self> {
        any::<Vec<u8>>().prop_map(Self::from).boxed()
    }
}

impl Sample for FieldTable {
    fn sample() -> BoxedStrategy<Self> {
        table().boxed()
    }
}

fn plain_value() -> impl Strategy<Value = FieldValue> {
    prop_oneof![
        any::<bool>().prop_map(FieldValue::Bool),
        any::<i8>().prop_map(FieldValue::I8),
        any::<u8>().prop_map(FieldValue::U8),
        any::<i16>().prop_map(FieldValue::I16),
        any::<u16>().prop_map(FieldValue::U16),
        any::<i32>().prop_map(FieldValue::I32),
        any::<u32>().prop_map(FieldValue::U32),
        any::<i64>().prop_map(FieldValue::I64),
        // Without NaN, which equals nothing.
        any::<f32>().prop_map(FieldValue::F32),
        any::<f64>().prop_map(FieldValue::F64),
        any::<(u8, u32)>().prop_map(|(scale, value)| FieldValue::Decimal { scale, value }),
        Bytes::sample().prop_map(FieldValue::LongString),
        any::<u64>().prop_map(FieldValue::Timestamp),
        Just(FieldValue::Void),
        Bytes::sample().prop_map(FieldValue::Binary),
    ]
}

fn entries(value: impl Strategy<Value = FieldValue>) -> impl Strategy<Value = FieldTable> {
    vec((ShortString::sample(), value), 0..5).prop_map(FieldTable::from_iter)
}

fn value() -> impl Strategy<Value = FieldValue> {
    plain_value().prop_recursive(4, 24, 5, |inner| {
        prop_oneof![vec(inner.clone(), 0..5).prop_map(FieldValue::Array), entries(inner).prop_map(FieldValue::Table),]
    })
}

pub(crate) fn table() -> impl Strategy<Value = FieldTable> {
    entries(value())
}

pub(crate) fn properties() -> impl Strategy<Value = Properties> {
    let text = || option::of(ShortString::sample());
    let octet = || option::of(any::<u8>());
    (
        (text(), text(), option::of(table()), octet(), octet(), text(), text()),
        (text(), text(), option::of(any::<u64>()), text(), text(), text(), text()),
    )
        .prop_map(|(first, second)| {
            let (content_type, content_encoding, headers, delivery_mode, priority, correlation_id, reply_to) = first;
            let (expiration, message_id, timestamp, kind, user_id, app_id, cluster_id) = second;
            Properties {
                content_type,
                content_encoding,
                headers,
                delivery_mode,
                priority,
                correlation_id,
                reply_to,
                expiration,
                message_id,
                timestamp,
                kind,
                user_id,
                app_id,
                cluster_id,
            }
        })
}

pub(crate) fn header() -> impl Strategy<Value = ContentHeader> {
    (any::<(u16, u16, u64)>(), properties()).prop_map(|((class_id, weight, body_size), properties)| ContentHeader {
        class_id,
        weight,
        body_size,
        properties,
    })
}

/// Octets that are right but for one octet changed, one added, one missing, or the end cut off.
pub(crate) fn damaged(octets: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (octets, any::<Index>(), any::<u8>(), 0..4_u8).prop_map(|(mut octets, at, octet, how)| {
        let at = at.index(octets.len().max(1));
        match how {
            0 => octets.insert(at, octet),
            1 => octets.truncate(at),
            _ if at >= octets.len() => {}
            2 => octets[at] = octet,
            _ => drop(octets.remove(at)),
        }
        octets
    })
}
