//! Header values as octets that are equal where the values are, whatever their tags: what values are hashed and
//! remembered by. Agrees with how headers exchanges compare.

use bytes::BytesMut;
use leveret_protocol::{FieldTable, FieldValue, ShortString};

/// The octets. Integers of all sizes are of one kind, so are strings and binaries, so are floats; every other tag is one
/// of its own.
#[must_use]
pub fn octets_of(value: &FieldValue) -> Vec<u8> {
    if let Some(number) = value.as_integer() {
        return tagged(b'l', &number.to_be_bytes());
    }
    if let Some(octets) = value.as_bytes() {
        return tagged(b'S', octets);
    }
    if let Some(number) = value.as_float() {
        return tagged(b'd', &number.to_bits().to_be_bytes());
    }
    let table: FieldTable = std::iter::once((ShortString::default(), value.clone())).collect();
    let mut octets = BytesMut::with_capacity(table.encoded_len());
    table.encode(&mut octets);
    // The length and an empty name come first; the value with its tag follows.
    octets.get(5..).unwrap_or_default().to_vec()
}

fn tagged(tag: u8, octets: &[u8]) -> Vec<u8> {
    [&[tag], octets].concat()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn values_that_differ_in_their_tag_alone_have_the_same_octets() {
        let same = [
            (FieldValue::I32(5), FieldValue::I64(5)),
            (FieldValue::U8(5), FieldValue::I16(5)),
            (FieldValue::text("a"), FieldValue::Binary(Bytes::from_static(b"a"))),
            (FieldValue::F32(1.5), FieldValue::F64(1.5)),
        ];
        for (one, other) in same {
            assert_eq!(octets_of(&one), octets_of(&other), "{one:?} is {other:?}");
        }
    }

    #[test]
    fn values_that_differ_have_other_octets() {
        let values = [
            FieldValue::I32(0),
            FieldValue::I32(1),
            FieldValue::F64(1.0),
            FieldValue::text("1"),
            FieldValue::text(""),
            FieldValue::Bool(true),
            FieldValue::Bool(false),
            FieldValue::Void,
            FieldValue::Timestamp(1),
            FieldValue::Array(vec![FieldValue::I32(1)]),
            FieldValue::Array(Vec::new()),
            FieldValue::Table(FieldTable::new()),
            FieldValue::Decimal { scale: 0, value: 1 },
        ];
        for (index, one) in values.iter().enumerate() {
            for other in values.iter().skip(index + 1) {
                assert_ne!(octets_of(one), octets_of(other), "{one:?} is not {other:?}");
            }
        }
    }
}
