//! Whether what a client declares equals what exists, and how a difference is told (RabbitMQ: text must match).

use leveret_protocol::{FieldTable, FieldValue};

use crate::broker::error::ChannelError;
use crate::broker::resource::Resource;

/// Compares a plain field such as `durable`.
pub(super) fn check_field<T: PartialEq + std::fmt::Display>(
    argument: &str,
    resource: &Resource,
    received: &T,
    current: &T,
) -> Result<(), ChannelError> {
    if received == current {
        return Ok(());
    }
    Err(ChannelError::Inequivalent {
        argument: argument.to_owned(),
        resource: resource.clone(),
        received: format!("'{received}'"),
        current: format!("'{current}'"),
    })
}

/// Compares one argument, present or not on either side.
pub(super) fn check_argument(
    argument: &str,
    resource: &Resource,
    received: &FieldTable,
    current: &FieldTable,
) -> Result<(), ChannelError> {
    let (received, current) = match (received.get(argument), current.get(argument)) {
        (None, None) => return Ok(()),
        (Some(received), Some(current)) if same(received, current) => return Ok(()),
        (Some(received), Some(current)) => (format!("'{}'", rendered(received)), format!("'{}'", rendered(current))),
        (received, current) => (one_sided(received), one_sided(current)),
    };
    Err(ChannelError::Inequivalent { argument: argument.to_owned(), resource: resource.clone(), received, current })
}

fn one_sided(value: Option<&FieldValue>) -> String {
    value.map_or_else(
        || "none".to_owned(),
        |value| format!("the value '{}' of type '{}'", rendered(value), value.type_name()),
    )
}

/// Same value, or same number under another tag of its class: integers are one, floats another.
fn same(a: &FieldValue, b: &FieldValue) -> bool {
    match (a.as_integer(), b.as_integer()) {
        (Some(a), Some(b)) => a == b,
        (None, None) => match (a.as_bytes(), b.as_bytes()) {
            (Some(a), Some(b)) => a == b,
            (_, _) => same_float(a, b).unwrap_or_else(|| a == b),
        },
        (_, _) => false,
    }
}

/// Compares floats of different precision; `None` for all other pairs.
fn same_float(a: &FieldValue, b: &FieldValue) -> Option<bool> {
    if let (FieldValue::F32(short), FieldValue::F64(long)) | (FieldValue::F64(long), FieldValue::F32(short)) = (a, b) {
        return Some(f64::from(*short) == *long);
    }
    None
}

/// A value as RabbitMQ prints it in these texts.
pub(in crate::broker) fn rendered(value: &FieldValue) -> String {
    if let Some(number) = value.as_integer() {
        return number.to_string();
    }
    match value {
        FieldValue::Bool(value) => value.to_string(),
        FieldValue::F32(value) => format!("{value:?}"),
        FieldValue::F64(value) => format!("{value:?}"),
        FieldValue::Timestamp(value) => value.to_string(),
        FieldValue::Void => "undefined".to_owned(),
        FieldValue::LongString(bytes) | FieldValue::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        FieldValue::Decimal { scale, value } => format!("{{{scale},{value}}}"),
        FieldValue::Array(values) => {
            format!("[{}]", values.iter().map(rendered).collect::<Vec<_>>().join(","))
        }
        FieldValue::Table(table) => {
            let entries: Vec<_> = table.iter().map(|(name, value)| format!("{name}={}", rendered(value))).collect();
            format!("[{}]", entries.join(","))
        }
        FieldValue::I8(_)
        | FieldValue::U8(_)
        | FieldValue::I16(_)
        | FieldValue::U16(_)
        | FieldValue::I32(_)
        | FieldValue::U32(_)
        | FieldValue::I64(_) => String::new(),
    }
}
