//! The node at a glance. Only what the node knows: rates and histories are for Prometheus.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use super::Answer;
use crate::broker::exchange::ExchangeType;
use crate::http::caller::Caller;
use crate::http::list;
use crate::http::names::Asked;
use crate::http::routes::App;
use crate::http::server::Shared;
use crate::node::admin::Role;

pub(in crate::http) async fn show(State(shared): App, Caller(operator): Caller, asked: Asked) -> Answer {
    let settings = &shared.node.settings;
    let totals = tokio::task::block_in_place(|| operator.totals());
    let connections = operator.connections().await;
    let channels: usize = connections.iter().map(|connection| connection.description.channels.len()).sum();
    let mut overview = json!({
        "management_version": settings.version, "product_name": settings.product, "product_version": settings.version,
        "rabbitmq_version": settings.version, "leveret_version": env!("CARGO_PKG_VERSION"),
        "cluster_name": settings.cluster_name, "cluster_tags": {}, "node_tags": {},
        "rates_mode": "none", "disable_stats": false, "enable_queue_totals": true,
        "default_queue_type": "classic", "is_op_policy_updating_enabled": false,
        "exchange_types": exchange_types(),
        "message_stats": {}, "churn_rates": {}, "statistics_db_event_queue": 0,
        "queue_totals": {
            "messages": totals.ready + totals.unacked, "messages_ready": totals.ready,
            "messages_unacknowledged": totals.unacked,
        },
        "object_totals": {
            "connections": connections.len(), "channels": channels, "exchanges": totals.exchanges,
            "queues": totals.queues, "consumers": totals.consumers,
        },
    });
    if operator.is(Role::Monitoring)
        && let Some(overview) = overview.as_object_mut()
    {
        overview.insert("node".to_owned(), settings.cluster_name.clone().into());
        overview.insert("listeners".to_owned(), listeners(&shared).into());
        let context = json!({
            "node": settings.cluster_name, "description": "Leveret Management", "path": "/",
            "ip": shared.http.ip(), "port": shared.http.port().to_string(),
        });
        overview.insert("contexts".to_owned(), json!([context]));
    }
    Ok(list::one(overview, &asked))
}

pub(in crate::http) async fn cluster_name(State(shared): App, _: Caller) -> Answer {
    Ok(Json(json!({ "name": shared.node.settings.cluster_name })).into_response())
}

/// Asked by load balancers that have no credentials.
pub(in crate::http) async fn version(State(shared): App) -> Answer {
    Ok(Json(json!(shared.node.settings.version)).into_response())
}

pub(in crate::http) async fn extensions(_: Caller) -> Answer {
    Ok(Json(json!([])).into_response())
}

/// The exchange types, as overview and nodes show them.
pub(super) fn exchange_types() -> Vec<Value> {
    let show = |kind: &ExchangeType| json!({ "name": kind.name(), "description": "", "enabled": true });
    ExchangeType::ALL.iter().map(show).collect()
}

fn listeners(shared: &Shared) -> Vec<Value> {
    let amqp = shared.amqp.iter().map(|address| ("amqp", *address));
    let all = amqp.chain([("http", shared.http)]);
    let show = |(protocol, address): (&str, std::net::SocketAddr)| {
        json!({
            "node": shared.node.settings.cluster_name, "protocol": protocol, "ip_address": address.ip(),
            "port": address.port(), "socket_opts": {}, "tls": false,
        })
    };
    all.map(show).collect()
}
