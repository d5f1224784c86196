//! Checks that several arguments share, with RabbitMQ's terms for what is wrong.

use leveret_protocol::{FieldTable, FieldValue};

/// Ten years in milliseconds: RabbitMQ's bound on times to live.
pub(super) const TEN_YEARS_MS: i64 = 315_360_000_000;

/// The same, where a number cannot be negative.
pub const LONGEST_MS: u64 = TEN_YEARS_MS.unsigned_abs();

pub(in crate::broker::queue) fn integer(value: &FieldValue) -> Result<i64, String> {
    value.as_integer().ok_or_else(|| format!("\"expected integer, got {}\"", value.type_name()))
}

pub(super) fn not_negative(value: &FieldValue) -> Result<i64, String> {
    match integer(value)? {
        number if number < 0 => Err(format!("{{value_negative,{number}}}")),
        number => Ok(number),
    }
}

/// As `not_negative`, for what counts something.
pub(in crate::broker) fn not_negative_number(value: &FieldValue) -> Result<u64, String> {
    not_negative(value).map(i64::unsigned_abs)
}

pub(super) fn positive(value: &FieldValue) -> Result<i64, String> {
    match not_negative(value)? {
        0 => Err("{value_zero,0}".to_owned()),
        number => Ok(number),
    }
}

pub(super) fn at_most_ten_years(number: i64) -> Result<(), String> {
    if number > TEN_YEARS_MS { Err(format!("{{value_too_large,{number}}}")) } else { Ok(()) }
}

pub(super) fn text(value: &FieldValue) -> Result<&[u8], String> {
    if let FieldValue::LongString(bytes) = value { Ok(bytes) } else { Err(unacceptable_type(value)) }
}

pub(super) fn unacceptable_type(value: &FieldValue) -> String {
    format!("{{unacceptable_type,{}}}", value.type_name())
}

pub(super) fn one_of(value: &FieldValue, allowed: &[&str], otherwise: &str) -> Result<(), String> {
    let value = text(value)?;
    if allowed.iter().any(|known| known.as_bytes() == value) { Ok(()) } else { Err(otherwise.to_owned()) }
}

/// The number in a valid argument that is not negative.
pub(super) fn number_in(arguments: &FieldTable, name: &str) -> Option<u64> {
    u64::try_from(arguments.get(name)?.as_integer()?).ok()
}
