//! `leveret ctl list_bindings`.

use std::process::ExitCode;

use super::{
    api::Target,
    listing::{Arguments, Listing},
};
use crate::cli::{announcement::escaped, error::CliError};

/// RabbitMQ's names, and where the API has them. The first are shown when none is asked for.
const FIELDS: &[(&str, &str)] = &[
    ("source_name", "source"),
    ("destination_name", "destination"),
    ("destination_kind", "destination_type"),
    ("routing_key", "routing_key"),
    ("arguments", "arguments"),
    ("properties_key", "properties_key"),
];

/// Shown under the options.
pub(super) const COLUMNS: &str = "\
Columns: source_name, destination_name, destination_kind, routing_key, arguments, properties_key.
Without any: source_name, destination_name, destination_kind, routing_key, arguments.";

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let listing = Listing {
        path: format!("/bindings/{}", escaped(&target.vhost)),
        title: format!("Listing bindings for vhost {}...", target.vhost),
        columns: FIELDS,
        usual: 5,
    };
    listing.run(target, arguments)
}
