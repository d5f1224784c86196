//! `leveret ctl list_consumers`.

use std::process::ExitCode;

use super::{
    api::Target,
    listing::{Arguments, Listing},
};
use crate::cli::{announcement::escaped, error::CliError};

/// RabbitMQ's names, and where the API has them. The first are shown when none is asked for.
const FIELDS: &[(&str, &str)] = &[
    ("queue_name", "queue.name"),
    ("channel_pid", "channel_details.name"),
    ("consumer_tag", "consumer_tag"),
    ("ack_required", "ack_required"),
    ("prefetch_count", "prefetch_count"),
    ("active", "active"),
    ("arguments", "arguments"),
    ("exclusive", "exclusive"),
    ("activity_status", "activity_status"),
];

/// Shown under the options.
pub(super) const COLUMNS: &str = "\
Columns: queue_name, channel_pid, consumer_tag, ack_required, prefetch_count, active, arguments, exclusive, \
activity_status.
Without any: queue_name, channel_pid, consumer_tag, ack_required, prefetch_count, active, arguments.";

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let listing = Listing {
        path: format!("/consumers/{}", escaped(&target.vhost)),
        title: format!("Listing consumers in vhost {} ...", target.vhost),
        columns: FIELDS,
        usual: 7,
    };
    listing.run(target, arguments)
}
