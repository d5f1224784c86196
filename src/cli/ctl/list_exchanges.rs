//! `leveret ctl list_exchanges`.

use std::process::ExitCode;

use super::{
    api::Target,
    listing::{Arguments, Listing},
};
use crate::cli::{announcement::escaped, error::CliError};

/// RabbitMQ's names, and where the API has them. The first are shown when none is asked for.
const FIELDS: &[(&str, &str)] = &[
    ("name", "name"),
    ("type", "type"),
    ("durable", "durable"),
    ("auto_delete", "auto_delete"),
    ("internal", "internal"),
    ("arguments", "arguments"),
    ("policy", "policy"),
];

/// Shown under the options.
pub(super) const COLUMNS: &str = "\
Columns: name, type, durable, auto_delete, internal, arguments, policy.
Without any: name, type.";

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let listing = Listing {
        path: format!("/exchanges/{}", escaped(&target.vhost)),
        title: format!("Listing exchanges for vhost {} ...", target.vhost),
        columns: FIELDS,
        usual: 2,
    };
    listing.run(target, arguments)
}
