//! Values of JSON as Erlang prints them (`~tp`): RabbitMQ quotes them where it refuses a policy.

use leveret_protocol::erlang::erlang_term;
use leveret_protocol::{FieldTable, FieldValue, ShortString};

/// A value, such as `<<"x">>`, `[1,true]` or `#{<<"k">> => null}`.
pub(super) fn json(value: &FieldValue) -> String {
    match value {
        FieldValue::Void => "null".to_owned(),
        FieldValue::Array(values) => format!("[{}]", joined(values.iter().map(json))),
        FieldValue::Table(table) => {
            format!("#{{{}}}", joined(table.iter().map(|(name, value)| format!("{} => {}", binary(name), json(value)))))
        }
        FieldValue::Bool(_)
        | FieldValue::I8(_)
        | FieldValue::U8(_)
        | FieldValue::I16(_)
        | FieldValue::U16(_)
        | FieldValue::I32(_)
        | FieldValue::U32(_)
        | FieldValue::I64(_)
        | FieldValue::F32(_)
        | FieldValue::F64(_)
        | FieldValue::Decimal { .. }
        | FieldValue::LongString(_)
        | FieldValue::Timestamp(_)
        | FieldValue::Binary(_) => erlang_term(value),
    }
}

/// Entries as a list of pairs, such as `[{<<"k">>,1}]`.
pub(super) fn pairs(table: &FieldTable) -> String {
    format!("[{}]", joined(table.iter().map(|(name, value)| format!("{{{},{}}}", binary(name), json(value)))))
}

fn binary(name: &ShortString) -> String {
    erlang_term(&FieldValue::LongString(bytes::Bytes::copy_from_slice(name.as_bytes())))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}
