//! What a load run was asked for, as it stands in its report: a figure without its settings says nothing.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Arguments;
use crate::cli::perf::uri::AmqpUri;

/// Settings by the names of their options; those that make no difference are left out.
pub(super) fn of(arguments: &Arguments, uris: &[Arc<AmqpUri>]) -> Vec<(&'static str, Value)> {
    let Arguments { publishing, consuming, objects, .. } = arguments;
    let uris: Vec<_> = uris.iter().map(ToString::to_string).collect();
    let sizes: Vec<_> = publishing.size.iter().map(ToString::to_string).collect();
    let mut settings = vec![
        ("uri", json!(uris.join(" "))),
        ("publishers", json!(publishing.publishers)),
        ("consumers", json!(consuming.consumers)),
        ("queues", json!(objects.queues)),
        ("size", json!(sizes.join(","))),
    ];
    let mut add = |name, value: Value, is_said: bool| {
        if is_said {
            settings.push((name, value));
        }
    };
    add("count", json!(arguments.count), arguments.count.is_some());
    add("rate", json!(publishing.rate.as_ref().map(ToString::to_string)), publishing.rate.is_some());
    add("confirm", json!(publishing.confirm), publishing.confirm.is_some());
    let consumes = consuming.consumers > 0;
    add("auto-ack", json!(true), consumes && consuming.auto_ack);
    add("prefetch", json!(consuming.prefetch), consumes && !consuming.auto_ack);
    add("ack-every", json!(consuming.ack_every), consumes && !consuming.auto_ack);
    add("persistent", json!(true), publishing.persistent);
    add("durable", json!(true), objects.durable);
    add("mandatory", json!(true), publishing.mandatory);
    add("exchange", json!(objects.exchange), objects.exchange.is_some());
    add("exchange-type", json!(objects.exchange_type), objects.exchange_type.is_some());
    let text = |pattern: &Option<super::keys::Pattern>| json!(pattern.as_ref().map(ToString::to_string));
    add("routing-key", text(&objects.routing_key), objects.routing_key.is_some());
    add("binding-key", text(&objects.binding_key), objects.binding_key.is_some());
    settings
}
