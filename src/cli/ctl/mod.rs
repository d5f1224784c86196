//! `leveret ctl`: looks after a node and its data. One file for each command.

mod store_check;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::error::CliError;

/// Shown under the commands.
pub(super) const EXAMPLES: &str = "\
Examples:
  leveret ctl store check
      Look through ./leveret-data; nothing is changed, and the broker has to be stopped
  leveret ctl store check --data-dir /var/lib/leveret --json
      The same of another directory, for a program to read

Exit codes: 0 all is well, 1 something is damaged, 64 wrong use, 69 in use or no data directory, 74 cannot be read.";

/// Options of `leveret ctl`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// The files that queues and messages are kept in
    #[command(subcommand, after_help = EXAMPLES)]
    Store(Store),
}

#[derive(Debug, Subcommand)]
enum Store {
    /// Look through a data directory while no broker uses it: what is in it, and what is damaged
    #[command(after_help = EXAMPLES)]
    Check(store_check::Arguments),
}

/// Does what the arguments say.
pub(super) fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    match arguments.subject {
        Subject::Store(Store::Check(arguments)) => store_check::run(&arguments),
    }
}
