//! Which of a queue's messages a command means: options that several commands have.

use clap::Args;
use serde_json::{Map, Value, json};

/// Options that choose messages. All that are given have to be so; none means all messages.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which messages")]
pub(super) struct Filter {
    /// Those with this header and value; a number, true and false are what they look like, "7" in quotes is text. May be
    /// given several times
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    headers: Vec<(String, Value)>,
    /// Those with this routing key
    #[arg(long, value_name = "KEY")]
    routing_key: Option<String>,
    /// Those with this property message-id
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// Those that died last of this: `rejected`, `expired`, `maxlen` or `delivery_limit`
    #[arg(long, value_name = "REASON")]
    death_reason: Option<String>,
    /// Those that arrived, or died last, so long ago: 500ms, 30s, 15m, 24h or 7d
    #[arg(long, value_name = "TIME", value_parser = millis)]
    older_than: Option<u64>,
}

impl Filter {
    /// As the API wants it; `None`: all messages are meant.
    pub(super) fn to_json(&self) -> Option<Value> {
        let headers: Map<String, Value> = self.headers.iter().cloned().collect();
        let fields = [
            ("headers", (!headers.is_empty()).then_some(Value::Object(headers))),
            ("routing_key", self.routing_key.as_ref().map(|key| json!(key))),
            ("message_id", self.message_id.as_ref().map(|id| json!(id))),
            ("death_reason", self.death_reason.as_ref().map(|reason| json!(reason))),
            ("older_than", self.older_than.map(|millis| json!(millis))),
        ];
        let given: Map<String, Value> =
            fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        (!given.is_empty()).then_some(Value::Object(given))
    }
}

fn header(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    let simple = |value: &Value| value.is_number() || value.is_boolean() || value.is_string();
    let value = serde_json::from_str(value).ok().filter(simple).unwrap_or_else(|| json!(value));
    Ok((name.to_owned(), value))
}

fn millis(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let split = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let millis = factor.zip(number.parse::<u64>().ok()).and_then(|(factor, number)| number.checked_mul(factor));
    millis.ok_or_else(|| "write it as a number with its unit: 500ms, 30s, 15m, 24h or 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_type_that_its_value_looks_like() {
        for (text, value) in [
            ("h=7", json!(7)),
            ("h=true", json!(true)),
            ("h=\"7\"", json!("7")),
            ("h=red", json!("red")),
            ("h=a=b", json!("a=b")),
            ("h=", json!("")),
            ("h=[1]", json!("[1]")),
        ] {
            assert_eq!(header(text), Ok(("h".to_owned(), value)), "{text}");
        }
        assert!(header("h").is_err());
    }

    #[test]
    fn a_time_has_a_unit() {
        for (text, expected) in
            [("500ms", 500), ("30s", 30_000), ("15m", 900_000), ("1h", 3_600_000), ("7d", 604_800_000)]
        {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
        for text in ["", "5", "s", "5w", "-5s", "1.5h", "99999999999999999999s", "9999999999999999999d"] {
            assert!(millis(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_given_is_not_asked_for() {
        assert_eq!(Filter::default().to_json(), None);
        let filter = Filter { older_than: Some(5), headers: vec![("h".to_owned(), json!(1))], ..Filter::default() };
        assert_eq!(filter.to_json(), Some(json!({ "headers": { "h": 1 }, "older_than": 5 })));
    }
}
