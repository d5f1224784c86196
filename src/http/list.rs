//! Lists: sorted, filtered by name, a page of them, some columns, as the request asks.

use std::cmp::Ordering;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use regex::RegexBuilder;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::names::Asked;

/// Items of a page when the request does not say.
const PAGE_SIZE: usize = 100;

/// The most items of a page (RabbitMQ).
const PAGE_SIZE_LIMIT: usize = 500;

/// The longest regular expression to filter names with, in bytes.
const REGEX_LIMIT: usize = 1024;

/// Memory for a compiled expression, in bytes: users write them.
const REGEX_SIZE: usize = 1 << 20;

/// The answer to a request for a list.
pub(super) fn answer(mut items: Vec<Value>, asked: &Asked) -> Result<Response, ApiError> {
    if let Some(field) = asked.get("sort") {
        items.sort_by(|one, other| compare(at(one, field), at(other, field)));
        if asked.is("sort_reverse") {
            items.reverse();
        }
    }
    let Some(page) = page(asked)? else {
        keep_columns(&mut items, asked);
        return Ok(Json(Value::Array(items)).into_response());
    };
    let total = items.len();
    filter(&mut items, asked);
    let filtered = items.len();
    let page_count = filtered.div_ceil(page.size);
    if page.number > page_count.max(1) {
        let Page { number, size } = page;
        let text = format!("Page out of range, page: {number} page size: {size}, len: {filtered}");
        return Err(ApiError::bad_page("page_out_of_range", text));
    }
    let first = (page.number - 1).saturating_mul(page.size);
    let mut items: Vec<_> = items.into_iter().skip(first).take(page.size).collect();
    keep_columns(&mut items, asked);
    let answer = json!({
        "total_count": total, "filtered_count": filtered, "item_count": items.len(), "page": page.number,
        "page_count": page_count, "page_size": page.size, "items": items,
    });
    Ok(Json(answer).into_response())
}

/// The answer to a request for one object: as much of it as is asked for.
pub(super) fn one(item: Value, asked: &Asked) -> Response {
    let mut items = [item];
    keep_columns(&mut items, asked);
    let [item] = items;
    Json(item).into_response()
}

#[derive(Clone, Copy)]
struct Page {
    number: usize,
    size: usize,
}

fn page(asked: &Asked) -> Result<Option<Page>, ApiError> {
    let Some(number) = asked.get("page") else { return Ok(None) };
    let invalid = || ApiError::bad_request("Pagination parameters are invalid");
    let given = asked.get("page_size");
    let number: usize = number.parse().map_err(|_| invalid())?;
    let size: usize = given.map_or(Ok(PAGE_SIZE), str::parse).map_err(|_| invalid())?;
    if number == 0 || !(1..=PAGE_SIZE_LIMIT).contains(&size) {
        let size = given.unwrap_or("undefined");
        let text = format!("Invalid pagination parameters: page number {number}, page size {size}");
        return Err(ApiError::bad_page("invalid_pagination_parameters", text));
    }
    Ok(Some(Page { number, size }))
}

/// Keeps the items whose name has the text in it, or fits the expression; letters of either case are the same. An
/// expression that is none fits nothing (RabbitMQ).
fn filter(items: &mut Vec<Value>, asked: &Asked) {
    let Some(wanted) = asked.get("name").filter(|wanted| !wanted.is_empty()) else { return };
    let name = |item: &Value| item.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !asked.is("use_regex") {
        let wanted = wanted.to_lowercase();
        return items.retain(|item| name(item).to_lowercase().contains(&wanted));
    }
    let short = wanted.len() <= REGEX_LIMIT;
    let built = RegexBuilder::new(wanted).case_insensitive(true).size_limit(REGEX_SIZE).build();
    match built {
        Ok(regex) if short => items.retain(|item| regex.is_match(&name(item))),
        Ok(_) | Err(_) => items.clear(),
    }
}

/// A field, or a field of a field: `arguments.x-max-length`.
fn at<'a>(item: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(item, |item, field| item.get(field))
}

