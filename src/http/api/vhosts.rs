//! Virtual hosts.

use axum::extract::State;
use serde_json::{Value, json};

use super::Answer;
use crate::http::caller::Caller;
use crate::http::json::of_name;
use crate::http::list;
use crate::http::names::{Asked, Names};
use crate::http::routes::App;
use crate::node::admin::Access;

pub(in crate::http) async fn list(State(shared): App, Caller(operator): Caller, asked: Asked) -> Answer {
    let node = &shared.node.settings.cluster_name;
    list::answer(operator.enter_all().iter().map(|access| describe(access, node)).collect(), &asked)
}

pub(in crate::http) async fn show(
    State(shared): App,
    caller: Caller,
    Names([vhost]): Names<1>,
    asked: Asked,
) -> Answer {
    Ok(list::one(describe(&caller.enter(&vhost)?, &shared.node.settings.cluster_name), &asked))
}

fn describe(access: &Access, node: &str) -> Value {
    let queues = access.queues();
    let ready: usize = queues.iter().map(|queue| queue.content.ready).sum();
    let unacked: usize = queues.iter().map(|queue| queue.content.unacked).sum();
    json!({
        "name": of_name(access.vhost()), "description": "", "tags": [], "default_queue_type": "classic",
        "metadata": { "description": "", "tags": [], "default_queue_type": "classic" },
        "protected_from_deletion": false, "tracing": false, "cluster_state": { node: "running" },
        "messages": ready + unacked, "messages_ready": ready, "messages_unacknowledged": unacked,
    })
}
