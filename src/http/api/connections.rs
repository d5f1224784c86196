//! Connections: looked at and closed.

use axum::extract::State;
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{Answer, empty};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::json::{of_name, of_table};
use crate::http::list;
use crate::http::names::{Asked, LongName, Names};
use crate::http::routes::App;
use crate::node::session::ConnectionReport;

/// What a client is told that is closed without a reason given (RabbitMQ).
const CLOSED: &str = "Closed via management plugin";

/// The longest reason, in bytes: a reply text has 255 with what goes before it.
const REASON_LIMIT: usize = 200;

pub(in crate::http) async fn list_all(State(shared): App, Caller(operator): Caller, asked: Asked) -> Answer {
    let node = &shared.node.settings.cluster_name;
    let reports = operator.connections().await;
    list::answer(|| reports.iter().map(|report| describe(report, node)).collect(), &asked)
}

pub(in crate::http) async fn list_in_vhost(
    State(shared): App,
    caller: Caller,
    Names([vhost]): Names<1>,
    asked: Asked,
) -> Answer {
    caller.enter(&vhost)?;
    let node = &shared.node.settings.cluster_name;
    let mut reports = caller.0.connections().await;
    reports.retain(|report| report.description.vhost == vhost);
    list::answer(|| reports.iter().map(|report| describe(report, node)).collect(), &asked)
}

pub(in crate::http) async fn show(
    State(shared): App,
    Caller(operator): Caller,
    LongName(name): LongName,
    asked: Asked,
) -> Answer {
    let report = operator.connection(&name).await.ok_or_else(ApiError::not_found)?;
    Ok(list::one(describe(&report, &shared.node.settings.cluster_name), &asked))
}

pub(in crate::http) async fn close(Caller(operator): Caller, LongName(name): LongName, headers: HeaderMap) -> Answer {
    let report = operator.connection(&name).await.ok_or_else(ApiError::not_found)?;
    let own = report.user == operator.user().name;
    if !own && !operator.is(crate::node::admin::Role::Administrator) {
        return Err(ApiError::not_authorised("User not authorised to access object"));
    }
    let given = headers.get("x-reason").and_then(|reason| reason.to_str().ok()).filter(|reason| !reason.is_empty());
    let reason: String = given.unwrap_or(CLOSED).chars().take(REASON_LIMIT).collect();
    tracing::info!("closing connection {name} for user '{}': {reason}", operator.user().name);
    operator.close_connection(report.id, &reason);
    Ok(empty(StatusCode::NO_CONTENT))
}

fn describe(report: &ConnectionReport, node: &str) -> Value {
    let told = &report.description;
    let (peer, local) = (report.peer, report.local);
    json!({
        "name": report.name(), "node": node, "vhost": of_name(&told.vhost), "user": of_name(&report.user),
        "user_who_performed_action": of_name(&report.user), "protocol": "AMQP 0-9-1", "type": "network",
        "host": local.map(|local| local.ip().to_canonical()), "port": local.map(|local| local.port()),
        "peer_host": peer.ip().to_canonical(), "peer_port": peer.port(), "ssl": false,
        "auth_mechanism": told.mechanism, "connected_at": report.connected_at, "timeout": told.heartbeat,
        "frame_max": told.frame_max, "channel_max": told.channel_max, "channels": told.channels.len(),
        "state": report.state, "client_properties": of_table(&told.client_properties),
    })
}
