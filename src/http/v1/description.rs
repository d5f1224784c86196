//! The API's description, for tools and people; the one source of it is docs/openapi.json.

use axum::response::{IntoResponse as _, Response};
use hyper::header::CONTENT_TYPE;

const DESCRIPTION: &str = include_str!("../../../docs/openapi.json");

pub(super) async fn show() -> Response {
    ([(CONTENT_TYPE, "application/json")], DESCRIPTION).into_response()
}
