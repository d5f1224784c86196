//! The fields of a JSON object in a request, with RabbitMQ's reasons for what is wrong with them.

use leveret_protocol::{FieldTable, ShortString};
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::json;

/// A JSON object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads an object; nothing, and `null`, are an empty one.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(Value::Null) => Ok(Self::default()),
            Ok(_) | Err(_) => Err(ApiError::bad_request("not_json")),
        }
    }

    /// Passes when all of these are there.
    pub(super) fn require(&self, names: &[&str]) -> Result<(), ApiError> {
        let missing: Vec<_> = names.iter().filter(|name| !self.0.contains_key(**name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = missing.iter().map(|name| format!("{{key_missing,{name}}}")).collect();
        Err(ApiError::bad_request(format!("[{}]", list.join(","))))
    }

    /// The names of all fields.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A flag; false when it is not given. The words count, too.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(word)) if word == "true" => Ok(true),
            Some(Value::String(word)) if word == "false" => Ok(false),
            Some(other) => Err(ApiError::bad_request(json!(["not_boolean", other]))),
        }
    }

    /// A text; empty when it is not given.
    pub(super) fn text(&self, name: &str) -> Result<&str, ApiError> {
        match self.get(name) {
            None => Ok(""),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(ApiError::bad_request(json!(["not_string", name]))),
        }
    }

    /// A name or a routing key; empty when it is not given.
    pub(super) fn name(&self, name: &str) -> Result<ShortString, ApiError> {
        let text = self.text(name)?;
        ShortString::new(text).map_err(|_| ApiError::bad_request(format!("{name} has more than 255 bytes")))
    }

    /// A whole number, which may come as text.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let number = match self.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(digits)) => digits.parse().ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or_else(|| ApiError::bad_request(json!(["not_int", name])))
    }

    /// A table; an empty one when it is not given. `[]` is how some clients write that.
    pub(super) fn table(&self, name: &str) -> Result<FieldTable, ApiError> {
        match self.get(name) {
            None => Ok(FieldTable::new()),
            Some(Value::Array(list)) if list.is_empty() => Ok(FieldTable::new()),
            Some(Value::Object(map)) => json::to_table(map),
            Some(_) => Err(ApiError::bad_request(json!(["not_map", name]))),
        }
    }

    /// An object in the object; `[]` counts as an empty one.
    pub(super) fn object(&self, name: &str) -> Result<Self, ApiError> {
        match self.get(name) {
            None => Ok(Self::default()),
            Some(Value::Array(list)) if list.is_empty() => Ok(Self::default()),
            Some(Value::Object(map)) => Ok(Self(map.clone())),
            Some(_) => Err(ApiError::bad_request(json!(["not_map", name]))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Fields {
        Fields::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn nothing_and_null_are_an_empty_object() {
        for text in ["", " \n", "null", "{}"] {
            assert_eq!(fields(text), Fields::default(), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_object_is_not_json() {
        for text in ["{", "[1]", "5", "\"x\""] {
            assert_eq!(Fields::parse(text.as_bytes()), Err(ApiError::bad_request("not_json")), "{text}");
        }
    }

    #[test]
    fn all_that_is_missing_is_named() {
        let refused = fields(r#"{"b": 1}"#).require(&["a", "b", "c"]);
        assert_eq!(refused, Err(ApiError::bad_request("[{key_missing,a},{key_missing,c}]")));
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named() {
        let fields = fields(r#"{"flag": "yes", "text": 5, "number": "x", "table": [1]}"#);
        assert_eq!(fields.flag("flag"), Err(ApiError::bad_request(json!(["not_boolean", "yes"]))));
        assert_eq!(fields.text("text"), Err(ApiError::bad_request(json!(["not_string", "text"]))));
        assert_eq!(fields.integer("number"), Err(ApiError::bad_request(json!(["not_int", "number"]))));
        assert_eq!(fields.table("table"), Err(ApiError::bad_request(json!(["not_map", "table"]))));
    }

    #[test]
    fn numbers_and_flags_may_come_as_text() {
        let fields = fields(r#"{"flag": "true", "number": "-3"}"#);
        assert_eq!((fields.flag("flag"), fields.integer("number")), (Ok(true), Ok(Some(-3))));
    }
}
