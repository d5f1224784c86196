//! Who the request comes from.

use axum::Json;
use axum::response::IntoResponse as _;
use serde_json::json;

use super::Answer;
use crate::http::caller::Caller;
use crate::http::json::of_name;

pub(in crate::http) async fn show(Caller(operator): Caller) -> Answer {
    let user = operator.user();
    Ok(Json(json!({ "name": of_name(&user.name), "tags": user.tags, "is_internal_user": true })).into_response())
}
