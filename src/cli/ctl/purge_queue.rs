//! `leveret ctl purge_queue`.

use std::process::ExitCode;

use clap::Args;

use super::api::Target;
use crate::cli::{announcement::escaped, error::CliError};

/// Options of `leveret ctl purge_queue`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: String,
}

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let path = format!("/queues/{}/{}/contents", escaped(&target.vhost), escaped(&arguments.queue));
    target.delete(&path, None, "queue")?;
    Ok(ExitCode::SUCCESS)
}
