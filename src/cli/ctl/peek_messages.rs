//! `leveret ctl peek_messages`.

use std::process::ExitCode;

use clap::Args;

use super::{api::Target, listing, listing::Listing};
use crate::cli::{announcement::escaped, error::CliError};

/// As in the API. The first are shown when none is asked for.
const FIELDS: &[(&str, &str)] = &[
    ("id", "id"),
    ("arrived", "arrived"),
    ("routing_key", "routing_key"),
    ("payload_bytes", "payload_bytes"),
    ("payload", "payload"),
    ("payload_encoding", "payload_encoding"),
    ("exchange", "exchange"),
    ("redelivered", "redelivered"),
    ("message_id", "properties.message_id"),
    ("headers", "properties.headers"),
    ("properties", "properties"),
];

/// Shown under the options.
pub(super) const COLUMNS: &str = "\
Columns: id, arrived (Unix time in milliseconds), routing_key, payload_bytes, payload, payload_encoding (string, or base64 \
where it is no text), exchange, redelivered, message_id, headers, properties.
Without any: the first five.

Examples:
  leveret ctl peek_messages dlq
      The first 100 ready messages in the order of delivery, their bodies cut at 60 bytes
  leveret ctl peek_messages dlq headers --offset 1000 --count 20 --quiet
      The headers of twenty further behind; x-death tells how a message died
  leveret ctl peek_messages jobs --formatter json --truncate 1000000 | jq '.[].payload'
      Whole bodies for a program to read

Nothing of the messages changes: they are not marked as redelivered, and no consumer waits.";

/// Options of `leveret ctl peek_messages`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: String,
    /// How many messages at most, up to 1000
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    count: usize,
    /// Pass over so many first
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    offset: usize,
    /// Cut bodies after so many bytes
    #[arg(long, value_name = "BYTES", default_value_t = 60)]
    truncate: usize,
    #[command(flatten)]
    listing: listing::Arguments,
}

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let Arguments { queue, count, offset, truncate, listing } = arguments;
    let path = format!("/queues/{}/{}/messages", escaped(&target.vhost), escaped(queue));
    let listed = Listing {
        path: format!("{path}?count={count}&offset={offset}&truncate={truncate}"),
        title: format!("Messages of queue {queue} in vhost {} ...", target.vhost),
        columns: FIELDS,
        usual: 5,
    };
    listed.run(target, listing)
}