/// Numbers before texts, nothing as 0.
fn compare(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    const ZERO: Value = Value::Bool(false);
    let (one, other) = (one.unwrap_or(&ZERO), other.unwrap_or(&ZERO));
    if let (Some(one), Some(other)) = (one.as_str(), other.as_str()) {
        return one.cmp(other);
    }
    let rank = |value: &Value| value.is_string();
    rank(one).cmp(&rank(other)).then_with(|| number(one).total_cmp(&number(other)))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| f64::from(u8::from(value.as_bool().unwrap_or(false))))
}

fn keep_columns(items: &mut [Value], asked: &Asked) {
    let Some(columns) = asked.get("columns").filter(|columns| !columns.is_empty()) else { return };
    let columns: Vec<&str> = columns.split(',').collect();
    for item in items {
        let mut kept = Value::Object(Map::new());
        for column in &columns {
            copy(item, &mut kept, column);
        }
        *item = kept;
    }
}

/// Copies what is at the path, if there is something.
fn copy(from: &Value, to: &mut Value, path: &str) {
    let (field, rest) = path.split_once('.').map_or((path, None), |(field, rest)| (field, Some(rest)));
    let (Some(found), Some(target)) = (from.get(field), to.as_object_mut()) else { return };
    match rest {
        Some(rest) if found.is_object() => {
            copy(found, target.entry(field).or_insert_with(|| Value::Object(Map::new())), rest);
        }
        Some(_) => {}
        None => {
            target.insert(field.to_owned(), found.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> Vec<Value> {
        ["b", "a", "C"]
            .iter()
            .zip([1, 10, 2])
            .map(|(name, n)| json!({ "name": name, "n": n, "d": { "r": n } }))
            .collect()
    }

    async fn asked(pairs: &[(&str, &str)]) -> Value {
        let response = answer(items(), &Asked::of(pairs)).unwrap();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn sorts_by_numbers_texts_and_fields_of_fields() {
        assert_eq!(
            asked(&[("sort", "name"), ("columns", "name")]).await,
            json!([{"name":"C"},{"name":"a"},{"name":"b"}])
        );
        let by_rate = asked(&[("sort", "d.r"), ("sort_reverse", "true"), ("columns", "d.r,none")]).await;
        assert_eq!(by_rate, json!([{"d":{"r":10}},{"d":{"r":2}},{"d":{"r":1}}]));
    }

    #[tokio::test]
    async fn a_page_tells_how_many_there_are() {
        let page = asked(&[("page", "2"), ("page_size", "2"), ("columns", "name")]).await;
        let expected = json!({
            "total_count": 3, "filtered_count": 3, "item_count": 1, "page": 2, "page_count": 2, "page_size": 2,
            "items": [{ "name": "C" }],
        });
        assert_eq!(page, expected);
        let named = asked(&[("page", "1"), ("name", "^[bc]$"), ("use_regex", "true"), ("columns", "name")]).await;
        assert_eq!(named["items"], json!([{ "name": "b" }, { "name": "C" }]));
        assert_eq!(asked(&[("page", "1"), ("name", "("), ("use_regex", "true")]).await["items"], json!([]));
    }

    #[test]
    fn pages_that_cannot_be_are_refused_in_rabbitmqs_words() {
        let refused = |pairs: &[(&str, &str)]| answer(items(), &Asked::of(pairs)).unwrap_err();
        let text = "Page out of range, page: 2 page size: 100, len: 3".to_owned();
        assert_eq!(refused(&[("page", "2")]), ApiError::bad_page("page_out_of_range", text));
        let text = "Invalid pagination parameters: page number 1, page size 501".to_owned();
        let invalid = ApiError::bad_page("invalid_pagination_parameters", text);
        assert_eq!(refused(&[("page", "1"), ("page_size", "501")]), invalid);
        assert_eq!(refused(&[("page", "x")]), ApiError::bad_request("Pagination parameters are invalid"));
    }
}
