//! AMQP tables as JSON and back. JSON knows fewer types: what comes back from it are texts, 64-bit integers, doubles,
//! booleans, tables and arrays.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leveret_protocol::{FieldTable, FieldValue, ShortString};
use serde_json::{Map, Number, Value};

use super::error::ApiError;

/// A table as a JSON object. Of a name that comes twice the last counts.
pub(super) fn of_table(table: &FieldTable) -> Value {
    Value::Object(table.iter().map(|(name, value)| (name.to_str_lossy().into_owned(), of_value(value))).collect())
}

/// A name as JSON; what is not UTF-8 in it is replaced.
pub(super) fn of_name(name: &ShortString) -> Value {
    Value::String(name.to_str_lossy().into_owned())
}

fn of_value(value: &FieldValue) -> Value {
    match value {
        FieldValue::Bool(flag) => (*flag).into(),
        FieldValue::I8(number) => (*number).into(),
        FieldValue::U8(number) => (*number).into(),
        FieldValue::I16(number) => (*number).into(),
        FieldValue::U16(number) => (*number).into(),
        FieldValue::I32(number) => (*number).into(),
        FieldValue::U32(number) => (*number).into(),
        FieldValue::I64(number) => (*number).into(),
        FieldValue::F32(number) => of_float(f64::from(*number)),
        FieldValue::F64(number) => of_float(*number),
        FieldValue::Decimal { scale, value } => of_float(f64::from(*value) / 10_f64.powi(i32::from(*scale))),
        FieldValue::Timestamp(seconds) => (*seconds).into(),
        FieldValue::LongString(octets) => of_octets(octets),
        FieldValue::Binary(octets) => STANDARD.encode(octets).into(),
        FieldValue::Array(values) => values.iter().map(of_value).collect(),
        FieldValue::Table(table) => of_table(table),
        FieldValue::Void => Value::Null,
    }
}

/// JSON has no infinity.
fn of_float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// As text where it is UTF-8, else as base64.
fn of_octets(octets: &[u8]) -> Value {
    std::str::from_utf8(octets).map_or_else(|_| STANDARD.encode(octets), str::to_owned).into()
}

/// A JSON object as a table.
pub(super) fn to_table(object: &Map<String, Value>) -> Result<FieldTable, ApiError> {
    let entry = |(name, value): (&String, &Value)| Ok((to_name(name)?, to_value(value)?));
    object.iter().map(entry).collect()
}

fn to_value(value: &Value) -> Result<FieldValue, ApiError> {
    Ok(match value {
        Value::Null => return Err(ApiError::bad_request("null_not_allowed")),
        Value::Bool(flag) => FieldValue::Bool(*flag),
        Value::Number(number) => to_number(number)?,
        Value::String(text) => FieldValue::text(text),
        Value::Array(values) => FieldValue::Array(values.iter().map(to_value).collect::<Result<_, _>>()?),
        Value::Object(object) => FieldValue::Table(to_table(object)?),
    })
}

/// A value with `null` in it, for what says itself what is wrong with that.
pub(super) fn to_value_or_null(value: &Value) -> Result<FieldValue, ApiError> {
    Ok(match value {
        Value::Null => FieldValue::Void,
        Value::Array(values) => FieldValue::Array(values.iter().map(to_value_or_null).collect::<Result<_, _>>()?),
        Value::Object(object) => {
            let entry = |(name, value): (&String, &Value)| Ok((to_name(name)?, to_value_or_null(value)?));
            FieldValue::Table(object.iter().map(entry).collect::<Result<_, ApiError>>()?)
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => to_value(value)?,
    })
}

fn to_name(name: &str) -> Result<ShortString, ApiError> {
    ShortString::new(name).map_err(|_| ApiError::bad_request("a name has more than 255 bytes"))
}

fn to_number(number: &Number) -> Result<FieldValue, ApiError> {
    if let Some(whole) = number.as_i64() {
        return Ok(FieldValue::I64(whole));
    }
    match number.as_f64() {
        Some(float) if number.is_f64() => Ok(FieldValue::F64(float)),
        Some(_) | None => Err(ApiError::bad_request(format!("{number} is more than a 64-bit number holds"))),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_json_object_comes_back_as_it_was() {
        let object = json!({ "t": "text", "i": -5, "f": 2.5, "b": true, "l": [1, "x"], "m": { "k": 1 } });
        assert_eq!(of_table(&to_table(object.as_object().unwrap()).unwrap()), object);
    }

    #[test]
    fn what_json_cannot_say_is_said_in_another_way() {
        let octets = Bytes::from_static(&[0xFF, 0xFE]);
        let values = [
            (FieldValue::LongString(octets.clone()), json!("//4=")),
            (FieldValue::Binary(octets), json!("//4=")),
            (FieldValue::Decimal { scale: 2, value: 325 }, json!(3.25)),
            (FieldValue::F64(f64::INFINITY), json!(null)),
            (FieldValue::Timestamp(7), json!(7)),
            (FieldValue::Void, json!(null)),
        ];
        for (value, expected) in values {
            assert_eq!(of_value(&value), expected, "{value:?}");
        }
    }

    #[test]
    fn null_and_numbers_beyond_64_bits_are_refused() {
        assert_eq!(to_value(&json!([null])), Err(ApiError::bad_request("null_not_allowed")));
        assert!(to_value(&json!(u64::MAX)).is_err());
    }
}
