//! Messages that wait in exchanges and queues for their time: listed page by page, and ended by message-id. No resource of
//! RabbitMQ's.

use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::IntoResponse as _;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::Answer;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::json::of_name;
use crate::http::names::{self, Asked, Names};
use crate::http::server::Shared;
use crate::node::{ScheduledMessage, Turn, WaitingIn};

/// The most messages on a page.
const PAGE: usize = 1000;

/// Messages on a page where nobody says how many.
const USUAL_PAGE: usize = 100;

/// Whether the path is about an exchange.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct InExchange(bool);

impl FromRequestParts<Arc<Shared>> for InExchange {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shared>) -> Result<Self, ApiError> {
        Ok(Self(parts.uri.path().starts_with("/api/exchanges/")))
    }
}

pub(in crate::http) async fn list(
    caller: Caller,
    InExchange(in_exchange): InExchange,
    Names([vhost, name]): Names<2>,
    asked: Asked,
) -> Answer {
    let name = if in_exchange { names::exchange(name) } else { name };
    let place = if in_exchange { WaitingIn::Exchange(&name) } else { WaitingIn::Queue(&name) };
    let bad = || ApiError::bad_request("count is a number from 1 on, after what a page before said is next");
    let after = asked.get("after").map(|text| turn(text).ok_or_else(bad)).transpose()?;
    let count = asked.get("count").map(|text| text.parse().map_err(|_| bad())).transpose()?.unwrap_or(USUAL_PAGE);
    let page = caller.enter(&vhost)?.scheduled(place, after, count.clamp(1, PAGE))?;
    let next = page.messages.last().map(|last| token(last.turn));
    let items: Vec<_> = page.messages.iter().map(describe).collect();
    Ok(Json(json!({ "items": items, "total": page.total, "unread": page.unread, "next": next })).into_response())
}

pub(in crate::http) async fn cancel(
    caller: Caller,
    InExchange(in_exchange): InExchange,
    Names([vhost, name, message_id]): Names<3>,
    asked: Asked,
) -> Answer {
    let name = if in_exchange { names::exchange(name) } else { name };
    let place = if in_exchange { WaitingIn::Exchange(&name) } else { WaitingIn::Queue(&name) };
    match caller.enter(&vhost)?.cancel_scheduled(place, &message_id, asked.is("all"))? {
        0 => Err(ApiError::not_found()),
        cancelled => Ok(Json(json!({ "cancelled": cancelled })).into_response()),
    }
}

fn describe(message: &ScheduledMessage) -> Value {
    json!({
        "message_id": message.message_id.as_ref().map(of_name), "due": message.due.as_millis(),
        "exchange": of_name(&message.exchange), "routing_key": of_name(&message.routing_key),
        "payload_bytes": message.bytes,
    })
}

fn token(turn: Turn) -> String {
    let (due, sequence) = turn.parts();
    format!("{due}-{sequence}")
}

fn turn(token: &str) -> Option<Turn> {
    let (due, sequence) = token.split_once('-')?;
    Some(Turn::from_parts(due.parse().ok()?, sequence.parse().ok()?))
}
