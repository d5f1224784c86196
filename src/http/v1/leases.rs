//! Ending leases and letting them go on, one by one or many at once.

use std::time::Duration;

use axum::Json;
use axum::response::IntoResponse as _;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Answer, failure};
use crate::http::api::empty;
use crate::http::body::JsonBody;
use crate::http::caller::Client;
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::names::Names;
use crate::node::admin::{LeaseEnd, Operator};

/// The longest lease, and the longest time that a message is put off: twelve hours, in seconds.
pub(super) const LONGEST: u64 = 12 * 60 * 60;

/// The most leases in a request.
const AT_ONCE: usize = 1000;

pub(super) async fn acknowledge(Client(operator): Client, Names([token]): Names<1>) -> Answer {
    one(&operator, &token.to_str_lossy(), LeaseEnd::Acknowledge)
}

pub(super) async fn give_back(
    Client(operator): Client,
    Names([token]): Names<1>,
    JsonBody { fields, .. }: JsonBody,
) -> Answer {
    one(&operator, &token.to_str_lossy(), nack(&fields)?)
}

pub(super) async fn extend(
    Client(operator): Client,
    Names([token]): Names<1>,
    JsonBody { fields, .. }: JsonBody,
) -> Answer {
    one(&operator, &token.to_str_lossy(), extension(&fields)?)
}

pub(super) async fn acknowledge_all(Client(operator): Client, JsonBody { fields, .. }: JsonBody) -> Answer {
    all(&operator, &fields, LeaseEnd::Acknowledge)
}

pub(super) async fn give_back_all(Client(operator): Client, JsonBody { fields, .. }: JsonBody) -> Answer {
    all(&operator, &fields, nack(&fields)?)
}

pub(super) async fn extend_all(Client(operator): Client, JsonBody { fields, .. }: JsonBody) -> Answer {
    all(&operator, &fields, extension(&fields)?)
}

fn one(operator: &Operator, token: &str, end: LeaseEnd) -> Answer {
    if operator.end_leases([token], end).is_empty() {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    Err(failure::no_lease())
}

/// Each for itself: the answer says of which there was none.
fn all(operator: &Operator, fields: &Fields, end: LeaseEnd) -> Answer {
    let bad = || ApiError::bad_request(format!("leases is a list of up to {AT_ONCE} tokens"));
    let Some(Value::Array(listed)) = fields.get("leases") else { return Err(bad()) };
    let tokens: Option<Vec<&str>> = listed.iter().map(Value::as_str).collect();
    let tokens = tokens.filter(|tokens| tokens.len() <= AT_ONCE).ok_or_else(bad)?;
    let count = tokens.len();
    let ended = tokio::task::block_in_place(|| operator.end_leases(tokens, end));
    Ok(Json(json!({ "done": count - ended.len(), "ended": ended })).into_response())
}

/// `{"requeue", "delay"}`: back to the queue, now or after so many seconds, unless it says otherwise.
fn nack(fields: &Fields) -> Result<LeaseEnd, ApiError> {
    let requeue = fields.get("requeue").is_none() || fields.flag("requeue")?;
    let delay = seconds(fields, "delay", 0)?;
    match (requeue, delay) {
        (true, delay) => Ok(LeaseEnd::Requeue(delay.unwrap_or_default())),
        (false, None | Some(Duration::ZERO)) => Ok(LeaseEnd::Reject),
        (false, Some(_)) => Err(ApiError::bad_request("delay goes with requeue")),
    }
}

fn extension(fields: &Fields) -> Result<LeaseEnd, ApiError> {
    fields.require(&["lease"])?;
    Ok(LeaseEnd::Extend(seconds(fields, "lease", 1)?.unwrap_or_default()))
}

fn seconds(fields: &Fields, name: &str, least: u64) -> Result<Option<Duration>, ApiError> {
    let Some(given) = fields.integer(name)? else { return Ok(None) };
    let seconds = u64::try_from(given).ok().filter(|seconds| (least..=LONGEST).contains(seconds));
    let bad = || ApiError::bad_request(format!("{name} is a number of seconds from {least} to {LONGEST}"));
    seconds.map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(bad)
}
