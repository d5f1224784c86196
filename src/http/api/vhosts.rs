//! Virtual hosts.

use axum::extract::State;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Answer, empty};
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::json::of_name;
use crate::http::list;
use crate::http::names::{Asked, Names};
use crate::http::routes::App;
use crate::node::admin::{Access, Role};

pub(in crate::http) async fn list(State(shared): App, Caller(operator): Caller, asked: Asked) -> Answer {
    let node = &shared.node.settings.cluster_name;
    list::answer(|| operator.enter_all().iter().map(|access| describe(access, node)).collect(), &asked)
}

pub(in crate::http) async fn show(
    State(shared): App,
    caller: Caller,
    Names([vhost]): Names<1>,
    asked: Asked,
) -> Answer {
    let access = caller.enter(&vhost)?;
    let vhost = tokio::task::block_in_place(|| describe(&access, &shared.node.settings.cluster_name));
    Ok(list::one(vhost, &asked))
}

/// Changes what may change of a virtual host that is there: whether it is traced.
pub(in crate::http) async fn change(
    caller: Caller,
    Names([vhost]): Names<1>,
    JsonBody { fields, .. }: JsonBody,
) -> Answer {
    if !caller.0.is(Role::Administrator) {
        return Err(ApiError::not_authorised("Not administrator user"));
    }
    let tracing = fields.get("tracing").map(|_| fields.flag("tracing")).transpose()?;
    let access = caller.enter(&vhost)?;
    if let Some(on) = tracing {
        access.trace(on);
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

fn describe(access: &Access, node: &str) -> Value {
    let queues = access.queues();
    let ready: usize = queues.iter().map(|queue| queue.content.ready).sum();
    let unacked: usize = queues.iter().map(|queue| queue.content.unacked).sum();
    json!({
        "name": of_name(access.vhost()), "description": "", "tags": [], "default_queue_type": "classic",
        "metadata": { "description": "", "tags": [], "default_queue_type": "classic" },
        "protected_from_deletion": false, "tracing": access.is_traced(), "cluster_state": { node: "running" },
        "messages": ready + unacked, "messages_ready": ready, "messages_unacknowledged": unacked,
    })
}
