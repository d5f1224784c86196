//! Whether what a client declares equals what exists, and how a difference is told (RabbitMQ: text must match).

use leveret_protocol::FieldValue;
use leveret_protocol::erlang::erlang_text;

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
    received: Option<&FieldValue>,
    current: Option<&FieldValue>,
) -> Result<(), ChannelError> {
    let (received, current) = match (received, current) {
        (None, None) => return Ok(()),
        (Some(received), Some(current)) if same(received, current) => return Ok(()),
        (Some(received), Some(current)) => {
            (format!("'{}'", erlang_text(received)), format!("'{}'", erlang_text(current)))
        }
        (received, current) => (one_sided(received), one_sided(current)),
    };
    Err(ChannelError::Inequivalent { argument: argument.to_owned(), resource: resource.clone(), received, current })
}

fn one_sided(value: Option<&FieldValue>) -> String {
    value.map_or_else(
        || "none".to_owned(),
        |value| format!("the value '{}' of type '{}'", erlang_text(value), value.type_name()),
    )
}

/// Same value, or same number under another tag of its class: integers and timestamps are one, floats another.
fn same(a: &FieldValue, b: &FieldValue) -> bool {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => match (a.as_bytes(), b.as_bytes()) {
            (Some(a), Some(b)) => a == b,
            (_, _) => same_float(a, b).unwrap_or_else(|| a == b),
        },
        (_, _) => false,
    }
}

fn whole(value: &FieldValue) -> Option<i128> {
    if let FieldValue::Timestamp(seconds) = value {
        return Some(i128::from(*seconds));
    }
    value.as_integer().map(i128::from)
}

/// Compares floats of different precision; `None` for all other pairs.
fn same_float(a: &FieldValue, b: &FieldValue) -> Option<bool> {
    if let (FieldValue::F32(short), FieldValue::F64(long)) | (FieldValue::F64(long), FieldValue::F32(short)) = (a, b) {
        return Some(f64::from(*short) == *long);
    }
    None
}
