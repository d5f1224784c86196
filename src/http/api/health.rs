//! Health checks: 200 with `{"status":"ok"}`, or 503 with what is wrong. For load balancers and orchestrators.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use hyper::StatusCode;
use serde_json::{Value, json};

use super::Answer;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::names::Names;
use crate::http::routes::App;
use crate::http::server::Shared;

/// What the node listens for.
const PROTOCOLS: [&str; 2] = ["amqp", "http"];

pub(in crate::http) async fn alarms(State(shared): App, _: Caller) -> Answer {
    Ok(check_alarms(&shared, "There are alarms in effect in the cluster"))
}

pub(in crate::http) async fn local_alarms(State(shared): App, _: Caller) -> Answer {
    Ok(check_alarms(&shared, "There are alarms in effect on the node"))
}

/// What cannot be otherwise while the node answers.
pub(in crate::http) async fn all_is_well(_: Caller) -> Answer {
    Ok(well())
}

pub(in crate::http) async fn single_node(_: Caller) -> Answer {
    Ok(Json(json!({ "status": "ok", "reason": "single node cluster" })).into_response())
}

/// Asked without credentials, as in RabbitMQ.
pub(in crate::http) async fn in_service() -> Answer {
    Ok(well())
}

/// Asked without credentials, as in RabbitMQ.
pub(in crate::http) async fn connection_limit(State(shared): App) -> Answer {
    let (open, limit) = shared.node.connection_count();
    match limit {
        Some(limit) if open >= limit => Ok(failed(json!({
            "status": "failed", "reason": "node connection limit is reached", "connections": open, "limit": limit,
        }))),
        Some(_) | None => Ok(well()),
    }
}

pub(in crate::http) async fn port_listener(State(shared): App, _: Caller, Names([port]): Names<1>) -> Answer {
    let port: u16 =
        port.as_str().and_then(|port| port.parse().ok()).ok_or_else(|| ApiError::bad_request("Invalid port"))?;
    let ports: Vec<_> = shared.amqp.iter().chain([&shared.http]).map(|address| address.port()).collect();
    if ports.contains(&port) {
        return Ok(Json(json!({ "status": "ok", "port": port })).into_response());
    }
    Ok(failed(json!({ "status": "failed", "reason": "No active listener", "missing": port, "ports": ports })))
}

pub(in crate::http) async fn protocol_listener(State(shared): App, _: Caller, Names([names]): Names<1>) -> Answer {
    let active: Vec<_> = PROTOCOLS.into_iter().filter(|name| *name != "amqp" || !shared.amqp.is_empty()).collect();
    let wanted = names.to_str_lossy();
    let missing: Vec<_> = wanted.split(',').filter(|name| !active.contains(&canonical(name))).collect();
    if missing.is_empty() {
        return Ok(Json(json!({ "status": "ok", "protocols": active })).into_response());
    }
    let reason = "No active listener";
    Ok(failed(json!({ "status": "failed", "reason": reason, "missing": missing, "protocols": active })))
}

/// Whether the vhost can be used. RabbitMQ before 4 published a message for it.
pub(in crate::http) async fn aliveness(caller: Caller, Names([vhost]): Names<1>) -> Answer {
    caller.enter(&vhost)?;
    Ok(well())
}

/// RabbitMQ's names of a protocol.
fn canonical(name: &str) -> &str {
    match name.trim() {
        "amqp091" | "amqp0-9-1" | "amqp0.9.1" | "amqp" => "amqp",
        other => other,
    }
}

fn check_alarms(shared: &Shared, reason: &str) -> Response {
    let alarms = shared.node.alarmed();
    let on = [("memory", alarms.memory), ("disk", alarms.disk)];
    let node = &shared.node.settings.cluster_name;
    let shown: Vec<_> =
        on.iter().filter(|(_, on)| *on).map(|(resource, _)| json!({ "node": node, "resource": resource })).collect();
    if shown.is_empty() {
        return well();
    }
    failed(json!({ "status": "failed", "reason": reason, "alarms": shown }))
}

fn well() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

fn failed(what: Value) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Json(what)).into_response()
}
