//! Field tables to octets.

use bytes::{BufMut, BytesMut};

use super::{FieldTable, FieldValue};
use crate::ShortString;

const LENGTH: usize = 4;

pub(super) fn table(table: &FieldTable, out: &mut BytesMut) {
    with_length(out, |out| {
        for (name, item) in table {
            short_string(name, out);
            value(item, out);
        }
    });
}

pub(super) fn table_len(table: &FieldTable) -> usize {
    let entries = table.iter().map(|(name, value)| 1 + name.len() + value_len(value));
    LENGTH + entries.sum::<usize>()
}

/// Appends what `write` appends, with its length in front.
pub(crate) fn with_length(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u32(0);
    let start = out.len();
    write(out);
    // Nothing that fits a frame reaches the bound; a frame's size has 32 bits too.
    let len = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(at..start) {
        place.copy_from_slice(&len.to_be_bytes());
    }
}

pub(crate) fn short_string(text: &ShortString, out: &mut BytesMut) {
    out.put_u8(text.len_octet());
    out.put_slice(text.as_bytes());
}

pub(crate) fn long_string(octets: &[u8], out: &mut BytesMut) {
    with_length(out, |out| out.put_slice(octets));
}

fn value(value: &FieldValue, out: &mut BytesMut) {
    out.put_u8(tag(value));
    match value {
        FieldValue::Bool(value) => out.put_u8(u8::from(*value)),
        FieldValue::I8(value) => out.put_i8(*value),
        FieldValue::U8(value) => out.put_u8(*value),
        FieldValue::I16(value) => out.put_i16(*value),
        FieldValue::U16(value) => out.put_u16(*value),
        FieldValue::I32(value) => out.put_i32(*value),
        FieldValue::U32(value) => out.put_u32(*value),
        FieldValue::I64(value) => out.put_i64(*value),
        FieldValue::F32(value) => out.put_f32(*value),
        FieldValue::F64(value) => out.put_f64(*value),
        FieldValue::Decimal { scale, value } => {
            out.put_u8(*scale);
            out.put_u32(*value);
        }
        FieldValue::LongString(octets) | FieldValue::Binary(octets) => long_string(octets, out),
        FieldValue::Array(values) => with_length(out, |out| {
            for item in values {
                self::value(item, out);
            }
        }),
        FieldValue::Timestamp(value) => out.put_u64(*value),
        FieldValue::Table(inner) => table(inner, out),
        FieldValue::Void => {}
    }
}

const fn tag(value: &FieldValue) -> u8 {
    match value {
        FieldValue::Bool(_) => b't',
        FieldValue::I8(_) => b'b',
        FieldValue::U8(_) => b'B',
        FieldValue::I16(_) => b's',
        FieldValue::U16(_) => b'u',
        FieldValue::I32(_) => b'I',
        FieldValue::U32(_) => b'i',
        FieldValue::I64(_) => b'l',
        FieldValue::F32(_) => b'f',
        FieldValue::F64(_) => b'd',
        FieldValue::Decimal { .. } => b'D',
        FieldValue::LongString(_) => b'S',
        FieldValue::Array(_) => b'A',
        FieldValue::Timestamp(_) => b'T',
        FieldValue::Table(_) => b'F',
        FieldValue::Void => b'V',
        FieldValue::Binary(_) => b'x',
    }
}

/// Octets of the value, the tag included.
fn value_len(value: &FieldValue) -> usize {
    1 + match value {
        FieldValue::Void => 0,
        FieldValue::Bool(_) | FieldValue::I8(_) | FieldValue::U8(_) => 1,
        FieldValue::I16(_) | FieldValue::U16(_) => 2,
        FieldValue::I32(_) | FieldValue::U32(_) | FieldValue::F32(_) => 4,
        FieldValue::Decimal { .. } => 5,
        FieldValue::I64(_) | FieldValue::F64(_) | FieldValue::Timestamp(_) => 8,
        FieldValue::LongString(octets) | FieldValue::Binary(octets) => LENGTH + octets.len(),
        FieldValue::Array(values) => LENGTH + values.iter().map(value_len).sum::<usize>(),
        FieldValue::Table(table) => table_len(table),
    }
}
