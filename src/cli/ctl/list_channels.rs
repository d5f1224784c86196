//! `leveret ctl list_channels`.

use std::process::ExitCode;

use super::{
    api::Target,
    listing::{Arguments, Listing},
};
use crate::cli::error::CliError;

/// RabbitMQ's names, and where the API has them. The first are shown when none is asked for.
const FIELDS: &[(&str, &str)] = &[
    ("pid", "name"),
    ("user", "user"),
    ("consumer_count", "consumer_count"),
    ("messages_unacknowledged", "messages_unacknowledged"),
    ("connection", "connection_details.name"),
    ("name", "name"),
    ("number", "number"),
    ("vhost", "vhost"),
    ("transactional", "transactional"),
    ("confirm", "confirm"),
    ("messages_unconfirmed", "messages_unconfirmed"),
    ("messages_uncommitted", "messages_uncommitted"),
    ("acks_uncommitted", "acks_uncommitted"),
    ("prefetch_count", "prefetch_count"),
    ("global_prefetch_count", "global_prefetch_count"),
];

/// Shown under the options.
pub(super) const COLUMNS: &str = "\
Columns: pid, user, consumer_count, messages_unacknowledged, connection, name, number, vhost, transactional, \
confirm, messages_unconfirmed, messages_uncommitted, acks_uncommitted, prefetch_count, \
global_prefetch_count.
Without any: pid, user, consumer_count, messages_unacknowledged.";

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let listing =
        Listing { path: "/channels".to_owned(), title: "Listing channels ...".to_owned(), columns: FIELDS, usual: 4 };
    listing.run(target, arguments)
}
