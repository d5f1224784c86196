//! Channels of the connections that a user may see.

use axum::extract::State;
use serde_json::{Value, json};

use super::Answer;
use crate::broker::channel::ChannelDescription;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::json::of_name;
use crate::http::list;
use crate::http::names::{Asked, LongName, Names};
use crate::http::routes::App;
use crate::node::session::ConnectionReport;

pub(in crate::http) async fn list_all(State(shared): App, Caller(operator): Caller, asked: Asked) -> Answer {
    let reports = operator.connections().await;
    list::answer(|| all(&reports, &shared.node.settings.cluster_name), &asked)
}

pub(in crate::http) async fn list_in_vhost(
    State(shared): App,
    caller: Caller,
    Names([vhost]): Names<1>,
    asked: Asked,
) -> Answer {
    caller.enter(&vhost)?;
    let mut reports = caller.0.connections().await;
    reports.retain(|report| report.description.vhost == vhost);
    list::answer(|| all(&reports, &shared.node.settings.cluster_name), &asked)
}

pub(in crate::http) async fn list_of_connection(
    State(shared): App,
    Caller(operator): Caller,
    LongName(name): LongName,
    asked: Asked,
) -> Answer {
    let report = operator.connection(&name).await.ok_or_else(ApiError::not_found)?;
    list::answer(|| all(&[report], &shared.node.settings.cluster_name), &asked)
}

pub(in crate::http) async fn show(
    State(shared): App,
    Caller(operator): Caller,
    LongName(name): LongName,
    asked: Asked,
) -> Answer {
    let channels = all(&operator.connections().await, &shared.node.settings.cluster_name);
    let found = channels.into_iter().find(|channel| channel.get("name").is_some_and(|found| *found == name));
    found.map(|channel| list::one(channel, &asked)).ok_or_else(ApiError::not_found)
}

fn all(reports: &[ConnectionReport], node: &str) -> Vec<Value> {
    let of_connection = |report| ConnectionReport::channels(report).map(move |channel| describe(report, channel, node));
    reports.iter().flat_map(of_connection).collect()
}

/// A channel's connection, as channels and consumers show it.
pub(super) fn connection_details(report: &ConnectionReport) -> Value {
    json!({ "name": report.name(), "peer_host": report.peer.ip().to_canonical(), "peer_port": report.peer.port() })
}

fn describe(report: &ConnectionReport, channel: &ChannelDescription, node: &str) -> Value {
    let waiting = report.waiting_on(channel.number);
    json!({
        "name": format!("{} ({})", report.name(), channel.number), "number": channel.number, "node": node,
        "vhost": of_name(&report.description.vhost), "user": of_name(&report.user),
        "user_who_performed_action": of_name(&report.user), "connection_details": connection_details(report),
        "state": report.channel_state(channel), "confirm": channel.confirm, "transactional": channel.transactional,
        "consumer_count": channel.consumers, "prefetch_count": channel.prefetch,
        "global_prefetch_count": channel.global_prefetch, "messages_unacknowledged": channel.unacked,
        "messages_unconfirmed": waiting.unconfirmed, "messages_uncommitted": waiting.uncommitted,
        "acks_uncommitted": channel.uncommitted_settlings,
    })
}
