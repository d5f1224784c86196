//! `leveret ctl list_moves`.

use std::process::ExitCode;

use super::{
    api::Target,
    listing::{Arguments, Listing},
};
use crate::cli::{announcement::escaped, error::CliError};

/// As in the API. The first are shown when none is asked for.
const FIELDS: &[(&str, &str)] = &[
    ("id", "id"),
    ("source", "source"),
    ("destination", "destination"),
    ("state", "state"),
    ("moved", "moved"),
    ("seen", "seen"),
    ("stuck", "stuck"),
    ("limit", "limit"),
    ("rate", "rate"),
    ("filter", "filter"),
];

/// Shown under the options.
pub(super) const COLUMNS: &str = "\
Columns: id, source, destination, state (running, blocked, done, cancelled), moved, seen, stuck, limit, rate, filter.
Without any: id, source, destination, state, moved.";

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let listing = Listing {
        path: format!("/moves/{}", escaped(&target.vhost)),
        title: format!("Listing moves of messages in vhost {} ...", target.vhost),
        columns: FIELDS,
        usual: 5,
    };
    listing.run(target, arguments)
}
