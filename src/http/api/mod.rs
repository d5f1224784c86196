//! One file per resource. A handler takes a request apart, asks `node::admin`, and puts the answer together.

pub(super) mod bindings;
pub(super) mod channels;
pub(super) mod connections;
pub(super) mod consumers;
pub(super) mod contents;
pub(super) mod deliveries;
pub(super) mod exchanges;
pub(super) mod health;
pub(super) mod messages;
pub(super) mod moves;
pub(super) mod nodes;
pub(super) mod overview;
pub(super) mod policies;
pub(super) mod properties;
mod properties_key;
pub(super) mod queues;
pub(super) mod scheduled;
pub(super) mod vhosts;
pub(super) mod whoami;

use axum::response::Response;
use hyper::StatusCode;

use super::error::ApiError;

/// What a handler ends in.
type Answer = Result<Response, ApiError>;

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// The answer to a declaration.
fn declared(new: bool) -> Response {
    empty(if new { StatusCode::CREATED } else { StatusCode::NO_CONTENT })
}
