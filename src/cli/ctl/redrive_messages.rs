//! `leveret ctl redrive_messages`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Map, json};

use super::{api::Target, filter::Filter, follow};
use crate::cli::error::CliError;

/// Shown under the options.
pub(super) const EXAMPLES: &str = "\
Examples:
  leveret ctl redrive_messages dlq
      Every dead letter back to the queue in which it died last, with the exchange and routing key that it had there
  leveret ctl redrive_messages dlq --death-reason rejected --older-than 1h --rate 50
      Only those that were rejected more than an hour ago, slowly

Messages that never died, or whose queue is gone, stay and are counted. Ending this command does not end the move: see \
cancel_move.";

/// Options of `leveret ctl redrive_messages`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The queue of dead letters
    #[arg(value_name = "QUEUE")]
    queue: String,
    /// Of which death the queue is meant
    #[arg(long, value_enum, default_value_t = Death::Last)]
    to: Death,
    #[command(flatten)]
    pace: follow::Pace,
    #[command(flatten)]
    filter: Filter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Death {
    /// The queue in which a message died last
    Last,
    /// The queue in which it died first
    First,
}

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let to = match arguments.to {
        Death::Last => "last",
        Death::First => "first",
    };
    let wanted = Map::from_iter([("to".to_owned(), json!(to))]);
    follow::run(target, (&arguments.queue, "redrive"), wanted, &arguments.filter, &arguments.pace)
}
