//! A request's body: a JSON object within bounds. All bodies together have a bound, too, and nobody's body is read who
//! is not logged in.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::header::CONTENT_LENGTH;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;
use super::fields::Fields;
use super::server::Shared;

/// The largest body, in bytes (RabbitMQ: `management.http.max_body_size`).
const LIMIT: usize = 10_000_000;

/// Reading a body of more bytes takes a while.
const QUICK: usize = 64 * 1024;

/// Bodies of all requests together, and messages that are about to be sent: so many KiB.
pub(super) const ROOM_KIB: usize = 64 * 1024;

/// A body read as a JSON object. Nothing, and `null`, stand for an empty one.
#[derive(Debug)]
pub(super) struct JsonBody {
    pub(super) fields: Fields,
    /// The body's share of the room, to be kept as long as anything of it is.
    pub(super) room: OwnedSemaphorePermit,
}

impl FromRequest<Arc<Shared>> for JsonBody {
    type Rejection = ApiError;

    /// Comes last among a handler's arguments, and so after `Caller` has let the request in.
    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, ApiError> {
        let (bytes, room) = read_within(request, shared).await?;
        let fields = if bytes.len() > QUICK {
            tokio::task::block_in_place(|| Fields::parse(&bytes))
        } else {
            Fields::parse(&bytes)
        };
        Ok(Self { fields: fields?, room })
    }
}

/// A body as it is.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) bytes: Bytes,
    /// The body's share of the room, to be kept as long as anything of it is.
    pub(super) room: OwnedSemaphorePermit,
}

impl FromRequest<Arc<Shared>> for Raw {
    type Rejection = ApiError;

    /// Comes last, as `JsonBody` does.
    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, ApiError> {
        let (bytes, room) = read_within(request, shared).await?;
        Ok(Self { bytes, room })
    }
}

async fn read_within(request: Request, shared: &Shared) -> Result<(Bytes, OwnedSemaphorePermit), ApiError> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let length: usize = announced.unwrap_or(LIMIT);
    if length > LIMIT {
        return Err(too_large());
    }
    let room = take_room(&shared.room, length).await?;
    Ok((read(request.into_body()).await?, room))
}

/// The answer, which keeps its share of the room until the client has taken it.
pub(super) fn held_until_sent(response: Response, room: OwnedSemaphorePermit) -> Response {
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _held = &room;
            frame
        }))
    })
}

/// Waits for so much of the room; the request's own time bounds it.
pub(super) async fn take_room(room: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
    let kibibytes = u32::try_from(bytes.div_ceil(1024).clamp(1, ROOM_KIB)).unwrap_or(1);
    // It is never closed.
    Arc::clone(room).acquire_many_owned(kibibytes).await.map_err(|_| ApiError::too_slow())
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(ApiError::bad_request("The body cannot be read")),
    }
}

/// RabbitMQ's text.
fn too_large() -> ApiError {
    ApiError::bad_request("Exceeded HTTP request body size limit")
}
