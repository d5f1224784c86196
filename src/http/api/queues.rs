//! Queues: looked at, declared, deleted, purged. Their messages are `messages`'.

use std::sync::Arc;

use axum::extract::State;
use hyper::StatusCode;
use leveret_protocol::FieldValue;
use serde_json::{Value, json};

use super::{Answer, declared, empty};
use crate::broker::policy::Policy;
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::json::{of_name, of_table};
use crate::http::list;
use crate::http::names::{Asked, Names};
use crate::http::routes::App;
use crate::node::admin::{Access, QueueReport, QueueWanted};

pub(in crate::http) async fn list_all(State(shared): App, Caller(operator): Caller, asked: Asked) -> Answer {
    let node = &shared.node.settings.cluster_name;
    list::answer(|| operator.enter_all().iter().flat_map(|access| all(access, node)).collect(), &asked)
}

pub(in crate::http) async fn list(
    State(shared): App,
    caller: Caller,
    Names([vhost]): Names<1>,
    asked: Asked,
) -> Answer {
    let access = caller.enter(&vhost)?;
    list::answer(|| all(&access, &shared.node.settings.cluster_name), &asked)
}

pub(in crate::http) async fn show(
    State(shared): App,
    caller: Caller,
    Names([vhost, queue]): Names<2>,
    asked: Asked,
) -> Answer {
    let access = caller.enter(&vhost)?;
    let queue = access.queue(&queue).ok_or_else(ApiError::not_found)?;
    Ok(list::one(describe(&access, &queue, &shared.node.settings.cluster_name), &asked))
}

pub(in crate::http) async fn declare(
    caller: Caller,
    Names([vhost, queue]): Names<2>,
    JsonBody { fields, .. }: JsonBody,
) -> Answer {
    let wanted = QueueWanted {
        name: queue,
        durable: fields.flag("durable")?,
        auto_delete: fields.flag("auto_delete")?,
        arguments: fields.table("arguments")?,
    };
    Ok(declared(caller.enter_to_change(&vhost)?.declare_queue(wanted)?))
}

pub(in crate::http) async fn remove(caller: Caller, Names([vhost, queue]): Names<2>, asked: Asked) -> Answer {
    let access = caller.enter(&vhost)?;
    access.queue(&queue).ok_or_else(ApiError::not_found)?;
    access.delete_queue(&queue, asked.is("if-unused"), asked.is("if-empty"))?;
    Ok(empty(StatusCode::NO_CONTENT))
}

pub(in crate::http) async fn purge(caller: Caller, Names([vhost, queue]): Names<2>) -> Answer {
    let access = caller.enter(&vhost)?;
    access.queue(&queue).ok_or_else(ApiError::not_found)?;
    access.purge_queue(&queue)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn all(access: &Access, node: &str) -> Vec<Value> {
    access.queues().iter().map(|queue| describe(access, queue, node)).collect()
}

fn describe(access: &Access, queue: &QueueReport, node: &str) -> Value {
    let QueueReport { entry, content, policies } = queue;
    let kind = entry.arguments.get("x-queue-type").and_then(FieldValue::as_str).unwrap_or("classic");
    json!({
        "name": of_name(&entry.name), "vhost": of_name(access.vhost()), "type": kind, "node": node,
        "durable": entry.durable, "auto_delete": entry.auto_delete, "exclusive": entry.owner.is_some(),
        "arguments": of_table(&entry.arguments), "state": if content.holds_publishers_back { "flow" } else { "running" },
        "messages": content.ready + content.unacked, "messages_ready": content.ready,
        "messages_unacknowledged": content.unacked, "consumers": content.consumers.len(),
        "drain_rate": (content.drain_rate * 1000.0).round() / 1000.0,
        "estimated_wait_ms": content.waiting_time().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        "high_watermark": { "messages": content.high_marks.0, "bytes": content.high_marks.1 },
        "memory": content.ready_bytes_in_memory.saturating_add(content.unacked_bytes),
        "policy": name_of(policies.user.as_ref()), "operator_policy": name_of(policies.operator.as_ref()),
        "effective_policy_definition": of_table(&policies.definition()),
    })
}

fn name_of(policy: Option<&Arc<Policy>>) -> Value {
    policy.map_or(Value::Null, |policy| of_name(&policy.name))
}
