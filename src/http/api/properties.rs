//! The properties of a message as JSON and back.

use leveret_protocol::{Properties, ShortString};
use serde_json::{Map, Value, json};

use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::json::{of_name, of_table};

/// Properties of a JSON object; fields that are none are passed over (RabbitMQ).
pub(super) fn parse(fields: &Fields) -> Result<Properties, ApiError> {
    let text = |name: &str| -> Result<Option<ShortString>, ApiError> {
        fields.get(name).map(|_| fields.name(name)).transpose()
    };
    let headers = fields.get("headers").map(|_| fields.table("headers")).transpose()?;
    Ok(Properties {
        content_type: text("content_type")?,
        content_encoding: text("content_encoding")?,
        headers,
        delivery_mode: number(fields, "delivery_mode")?,
        priority: number(fields, "priority")?,
        correlation_id: text("correlation_id")?,
        reply_to: text("reply_to")?,
        expiration: text("expiration")?,
        message_id: text("message_id")?,
        timestamp: number(fields, "timestamp")?,
        kind: text("type")?,
        user_id: text("user_id")?,
        app_id: text("app_id")?,
        cluster_id: text("cluster_id")?,
    })
}

fn number<T: TryFrom<i64>>(fields: &Fields, name: &str) -> Result<Option<T>, ApiError> {
    let Some(number) = fields.integer(name)? else { return Ok(None) };
    T::try_from(number).map(Some).map_err(|_| ApiError::bad_request(json!(["not_int", name])))
}

/// Properties as a JSON object; `[]` when there are none (RabbitMQ).
pub(in crate::http) fn show(properties: &Properties) -> Value {
    let mut shown = Map::new();
    let texts = [
        ("content_type", &properties.content_type),
        ("content_encoding", &properties.content_encoding),
        ("correlation_id", &properties.correlation_id),
        ("reply_to", &properties.reply_to),
        ("expiration", &properties.expiration),
        ("message_id", &properties.message_id),
        ("type", &properties.kind),
        ("user_id", &properties.user_id),
        ("app_id", &properties.app_id),
        ("cluster_id", &properties.cluster_id),
    ];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name, of_name(text.as_ref()?))));
    let numbers = [
        ("delivery_mode", properties.delivery_mode.map(Value::from)),
        ("priority", properties.priority.map(Value::from)),
        ("timestamp", properties.timestamp.map(Value::from)),
        ("headers", properties.headers.as_ref().map(of_table)),
    ];
    let numbers = numbers.into_iter().filter_map(|(name, value)| Some((name, value?)));
    shown.extend(texts.chain(numbers).map(|(name, value)| (name.to_owned(), value)));
    if shown.is_empty() { json!([]) } else { Value::Object(shown) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_come_back_as_they_were() {
        let text = r#"{"delivery_mode": 2, "headers": {"a": 1}, "timestamp": 5, "type": "t", "expiration": "100"}"#;
        let properties = parse(&Fields::parse(text.as_bytes()).unwrap()).unwrap();
        assert_eq!(show(&properties), serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(show(&Properties::default()), json!([]));
    }

    #[test]
    fn a_number_out_of_bounds_is_refused() {
        for text in [r#"{"delivery_mode": 256}"#, r#"{"delivery_mode": -1}"#, r#"{"delivery_mode": "a"}"#] {
            let refused = parse(&Fields::parse(text.as_bytes()).unwrap());
            assert_eq!(refused, Err(ApiError::bad_request(json!(["not_int", "delivery_mode"]))), "{text}");
        }
    }
}
