//! The one table of routes, and what holds for all of them: a time for each request, headers, and answers to what is not
//! there.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, patch, post, put};
use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Method, StatusCode};

use super::api::{
    bindings, channels, connections, consumers, contents, deliveries, exchanges, health, messages, moves, nodes,
    overview, policies, queues, scheduled, vhosts, whoami,
};
use super::error::ApiError;
use super::server::Shared;
use super::{origin, v1};

/// Time for a request, its body included.
const PATIENCE: Duration = Duration::from_secs(60);

/// What handlers get at.
pub(super) type App = State<Arc<Shared>>;

/// Every path with its handlers; `{...}` is one segment, percent-encoded.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(node_routes())
        .merge(health_routes())
        .merge(vhost_routes())
        .merge(message_routes())
        .merge(policy_routes())
        .merge(connection_routes())
        .merge(v1::routes())
        .fallback(async || ApiError::not_found())
        .layer(from_fn_with_state(Arc::clone(&shared), around))
        .with_state(shared)
}

/// Some of the paths.
pub(super) type Routes = Router<Arc<Shared>>;

fn node_routes() -> Routes {
    Router::new()
        .route("/api/overview", get(overview::show))
        .route("/api/cluster-name", get(overview::cluster_name))
        .route("/api/version", get(overview::version))
        .route("/api/extensions", get(overview::extensions))
        .route("/api/whoami", get(whoami::show))
        .route("/api/nodes", get(nodes::list))
        .route("/api/nodes/{node}", get(nodes::show))
        .route("/api/nodes/{node}/memory", get(nodes::memory))
        .route("/api/nodes/{node}/vm_memory_high_watermark", put(nodes::set_memory_limit))
        .route("/api/nodes/{node}/disk_free_limit", put(nodes::set_disk_limit))
}

fn health_routes() -> Routes {
    Router::new()
        .route("/api/aliveness-test/{vhost}", get(health::aliveness))
        .route("/api/health/checks/alarms", get(health::alarms))
        .route("/api/health/checks/local-alarms", get(health::local_alarms))
        .route("/api/health/checks/virtual-hosts", get(health::all_is_well))
        .route("/api/health/checks/node-is-quorum-critical", get(health::single_node))
        .route("/api/health/checks/certificate-expiration/{within}/{unit}", get(health::all_is_well))
        .route("/api/health/checks/port-listener/{port}", get(health::port_listener))
        .route("/api/health/checks/protocol-listener/{protocol}", get(health::protocol_listener))
        .route("/api/health/checks/ready-to-serve-clients", get(health::in_service))
        .route("/api/health/checks/is-in-service", get(health::in_service))
        .route("/api/health/checks/below-node-connection-limit", get(health::connection_limit))
}

fn vhost_routes() -> Routes {
    Router::new()
        .route("/api/vhosts", get(vhosts::list))
        .route("/api/vhosts/{vhost}", get(vhosts::show).put(vhosts::change))
        .route("/api/exchanges", get(exchanges::list_all))
        .route("/api/exchanges/{vhost}", get(exchanges::list))
        .route(
            "/api/exchanges/{vhost}/{exchange}",
            get(exchanges::show).put(exchanges::declare).delete(exchanges::remove),
        )
        .route("/api/exchanges/{vhost}/{exchange}/publish", post(messages::publish))
        .route("/api/exchanges/{vhost}/{exchange}/bindings/source", get(bindings::list_from))
        .route("/api/exchanges/{vhost}/{exchange}/bindings/destination", get(bindings::list_to_exchange))
        .route("/api/exchanges/{vhost}/{exchange}/scheduled", get(scheduled::list))
        .route("/api/exchanges/{vhost}/{exchange}/scheduled/{message_id}", delete(scheduled::cancel))
        .route("/api/queues/{vhost}/{queue}/scheduled", get(scheduled::list))
        .route("/api/queues/{vhost}/{queue}/scheduled/{message_id}", delete(scheduled::cancel))
        .route("/api/queues", get(queues::list_all))
        .route("/api/queues/{vhost}", get(queues::list))
        .route("/api/queues/{vhost}/{queue}", get(queues::show).put(queues::declare).delete(queues::remove))
        .route("/api/queues/{vhost}/{queue}/contents", delete(queues::purge))
        .route("/api/queues/{vhost}/{queue}/get", post(messages::get))
        .route("/api/queues/{vhost}/{queue}/bindings", get(bindings::list_to_queue))
        .route("/api/bindings", get(bindings::list_all))
        .route("/api/bindings/{vhost}", get(bindings::list))
        .route(
            "/api/bindings/{vhost}/e/{source}/{kind}/{destination}",
            get(bindings::list_between).post(bindings::create),
        )
        .route(
            "/api/bindings/{vhost}/e/{source}/{kind}/{destination}/{properties_key}",
            get(bindings::show).delete(bindings::remove),
        )
        .route("/api/consumers", get(consumers::list_all))
        .route("/api/consumers/{vhost}", get(consumers::list))
}

fn message_routes() -> Routes {
    Router::new()
        .route("/api/queues/{vhost}/{queue}/deliveries", get(deliveries::list))
        .route("/api/queues/{vhost}/{queue}/deliveries/{id}", patch(deliveries::extend))
        .route("/api/queues/{vhost}/{queue}/messages", get(contents::list))
        .route("/api/queues/{vhost}/{queue}/messages/{id}", delete(contents::remove))
        .route("/api/queues/{vhost}/{queue}/purge", post(contents::purge))
        .route("/api/queues/{vhost}/{queue}/move", post(moves::start))
        .route("/api/queues/{vhost}/{queue}/redrive", post(moves::redrive))
        .route("/api/moves", get(moves::list_all))
        .route("/api/moves/{vhost}", get(moves::list))
        .route("/api/moves/{vhost}/{id}", get(moves::show).delete(moves::cancel))
}

fn policy_routes() -> Routes {
    let mut routes = Router::new();
    for kind in ["policies", "operator-policies"] {
        routes = routes
            .route(&format!("/api/{kind}"), get(policies::list_all))
            .route(&format!("/api/{kind}/{{vhost}}"), get(policies::list))
            .route(
                &format!("/api/{kind}/{{vhost}}/{{policy}}"),
                get(policies::show).put(policies::set).delete(policies::clear),
            );
    }
    routes
}

fn connection_routes() -> Routes {
    Router::new()
        .route("/api/connections", get(connections::list_all))
        .route("/api/connections/{connection}", get(connections::show).delete(connections::close))
        .route("/api/connections/{connection}/channels", get(channels::list_of_connection))
        .route("/api/vhosts/{vhost}/connections", get(connections::list_in_vhost))
        .route("/api/channels", get(channels::list_all))
        .route("/api/channels/{channel}", get(channels::show))
        .route("/api/vhosts/{vhost}/channels", get(channels::list_in_vhost))
}

async fn around(State(shared): App, request: Request, next: Next) -> Response {
    let allowed = match origin::check(&request, &shared.allowed_origins) {
        Ok(allowed) => allowed,
        Err(refused) => return refused.into_response(),
    };
    let is_options = *request.method() == Method::OPTIONS;
    let Ok(mut response) = tokio::time::timeout(PATIENCE, next.run(request)).await else {
        return ApiError::too_slow().into_response();
    };
    // The list of methods, which goes with it, is what OPTIONS asks for.
    if is_options && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        *response.status_mut() = StatusCode::OK;
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Some(allowed) = allowed {
        allowed.tell(&mut response);
    }
    response
}
