//! What a request says of the messages that it means. What it says and nobody knows is refused: a filter with a slip of
//! the pen would mean all.

use std::time::Duration;

use serde_json::json;

use super::error::ApiError;
use super::fields::Fields;
use crate::node::admin::Filter;

/// Passes when there are no fields but these.
pub(super) fn known(fields: &Fields, names: &[&str]) -> Result<(), ApiError> {
    match fields.names().find(|name| !names.contains(name)) {
        None => Ok(()),
        Some(unknown) => Err(ApiError::bad_request(json!(["unknown_field", unknown]))),
    }
}

/// The field `filter`.
pub(super) fn filter(fields: &Fields) -> Result<Filter, ApiError> {
    let filter = fields.object("filter")?;
    known(&filter, &["headers", "routing_key", "message_id", "death_reason", "older_than"])?;
    let is_there = |name| filter.get(name).is_some();
    let name = |name| is_there(name).then(|| filter.name(name)).transpose();
    Ok(Filter {
        headers: filter.table("headers")?,
        routing_key: name("routing_key")?,
        message_id: name("message_id")?,
        death_reason: is_there("death_reason").then(|| filter.text("death_reason")).transpose()?.map(str::to_owned),
        older_than: count(&filter, "older_than")?.map(Duration::from_millis),
    })
}

/// A number that is not negative.
pub(super) fn count(fields: &Fields, name: &str) -> Result<Option<u64>, ApiError> {
    let number = fields.integer(name)?.map(u64::try_from).transpose();
    number.map_err(|_| ApiError::bad_request(json!(["not_positive", name])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_knows_is_refused_and_nothing_means_all() {
        let parse = |text: &str| filter(&Fields::parse(text.as_bytes()).unwrap());
        assert_eq!(parse("{}"), Ok(Filter::default()));
        assert_eq!(parse(r#"{"filter": {}}"#), Ok(Filter::default()));
        let older = Filter { older_than: Some(Duration::from_millis(5)), ..Filter::default() };
        assert_eq!(parse(r#"{"filter": {"older_than": 5}}"#), Ok(older));
        for (text, reason) in [
            (r#"{"filter": {"rooting_key": "k"}}"#, json!(["unknown_field", "rooting_key"])),
            (r#"{"filter": {"older_than": -5}}"#, json!(["not_positive", "older_than"])),
            (r#"{"filter": 7}"#, json!(["not_map", "filter"])),
            (r#"{"filter": {"headers": "h"}}"#, json!(["not_map", "headers"])),
        ] {
            assert_eq!(parse(text), Err(ApiError::bad_request(reason)), "{text}");
        }
    }
}
