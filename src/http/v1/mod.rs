//! The jobs API: messages put into queues and taken out on leases, for applications that speak HTTP alone. Not RabbitMQ's.
//! docs/openapi.json describes it; `description` serves that.

mod description;
mod failure;
mod headers;
mod jobs;
mod leases;
mod messages;

use axum::routing::{delete, get, post};
use axum::{Router, response::Response};

use super::error::ApiError;
use super::routes::Routes;

/// What a handler ends in.
type Answer = Result<Response, ApiError>;

/// The API's paths.
pub(super) fn routes() -> Routes {
    Router::new()
        .route("/v1/openapi.json", get(description::show))
        .route(
            "/v1/queues/{vhost}/{queue}/messages",
            get(messages::take).head(messages::refuse).post(messages::publish),
        )
        .route("/v1/queues/{vhost}/{queue}/jobs/{message_id}", get(jobs::show))
        .route("/v1/leases", axum::routing::patch(leases::extend_all))
        .route("/v1/leases/ack", post(leases::acknowledge_all))
        .route("/v1/leases/nack", post(leases::give_back_all))
        .route("/v1/leases/{token}", delete(leases::acknowledge).patch(leases::extend))
        .route("/v1/leases/{token}/nack", post(leases::give_back))
}
