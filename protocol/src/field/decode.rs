//! Octets to field tables.

use bytes::Bytes;
use nom::bytes::complete::take;
use nom::multi::{length_data, many0};
use nom::number::complete::{be_f32, be_f64, be_i8, be_i16, be_i32, be_i64, be_u8, be_u16, be_u32, be_u64};
use nom::{Err, IResult, Parser};

use super::{FieldTable, FieldValue, MAX_TABLE_DEPTH, TableError};
use crate::ShortString;

type Parsed<'a, T> = IResult<&'a [u8], T, TableError>;

/// A table with its length in front. The outermost one has depth 1.
pub(super) fn table(input: &[u8], depth: usize) -> Parsed<'_, FieldTable> {
    let (rest, body) = length_data(be_u32).parse(input)?;
    Ok((rest, entries(body, depth)?))
}

/// Entries to the end of the input.
pub(super) fn entries(input: &[u8], depth: usize) -> Result<FieldTable, Err<TableError>> {
    check_depth(depth)?;
    to_end(input, |input| entry(input, depth)).map(FieldTable::from_entries)
}

fn array(input: &[u8], depth: usize) -> Parsed<'_, Vec<FieldValue>> {
    let (rest, body) = length_data(be_u32).parse(input)?;
    check_depth(depth)?;
    Ok((rest, to_end(body, |input| value(input, depth))?))
}

fn check_depth(depth: usize) -> Result<(), Err<TableError>> {
    if depth > MAX_TABLE_DEPTH {
        return Err(Err::Failure(TableError::TooDeep));
    }
    Ok(())
}

/// Applies the parser until nothing is left; it must not stop before. Tables stay for long, with queues and connections, so
/// that there is no room in them for more.
fn to_end<T>(input: &[u8], parser: impl Fn(&[u8]) -> Parsed<'_, T>) -> Result<Vec<T>, Err<TableError>> {
    if input.is_empty() {
        return Ok(Vec::new());
    }
    let (_, mut items) = many0(|input| {
        let input: &[u8] = input;
        if input.is_empty() {
            // Tells `many0` to stop: everything was used up.
            return Err(Err::Error(TableError::Truncated));
        }
        parser(input).map_err(fatal)
    })
    .parse(input)?;
    items.shrink_to_fit();
    Ok(items)
}

/// An error that `many0` does not take for the end of the list.
fn fatal(error: Err<TableError>) -> Err<TableError> {
    Err::Failure(TableError::from(error))
}

fn entry(input: &[u8], depth: usize) -> Parsed<'_, (ShortString, FieldValue)> {
    let (input, name) = length_data(be_u8).parse(input)?;
    let (input, value) = value(input, depth)?;
    Ok((input, (ShortString::from_bounded(name), value)))
}

fn octets(input: &[u8]) -> Parsed<'_, Bytes> {
    length_data(be_u32).map(Bytes::copy_from_slice).parse(input)
}

fn value(input: &[u8], depth: usize) -> Parsed<'_, FieldValue> {
    let (input, tag) = be_u8(input)?;
    match tag {
        b't' => be_u8.map(|octet| FieldValue::Bool(octet != 0)).parse(input),
        b'b' => be_i8.map(FieldValue::I8).parse(input),
        b'B' => be_u8.map(FieldValue::U8).parse(input),
        b's' => be_i16.map(FieldValue::I16).parse(input),
        b'u' => be_u16.map(FieldValue::U16).parse(input),
        b'I' => be_i32.map(FieldValue::I32).parse(input),
        b'i' => be_u32.map(FieldValue::U32).parse(input),
        // Signed, whatever the specification says of `L` (RabbitMQ: rabbit_binary_parser).
        b'l' | b'L' => be_i64.map(FieldValue::I64).parse(input),
        b'f' => be_f32.map(FieldValue::F32).parse(input),
        b'd' => be_f64.map(FieldValue::F64).parse(input),
        b'D' => (be_u8, be_u32).map(|(scale, value)| FieldValue::Decimal { scale, value }).parse(input),
        b'S' => octets.map(FieldValue::LongString).parse(input),
        b'T' => be_u64.map(FieldValue::Timestamp).parse(input),
        b'V' => take(0_usize).map(|_| FieldValue::Void).parse(input),
        b'x' => octets.map(FieldValue::Binary).parse(input),
        b'A' => array(input, depth + 1).map(|(rest, values)| (rest, FieldValue::Array(values))),
        b'F' => table(input, depth + 1).map(|(rest, table)| (rest, FieldValue::Table(table))),
        tag => Err(Err::Failure(TableError::UnknownTag { tag })),
    }
}
