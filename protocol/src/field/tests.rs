//! Field tables against themselves: round trips, and the walk against the decoder.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::ShortString;
use crate::samples;

fn encoded(table: &FieldTable) -> Vec<u8> {
    let mut out = BytesMut::new();
    table.encode(&mut out);
    out.to_vec()
}

/// Tables (or arrays) in one another; the outermost table counts.
fn nested(depth: usize, arrays: bool) -> Vec<u8> {
    let mut value = FieldValue::Void;
    for _ in 1..depth {
        value = if arrays {
            FieldValue::Array(vec![value])
        } else {
            let mut table = FieldTable::new();
            table.insert("t", value);
            FieldValue::Table(table)
        };
    }
    let mut table = FieldTable::new();
    table.insert("t", value);
    encoded(&table)
}

proptest! {
    #[test]
    fn a_table_survives_the_wire(table in samples::table(), after in any::<Vec<u8>>()) {
        let mut octets = encoded(&table);
        prop_assert_eq!(octets.len(), table.encoded_len());
        octets.extend(&after);
        let (decoded, rest) = FieldTable::decode(&octets).unwrap();
        prop_assert_eq!(&decoded, &table);
        prop_assert_eq!(rest, after.as_slice());
        prop_assert_eq!(skip_table(&octets), Ok(after.as_slice()));
        let entries = FieldTable::decode_entries(&octets[4..octets.len() - after.len()]);
        prop_assert_eq!(entries, Ok(table));
    }

    #[test]
    fn the_walk_and_the_decoder_agree_on_damaged_tables(
        octets in samples::damaged(samples::table().prop_map(|table| encoded(&table)))
    ) {
        let decoded = FieldTable::decode(&octets).map(|(_, rest)| rest);
        prop_assert_eq!(skip_table(&octets), decoded);
    }

    #[test]
    fn the_walk_and_the_decoder_agree_on_any_octets(octets in any::<Vec<u8>>()) {
        let decoded = FieldTable::decode(&octets).map(|(_, rest)| rest);
        prop_assert_eq!(skip_table(&octets), decoded);
        let mut sized = u32::try_from(octets.len()).unwrap().to_be_bytes().to_vec();
        sized.extend(&octets);
        let decoded = FieldTable::decode(&sized).map(|(_, rest)| rest);
        prop_assert_eq!(skip_table(&sized), decoded);
    }
}

#[test]
fn accepts_tables_nested_up_to_the_limit() {
    for arrays in [false, true] {
        let octets = nested(MAX_TABLE_DEPTH, arrays);
        assert!(FieldTable::decode(&octets).is_ok());
        assert!(skip_table(&octets).is_ok());
    }
}

#[test]
fn refuses_a_table_nested_deeper_than_the_limit() {
    for arrays in [false, true] {
        let octets = nested(MAX_TABLE_DEPTH + 1, arrays);
        assert_eq!(FieldTable::decode(&octets), Err(TableError::TooDeep));
        assert_eq!(skip_table(&octets), Err(TableError::TooDeep));
    }
}

#[test]
fn refuses_unknown_tags_and_cut_values() {
    let unknown = TableError::UnknownTag { tag: b'Z' };
    assert_eq!(FieldTable::decode_entries(b"\x01aZ"), Err(unknown));
    assert_eq!(FieldTable::decode_entries(b"\x01aI\0\0\0"), Err(TableError::Truncated));
    assert_eq!(FieldTable::decode_entries(b"\x01a"), Err(TableError::Truncated));
    // The length of the table ends in the middle of the value.
    assert_eq!(FieldTable::decode(b"\0\0\0\x04\x01aI\0\0\0\0"), Err(TableError::Truncated));
}

#[test]
fn reads_both_tags_of_a_long_and_writes_the_common_one() {
    let table = FieldTable::decode_entries(b"\x01aL\xff\xff\xff\xff\xff\xff\xff\xfe").unwrap();
    assert_eq!(table.get("a"), Some(&FieldValue::I64(-2)));
    assert_eq!(encoded(&table), b"\0\0\0\x0b\x01al\xff\xff\xff\xff\xff\xff\xff\xfe");
}

#[test]
fn every_integer_tag_is_an_integer() {
    let integers: [(FieldValue, i64); 7] = [
        (FieldValue::I8(-1), -1),
        (FieldValue::U8(255), 255),
        (FieldValue::I16(-1), -1),
        (FieldValue::U16(65_535), 65_535),
        (FieldValue::I32(-1), -1),
        (FieldValue::U32(u32::MAX), 4_294_967_295),
        (FieldValue::I64(i64::MIN), i64::MIN),
    ];
    for (value, number) in integers {
        assert_eq!(value.as_integer(), Some(number));
    }
    assert_eq!(FieldValue::Timestamp(1).as_integer(), None);
    assert_eq!(FieldValue::F64(1.0).as_integer(), None);
}

#[test]
fn values_give_their_contents_by_type() {
    assert_eq!(FieldValue::text("a").as_str(), Some("a"));
    let binary = FieldValue::Binary(Bytes::from_static(b"a"));
    assert_eq!((binary.as_str(), binary.as_bytes()), (None, Some(&b"a"[..])));
    assert_eq!(FieldValue::from(true).as_bool(), Some(true));
    assert_eq!(FieldValue::LongString(Bytes::from_static(b"\xff")).as_str(), None);
}

#[test]
fn the_first_of_two_equal_names_counts() {
    let name = ShortString::from_static("a");
    let mut table: FieldTable = [
        (name.clone(), FieldValue::I32(1)),
        (ShortString::from_static("b"), FieldValue::I32(2)),
        (name, FieldValue::I32(3)),
    ]
    .into_iter()
    .collect();
    assert_eq!(table.get("a"), Some(&FieldValue::I32(1)));
    table.insert("a", 4);
    assert_eq!((table.get("a"), table.len()), (Some(&FieldValue::I32(4)), 3));
    assert_eq!(table.remove("a"), Some(FieldValue::I32(4)));
    assert_eq!((table.contains("a"), table.len()), (false, 1));
}
