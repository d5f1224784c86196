//! `leveret ctl status`: the broker at a glance, for people or as JSON.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Args;
use serde_json::{Value, json};

use super::api::Target;
use crate::cli::error::CliError;

/// Options of `leveret ctl status`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let overview = target.get("/overview")?;
    let nodes = target.get("/nodes")?;
    let status = gathered(&overview, nodes.get(0).unwrap_or(&Value::Null));
    let text = if arguments.json { format!("{status:#}\n") } else { as_text(&status) };
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn gathered(overview: &Value, node: &Value) -> Value {
    let of = |from: &Value, field: &str| from.get(field).cloned().unwrap_or_default();
    let alarms = [("memory", "mem_alarm"), ("disk", "disk_free_alarm")];
    let alarms = alarms.iter().filter(|(_, field)| of(node, field) == true).map(|(name, _)| *name);
    let uptime = node.get("uptime").and_then(Value::as_u64).unwrap_or_default() / 1000;
    json!({
        "product_name": of(overview, "product_name"), "product_version": of(overview, "product_version"),
        "leveret_version": of(overview, "leveret_version"), "node": of(overview, "node"), "pid": of(node, "os_pid"),
        "uptime": uptime, "memory": of(node, "mem_used"), "alarms": alarms.collect::<Vec<_>>(),
        "listeners": of(overview, "listeners"), "totals": of(overview, "object_totals"),
        "messages": of(overview, "queue_totals"),
    })
}

fn as_text(status: &Value) -> String {
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let at = |path: &str| shown(status.pointer(path).unwrap_or(&Value::Null));
    let mebibytes = status.get("memory").and_then(Value::as_u64).unwrap_or_default() >> 20;
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(text, "{} {} on node {}", at("/product_name"), at("/product_version"), at("/node"));
    let _ = writeln!(text, "  up for {} s as process {}, using {mebibytes} MiB", at("/uptime"), at("/pid"));
    let alarms = status.get("alarms").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let alarms: Vec<_> = alarms.iter().map(shown).collect();
    let alarms = if alarms.is_empty() { "none".to_owned() } else { alarms.join(", ") };
    let _ = writeln!(text, "  alarms: {alarms}");
    for listener in status.get("listeners").and_then(Value::as_array).into_iter().flatten() {
        let of = |field: &str| shown(listener.get(field).unwrap_or(&Value::Null));
        let _ = writeln!(text, "  {} on {} port {}", of("protocol"), of("ip_address"), of("port"));
    }
    let totals = ["connections", "channels", "exchanges", "queues", "consumers"];
    let totals: Vec<_> = totals.iter().map(|what| format!("{} {what}", at(&format!("/totals/{what}")))).collect();
    let _ = writeln!(text, "  {}", totals.join(", "));
    let (ready, unacked) = (at("/messages/messages_ready"), at("/messages/messages_unacknowledged"));
    let _ = writeln!(text, "  {ready} messages ready, {unacked} unacknowledged");
    text
}
