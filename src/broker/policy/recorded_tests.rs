//! Policies that RabbitMQ 4.3 was asked to set over HTTP, and what it said: recorded.jsonl has one request a line, as
//! resource, body and reason; an empty reason is a success.

use leveret_protocol::{FieldTable, FieldValue, ShortString};
use serde_json::Value;

use super::{Draft, PolicyKind};

const RECORDED: &str = include_str!("recorded.jsonl");

fn value(json: &Value) -> FieldValue {
    match json {
        Value::Null => FieldValue::Void,
        Value::Bool(flag) => FieldValue::Bool(*flag),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| FieldValue::F64(number.as_f64().unwrap()), FieldValue::I64)
        }
        Value::String(text) => FieldValue::text(text),
        Value::Array(values) => FieldValue::Array(values.iter().map(value).collect()),
        Value::Object(object) => {
            let entries = object.iter().map(|(name, json)| (ShortString::new(name).unwrap(), value(json)));
            FieldValue::Table(entries.collect::<FieldTable>())
        }
    }
}

fn answer(kind: PolicyKind, body: &Value) -> String {
    let field = |name| body.get(name).map(value);
    let draft = Draft {
        name: ShortString::from_static("p"),
        pattern: field("pattern").unwrap(),
        apply_to: field("apply-to"),
        priority: field("priority"),
        definition: field("definition").unwrap(),
    };
    draft.into_policy(kind).map_or_else(|invalid| invalid.to_string(), |_| String::new())
}

/// But for what is not there yet, which is refused.
#[test]
fn rabbitmq_said_the_same() {
    let mut lines = 0;
    for line in RECORDED.lines() {
        let (resource, body, reason): (String, Value, String) = serde_json::from_str(line).unwrap();
        let kind = if resource == "policies" { PolicyKind::User } else { PolicyKind::Operator };
        let ours = answer(kind, &body);
        let not_yet = reason.is_empty() && ours.ends_with(" is not implemented yet\n");
        assert!(not_yet || ours == reason, "{line}: {ours}");
        lines += 1;
    }
    assert_eq!(lines, 669);
}
