//! `leveret ctl list_connections`.

use std::process::ExitCode;

use super::{
    api::Target,
    listing::{Arguments, Listing},
};
use crate::cli::error::CliError;

/// RabbitMQ's names, and where the API has them. The first are shown when none is asked for.
const FIELDS: &[(&str, &str)] = &[
    ("user", "user"),
    ("peer_host", "peer_host"),
    ("peer_port", "peer_port"),
    ("state", "state"),
    ("pid", "name"),
    ("name", "name"),
    ("port", "port"),
    ("host", "host"),
    ("ssl", "ssl"),
    ("channels", "channels"),
    ("protocol", "protocol"),
    ("auth_mechanism", "auth_mechanism"),
    ("vhost", "vhost"),
    ("timeout", "timeout"),
    ("frame_max", "frame_max"),
    ("channel_max", "channel_max"),
    ("client_properties", "client_properties"),
    ("connected_at", "connected_at"),
];

/// Shown under the options.
pub(super) const COLUMNS: &str = "\
Columns: user, peer_host, peer_port, state, pid, name, port, host, ssl, channels, protocol, auth_mechanism, \
vhost, timeout, frame_max, channel_max, client_properties, connected_at.
Without any: user, peer_host, peer_port, state.";

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let listing = Listing {
        path: "/connections".to_owned(),
        title: "Listing connections ...".to_owned(),
        columns: FIELDS,
        usual: 4,
    };
    listing.run(target, arguments)
}
