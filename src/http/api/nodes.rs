//! The node as a process.

use std::fs;

use axum::extract::State;
use serde_json::{Value, json};

use super::{Answer, overview};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::list;
use crate::http::names::{Asked, LongName};
use crate::http::routes::App;
use crate::http::server::Shared;

/// Bytes of a page of memory in /proc (Linux on the processors that Leveret is built for).
const PAGE: u64 = 4096;

pub(in crate::http) async fn list(State(shared): App, caller: Caller, asked: Asked) -> Answer {
    caller.require_monitoring()?;
    list::answer(vec![describe(&shared)], &asked)
}

pub(in crate::http) async fn show(
    State(shared): App,
    caller: Caller,
    LongName(node): LongName,
    asked: Asked,
) -> Answer {
    caller.require_monitoring()?;
    if node != shared.node.settings.cluster_name {
        return Err(ApiError::not_found());
    }
    Ok(list::one(describe(&shared), &asked))
}

fn describe(shared: &Shared) -> Value {
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
        "mem_used": resident(), "mem_alarm": alarms.memory, "mem_calculation_strategy": "rss",
        "disk_free_alarm": alarms.disk,
        "fd_used": open_files(), "sockets_used": connections,
        "exchange_types": overview::exchange_types(),
        "auth_mechanisms": settings.mechanisms.iter().map(mechanism).collect::<Vec<_>>(),
        "applications": [], "contexts": [], "enabled_plugins": [], "partitions": [], "cluster_links": [],
        "log_files": [], "config_files": [],
    })
}

/// Bytes of memory that the process has in RAM; 0 where that cannot be found out.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<u64> = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or_default().saturating_mul(PAGE)
}

/// Open files, sockets among them.
fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
