//! What became of a message, by its message-id.

use axum::Json;
use axum::response::IntoResponse as _;
use serde_json::json;

use super::{Answer, failure};
use crate::http::caller::Client;
use crate::http::error::ApiError;
use crate::http::json::of_name;
use crate::http::names::Names;

pub(super) async fn show(Client(operator): Client, Names([vhost, queue, id]): Names<3>) -> Answer {
    let access = operator.enter(&vhost).map_err(failure::of_vhost)?;
    let (status, tracks) = access.job(&queue, &id).map_err(|error| failure::of_channel(&error))?;
    if !tracks {
        return Err(ApiError::missing("the queue keeps no track of its messages: declare it with x-track-status"));
    }
    let status = status.ok_or_else(|| ApiError::missing("no such job is known, or not any more"))?;
    let since = status.since.as_millis();
    Ok(Json(json!({ "id": of_name(&id), "status": status.state.name(), "since": since })).into_response())
}
