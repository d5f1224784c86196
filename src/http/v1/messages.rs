//! Putting messages into a queue and taking them out on leases.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, LOCATION, X_CONTENT_TYPE_OPTIONS};
use hyper::{StatusCode, Uri};
use leveret_protocol::{ContentHeader, FieldTable, Properties, ShortString};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::{Answer, failure, headers, leases};
use crate::http::api::{empty, properties};
use crate::http::body::{Raw, held_until_sent, take_room};
use crate::http::caller::Client;
use crate::http::error::ApiError;
use crate::http::names::{Asked, Names};
use crate::http::routes::App;
use crate::node::admin::{GetLimits, Leased, Target};

/// How long a lease is where nobody says, in seconds.
const USUAL_LEASE: u64 = 30;

/// The longest that a request waits for a message, in seconds: less than any request may take.
const LONGEST_WAIT: u64 = 50;

/// The most messages that one request takes.
const MOST: u64 = 100;

/// Bytes of messages after which a request takes no further one.
const MOST_BYTES: usize = 4 << 20;

/// What memory a message is reckoned with while it is not known. Larger ones are taken one at a time.
const ROOM: usize = 256 * 1024;

pub(super) async fn publish(
    Client(operator): Client,
    Names([vhost, queue]): Names<2>,
    uri: Uri,
    given: HeaderMap,
    Raw { bytes, room: _room }: Raw,
) -> Answer {
    let access = operator.enter(&vhost).map_err(failure::of_vhost)?;
    let target = access.target(&queue).map_err(|error| failure::of_channel(&error))?;
    let properties = complete(headers::parse(&given)?, &target)?;
    let id = properties.message_id.clone().unwrap_or_default();
    let position = access.enqueue(&queue, properties, &bytes).map_err(|error| failure::of_publish(&error))?;
    drop(bytes);
    let mut response = Json(json!({ "id": id.to_str_lossy() })).into_response();
    if let Some(location) = location(&uri, &id) {
        response.headers_mut().insert(LOCATION, location);
    }
    if prefers_not_to_wait(&given) {
        *response.status_mut() = StatusCode::ACCEPTED;
        response.headers_mut().insert("preference-applied", HeaderValue::from_static("respond-async"));
        return Ok(response);
    }
    access.durable(position).await;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// The properties of a message with what it needs and nobody gave.
fn complete(asked: headers::Asked, target: &Target) -> Result<Properties, ApiError> {
    let headers::Asked { mut properties, persistent, delay } = asked;
    let persistent = persistent.unwrap_or(target.durable);
    properties.delivery_mode = Some(if persistent { 2 } else { 1 });
    if properties.message_id.as_ref().is_none_or(ShortString::is_empty) {
        properties.message_id = Some(target.new_message_id());
    }
    if let Some(delay) = delay {
        let held_by = target.held_until_header.as_ref().ok_or_else(|| {
            ApiError::bad_request("the queue holds no messages back: it has to be declared with x-hold-until-header")
        })?;
        let until = target.now_ms.saturating_add(delay);
        let headers = properties.headers.get_or_insert_with(FieldTable::new);
        headers.insert(&held_by.to_str_lossy(), i64::try_from(until).unwrap_or(i64::MAX));
    }
    Ok(properties)
}

/// RFC 7240.
fn prefers_not_to_wait(headers: &HeaderMap) -> bool {
    let given = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    given
        .flat_map(|value| value.split([',', ';']))
        .any(|preference| preference.trim().eq_ignore_ascii_case("respond-async"))
}

/// Where the job is to be asked after: beside the messages of its queue, whose path is percent-encoded as it came.
fn location(uri: &Uri, id: &ShortString) -> Option<HeaderValue> {
    use std::fmt::Write as _;
    let queue = uri.path().strip_suffix("/messages")?;
    let mut path = format!("{queue}/jobs/");
    for octet in id.as_bytes() {
        if octet.is_ascii_alphanumeric() || b"-_.~".contains(octet) {
            path.push(char::from(*octet));
        } else {
            write!(path, "%{octet:02X}").ok()?;
        }
    }
    HeaderValue::from_str(&path).ok()
}

pub(super) async fn take(
    State(shared): App,
    Client(operator): Client,
    Names([vhost, queue]): Names<2>,
    asked: Asked,
) -> Answer {
    let access = operator.enter(&vhost).map_err(failure::of_vhost)?;
    let wait = Duration::from_secs(number(&asked, "wait", 0, LONGEST_WAIT)?.unwrap_or(0));
    let lease = number(&asked, "lease", 1, leases::LONGEST)?.unwrap_or(USUAL_LEASE);
    let most = number(&asked, "max", 1, MOST)?.unwrap_or(1);
    let limits = GetLimits { count: usize::try_from(most).unwrap_or(1), bytes: MOST_BYTES };
    let taken = access.lease(&queue, limits, Duration::from_secs(lease), wait).await;
    let taken = taken.map_err(|error| failure::of_lease(&error))?;
    if taken.is_empty() {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    // Whoever gets no room in time has its messages come back when their leases end.
    let room = take_room(&shared.room, ROOM.max(taken.iter().map(|leased| leased.message.cost()).sum())).await?;
    if most > 1 {
        let shown = || taken.iter().map(|leased| show(leased, lease)).collect::<Vec<_>>();
        let response = tokio::task::block_in_place(|| Json(json!({ "messages": shown() })).into_response());
        return Ok(held_until_sent(response, room));
    }
    let Some(leased) = taken.first() else { return Ok(empty(StatusCode::NO_CONTENT)) };
    Ok(alone(leased, lease, room))
}

/// HEAD would take a message and throw it away.
pub(super) async fn refuse() -> Response {
    empty(StatusCode::METHOD_NOT_ALLOWED)
}

/// A message as it is.
fn alone(leased: &Leased, lease: u64, room: OwnedSemaphorePermit) -> Response {
    let mut response = Response::new(Body::from(leased.message.body().to_vec()));
    *response.headers_mut() = headers::show(&properties_of(leased));
    let headers = response.headers_mut();
    if let Ok(token) = HeaderValue::from_str(&leased.token) {
        headers.insert("x-leveret-lease", token);
    }
    // A browser that is led here must not run what somebody put into a queue.
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("x-leveret-lease-seconds", lease.into());
    headers
        .insert("x-leveret-redelivered", HeaderValue::from_static(if leased.redelivered { "true" } else { "false" }));
    held_until_sent(response, room)
}

/// A message of several.
fn show(leased: &Leased, lease: u64) -> Value {
    json!({
        "lease": leased.token, "lease_seconds": lease, "redelivered": leased.redelivered,
        "exchange": String::from_utf8_lossy(leased.message.exchange()),
        "routing_key": String::from_utf8_lossy(leased.message.routing_key()),
        "properties": properties::show(&properties_of(leased)), "body": STANDARD.encode(leased.message.body()),
    })
}

fn properties_of(leased: &Leased) -> Properties {
    ContentHeader::decode(leased.message.header()).map(|header| header.properties).unwrap_or_default()
}

/// A number that may be asked for behind `?`.
fn number(asked: &Asked, name: &str, least: u64, most: u64) -> Result<Option<u64>, ApiError> {
    let Some(given) = asked.get(name) else { return Ok(None) };
    let number = given.parse().ok().filter(|number| (least..=most).contains(number));
    number.map(Some).ok_or_else(|| ApiError::bad_request(format!("{name} is a number from {least} to {most}")))
}
