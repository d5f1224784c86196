//! `leveret ctl close_connection`.

use std::process::ExitCode;

use clap::Args;

use super::api::Target;
use crate::cli::{announcement::escaped, error::CliError};

/// Options of `leveret ctl close_connection`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The connection's name or pid, as `list_connections` shows it
    #[arg(value_name = "CONNECTION")]
    connection: String,
    /// What its client is told
    #[arg(value_name = "REASON")]
    reason: String,
}

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let path = format!("/connections/{}", escaped(&arguments.connection));
    target.delete(&path, Some(&arguments.reason), "connection")?;
    Ok(ExitCode::SUCCESS)
}
