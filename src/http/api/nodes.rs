//! The node as a process.

use std::fs;

use axum::extract::State;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Answer, empty, overview};
use crate::config::{DiskFreeLimit, MemoryLimit};
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::list;
use crate::http::names::{Asked, LongName};
use crate::http::routes::App;
use crate::http::server::Shared;
use crate::node::Node;
use crate::node::admin::MemoryUse;

pub(in crate::http) async fn list(State(shared): App, caller: Caller, asked: Asked) -> Answer {
    caller.require_monitoring()?;
    list::answer(|| vec![describe(&shared)], &asked)
}

pub(in crate::http) async fn show(
    State(shared): App,
    caller: Caller,
    LongName(node): LongName,
    asked: Asked,
) -> Answer {
    caller.require_monitoring()?;
    require_this(&shared, &node)?;
    Ok(list::one(describe(&shared), &asked))
}

/// What memory is used for. RabbitMQ's keys where they mean the same, and the rest in `other_proc`.
pub(in crate::http) async fn memory(
    State(shared): App,
    caller: Caller,
    LongName(node): LongName,
    asked: Asked,
) -> Answer {
    caller.require_monitoring()?;
    require_this(&shared, &node)?;
    let used = caller.0.memory().await;
    let MemoryUse { ready, unacked, connections, log, resident } = used;
    let (queues, channels) = (ready + unacked, connections.held + connections.uncommitted);
    let known = queues + channels + connections.assembling + connections.outgoing + log;
    let other = resident.saturating_sub(u64::try_from(known).unwrap_or(u64::MAX));
    let memory = json!({
        "strategy": "rss", "queue_procs": queues, "connection_readers": connections.assembling,
        "connection_writers": connections.outgoing, "connection_channels": channels, "other_proc": other,
        "messages_ready": ready, "messages_unacknowledged": unacked, "publishes_held": connections.held,
        "publishes_uncommitted": connections.uncommitted, "log": log,
        "total": { "rss": resident, "erlang": resident, "allocated": resident },
    });
    Ok(list::one(json!({ "memory": memory }), &asked))
}

/// Sets how much memory the process may use, until the next start.
pub(in crate::http) async fn set_memory_limit(
    State(shared): App,
    caller: Caller,
    LongName(node): LongName,
    JsonBody { fields, .. }: JsonBody,
) -> Answer {
    caller.require_administrator()?;
    require_this(&shared, &node)?;
    let wanted = wanted(&caller, "vm_memory_high_watermark", &fields, MemoryLimit::parse)?;
    caller.0.set_memory_limit(wanted);
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Sets how much of the disk has to be free, until the next start.
pub(in crate::http) async fn set_disk_limit(
    State(shared): App,
    caller: Caller,
    LongName(node): LongName,
    JsonBody { fields, .. }: JsonBody,
) -> Answer {
    caller.require_administrator()?;
    require_this(&shared, &node)?;
    let wanted = wanted(&caller, "disk_free_limit", &fields, DiskFreeLimit::parse)?;
    caller.0.set_disk_limit(wanted);
    Ok(empty(StatusCode::NO_CONTENT))
}

fn require_this(shared: &Shared, node: &str) -> Result<(), ApiError> {
    if node == shared.node.settings.cluster_name { Ok(()) } else { Err(ApiError::not_found()) }
}

/// The limit that an administrator asks for; `parse` understands it, and knows whether it is relative.
fn wanted<T>(
    caller: &Caller,
    setting: &str,
    fields: &Fields,
    parse: impl FnOnce(&str, bool) -> Result<T, String>,
) -> Result<T, ApiError> {
    let (text, relative) = limit(fields)?;
    let wanted = parse(&text, relative).map_err(|expected| refused(&text, &expected))?;
    tracing::info!("user '{}' sets {setting} to {text}", caller.0.user().name);
    Ok(wanted)
}

/// A limit as a request has it: `relative` or `absolute`, a number or a text, and which of the two.
fn limit(fields: &Fields) -> Result<(String, bool), ApiError> {
    let text = |name: &str| match fields.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        // Not in powers of ten, which a number of its own would be written with.
        Some(Value::Number(number)) => Some(number.as_u64().map_or_else(|| decimal(number), |whole| whole.to_string())),
        Some(_) | None => None,
    };
    match (text("relative"), text("absolute")) {
        (Some(share), None) => Ok((share, true)),
        (None, Some(size)) => Ok((size, false)),
        (Some(_), Some(_)) | (None, None) => Err(ApiError::bad_request("either relative or absolute is to be given")),
    }
}

fn decimal(number: &serde_json::Number) -> String {
    let text = format!("{:.9}", number.as_f64().unwrap_or(f64::NAN));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn refused(text: &str, expected: &str) -> ApiError {
    ApiError::bad_request(format!("'{text}' is no such limit; expected {expected}"))
}

fn describe(shared: &Shared) -> Value {
    let levels = shared.node.levels();
    let settings = &shared.node.settings;
    let alarms = shared.node.alarmed();
    let (connections, _) = shared.node.connection_count();
    let mechanism = |mechanism: &crate::broker::auth::sasl::Mechanism| json!({ "name": mechanism.name(), "description": "", "enabled": true });
    json!({
        "name": settings.cluster_name, "type": "disc", "running": true, "being_drained": false,
        "os_pid": std::process::id().to_string(),
        // The Rust client has 32 bits for it.
        "uptime": shared.node.uptime_ms().min(u64::from(u32::MAX)),
        "processors": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "rates_mode": "none", "rabbitmq_version": settings.version,
        "mem_used": Node::resident().unwrap_or_default(), "mem_limit": levels.memory_limit, "mem_alarm": alarms.memory, "mem_calculation_strategy": "rss",
        "disk_free": levels.disk_free, "disk_free_limit": levels.disk_limit, "disk_free_alarm": alarms.disk,
        "fd_used": open_files(), "sockets_used": connections,
        "exchange_types": overview::exchange_types(),
        "auth_mechanisms": settings.mechanisms.iter().map(mechanism).collect::<Vec<_>>(),
        "applications": [], "contexts": [], "enabled_plugins": [], "partitions": [], "cluster_links": [],
        "log_files": [], "config_files": [],
    })
}

/// Open files, sockets among them.
fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
