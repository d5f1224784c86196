//! `leveret ctl move_messages`.

use std::process::ExitCode;

use clap::{ArgGroup, Args};
use serde_json::{Map, Value, json};

use super::{api::Target, filter::Filter, follow};
use crate::cli::error::CliError;

/// Shown under the options.
pub(super) const EXAMPLES: &str = "\
Examples:
  leveret ctl move_messages old --to-queue new --rate 500
      All messages that are in old now, as they are, at most 500 a second
  leveret ctl move_messages parked --to-exchange orders --with-routing-key again --header tenant=7 --limit 100
      The first hundred with that header, through an exchange
  leveret ctl move_messages old --to-queue new --no-wait
      Begin, and write the number by which list_moves and cancel_move know it

No crash loses a message or leaves it in both queues. A full queue is waited for. Messages for which there is no way stay \
and are counted. Ending this command does not end the move: see cancel_move.";

/// Options of `leveret ctl move_messages`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("destination").required(true).args(["to_queue", "to_exchange"]))]
pub(super) struct Arguments {
    /// The queue that messages leave
    #[arg(value_name = "QUEUE")]
    queue: String,
    /// The queue that they go to, as they are
    #[arg(long, value_name = "QUEUE")]
    to_queue: Option<String>,
    /// The exchange that they go through, as if they were published again
    #[arg(long, value_name = "EXCHANGE")]
    to_exchange: Option<String>,
    /// With this routing key instead of their own
    #[arg(long, value_name = "KEY", requires = "to_exchange")]
    with_routing_key: Option<String>,
    #[command(flatten)]
    pace: follow::Pace,
    #[command(flatten)]
    filter: Filter,
}

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let destination = match (&arguments.to_queue, &arguments.to_exchange) {
        (Some(queue), _) => json!({ "queue": queue }),
        (None, exchange) => {
            let given = [("exchange", exchange), ("routing_key", &arguments.with_routing_key)];
            let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))));
            Value::Object(given.collect())
        }
    };
    let wanted = Map::from_iter([("destination".to_owned(), destination)]);
    follow::run(target, (&arguments.queue, "move"), wanted, &arguments.filter, &arguments.pace)
}
