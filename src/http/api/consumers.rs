//! Consumers of queues. Those of direct reply-to have no queue and are not listed.

use axum::extract::State;
use serde_json::{Value, json};

use super::Answer;
use crate::http::caller::Caller;
use crate::http::json::of_name;
use crate::http::list;
use crate::http::names::{Asked, Names};
use crate::http::routes::App;
use crate::node::admin::{Access, ConsumerReport, Operator};

pub(in crate::http) async fn list_all(State(shared): App, Caller(operator): Caller, asked: Asked) -> Answer {
    let vhosts = operator.enter_all();
    list::answer(all(&operator, &vhosts, &shared.node.settings.cluster_name).await, &asked)
}

pub(in crate::http) async fn list(
    State(shared): App,
    caller: Caller,
    Names([vhost]): Names<1>,
    asked: Asked,
) -> Answer {
    let vhosts = [caller.enter(&vhost)?];
    list::answer(all(&caller.0, &vhosts, &shared.node.settings.cluster_name).await, &asked)
}

async fn all(operator: &Operator, vhosts: &[Access], node: &str) -> Vec<Value> {
    operator.consumers(vhosts).await.iter().map(|consumer| describe(consumer, node)).collect()
}

fn describe(consumer: &ConsumerReport, node: &str) -> Value {
    let subscription = &consumer.subscription;
    let (consumer_tag, channel) = match &consumer.client {
        Some((report, told)) => {
            let details = json!({
                "name": format!("{} ({})", report.name(), told.channel), "connection_name": report.name(),
                "node": node, "number": told.channel, "peer_host": report.peer.ip().to_canonical(),
                "peer_port": report.peer.port(), "user": of_name(&report.user),
            });
            (of_name(&told.consumer_tag), details)
        }
        None => ("".into(), json!({})),
    };
    // Of a consumer's arguments this is the one that is kept.
    let arguments = if subscription.priority == 0 { json!({}) } else { json!({ "x-priority": subscription.priority }) };
    json!({
        "consumer_tag": consumer_tag, "channel_details": channel,
        "queue": { "name": of_name(&consumer.queue), "vhost": of_name(&consumer.vhost) },
        "ack_required": !subscription.no_ack, "exclusive": subscription.exclusive,
        "prefetch_count": subscription.prefetch, "active": true, "activity_status": "up", "arguments": arguments,
    })
}
