//! Ready messages of a queue, looked at and removed. No resource of RabbitMQ's.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse as _;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::messages::Form;
use super::{Answer, empty};
use crate::broker::ids::SequenceNumber;
use crate::broker::queue::Spot;
use crate::http::body::{JsonBody, held_until_sent, take_room};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::names::{Asked, Names};
use crate::http::routes::App;
use crate::http::wanted;
use crate::node::admin::{Filter, PeekLimits, Peeked};

/// The most messages of one request, and bytes of them after which there are no more.
const MOST: usize = 1000;
const BYTES: usize = 16 << 20;

/// Messages where nobody says how many.
const USUAL: usize = 100;

pub(in crate::http) async fn list(
    State(shared): App,
    caller: Caller,
    Names([vhost, queue]): Names<2>,
    asked: Asked,
) -> Answer {
    let number = |name: &str, usual: usize| {
        let given = asked.get(name).map(|text| text.parse::<usize>());
        given
            .transpose()
            .map(|given| given.unwrap_or(usual))
            .map_err(|_| ApiError::bad_request(json!(["not_int", name])))
    };
    let limits = PeekLimits { offset: number("offset", 0)?, count: number("count", USUAL)?.min(MOST), bytes: BYTES };
    let form = Form { base64: asked.get("encoding") == Some("base64"), truncate: number("truncate", usize::MAX)? };
    let bad = || ApiError::bad_request("after is what a page before said is next");
    let after = asked.get("after").map(|text| spot(text).ok_or_else(bad)).transpose()?;
    let access = caller.enter_to_change(&vhost)?;
    let room = take_room(&shared.room, BYTES).await?;
    let page = access.peek(&queue, after, limits).await;
    let page = page.map_err(|error| ApiError::of_channel(&error, "queue_not_found"))?;
    let response = tokio::task::block_in_place(|| {
        let items: Vec<_> = page.messages.iter().map(|peeked| describe(&form, peeked)).collect();
        Json(json!({ "items": items, "next": page.next.map(token) })).into_response()
    });
    Ok(held_until_sent(response, room))
}

pub(in crate::http) async fn remove(caller: Caller, Names([vhost, queue, id]): Names<3>, asked: Asked) -> Answer {
    let access = caller.enter_to_change(&vhost)?;
    if asked.get("by") == Some("message_id") {
        let filter = Filter { message_id: Some(id), ..Filter::default() };
        let limit = (!asked.is("all")).then_some(1);
        let removed = access.remove_messages(&queue, filter, limit).await?;
        if removed.count == 0 {
            return Err(ApiError::not_found());
        }
        return Ok(Json(json!({ "removed": removed.count, "complete": removed.complete })).into_response());
    }
    let sequence = id.to_str_lossy().parse().map_err(|_| ApiError::not_found())?;
    if !access.remove_message(&queue, SequenceNumber(sequence)).await? {
        return Err(ApiError::not_found());
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

pub(in crate::http) async fn purge(
    caller: Caller,
    Names([vhost, queue]): Names<2>,
    JsonBody { fields, .. }: JsonBody,
) -> Answer {
    let access = caller.enter_to_change(&vhost)?;
    wanted::known(&fields, &["filter", "limit"])?;
    let removed = access.remove_messages(&queue, wanted::filter(&fields)?, wanted::count(&fields, "limit")?).await?;
    Ok(Json(json!({ "removed": removed.count, "complete": removed.complete })).into_response())
}

fn describe(form: &Form, peeked: &Peeked) -> Value {
    let mut shown = form.show(&peeked.message, peeked.redelivered);
    // A number may be larger than those that JavaScript knows.
    shown.insert("id".to_owned(), json!(peeked.sequence.0.to_string()));
    shown.insert("arrived".to_owned(), json!(peeked.message.arrived().as_millis()));
    shown.into()
}

/// A spot as one word.
fn token(spot: Spot) -> String {
    format!("{}-{}-{}", spot.lane, u8::from(spot.in_turn), spot.number)
}

fn spot(token: &str) -> Option<Spot> {
    let mut parts = token.split('-');
    let (lane, in_turn, number) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Spot { lane: lane.parse().ok()?, in_turn: in_turn == "1", number: number.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spot_leads_there_and_back_as_one_word() {
        for spot_there in
            [Spot { lane: 0, in_turn: true, number: 7 }, Spot { lane: 255, in_turn: false, number: u64::MAX }]
        {
            assert_eq!(spot(&token(spot_there)), Some(spot_there));
        }
        assert_eq!((spot(""), spot("1-1"), spot("256-1-1"), spot("1-1-x")), (None, None, None, None));
    }
}
