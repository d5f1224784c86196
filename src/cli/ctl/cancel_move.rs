//! `leveret ctl cancel_move`.

use std::process::ExitCode;

use clap::Args;

use super::api::Target;
use crate::cli::{announcement::escaped, error::CliError};

/// Options of `leveret ctl cancel_move`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The move's number, as `list_moves` shows it. What it has moved stays moved
    #[arg(value_name = "MOVE")]
    number: u64,
}

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    target.delete(&format!("/moves/{}/{}", escaped(&target.vhost), arguments.number), None, "move")?;
    Ok(ExitCode::SUCCESS)
}
