//! `leveret ctl list_queues`.

use std::process::ExitCode;

use super::{
    api::Target,
    listing::{Arguments, Listing},
};
use crate::cli::{announcement::escaped, error::CliError};

/// RabbitMQ's names, and where the API has them. The first are shown when none is asked for.
const FIELDS: &[(&str, &str)] = &[
    ("name", "name"),
    ("messages", "messages"),
    ("messages_ready", "messages_ready"),
    ("messages_unacknowledged", "messages_unacknowledged"),
    ("consumers", "consumers"),
    ("durable", "durable"),
    ("auto_delete", "auto_delete"),
    ("exclusive", "exclusive"),
    ("arguments", "arguments"),
    ("type", "type"),
    ("state", "state"),
    ("memory", "memory"),
    ("policy", "policy"),
    ("operator_policy", "operator_policy"),
    ("effective_policy_definition", "effective_policy_definition"),
];

/// Shown under the options.
pub(super) const COLUMNS: &str = "\
Columns: name, messages, messages_ready, messages_unacknowledged, consumers, durable, auto_delete, exclusive, \
arguments, type, state, memory, policy, operator_policy, effective_policy_definition.
Without any: name, messages.";

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let listing = Listing {
        path: format!("/queues/{}", escaped(&target.vhost)),
        title: format!("Listing queues for vhost {} ...", target.vhost),
        columns: FIELDS,
        usual: 2,
    };
    listing.run(target, arguments)
}
