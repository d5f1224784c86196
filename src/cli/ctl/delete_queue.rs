//! `leveret ctl delete_queue`.

use std::process::ExitCode;

use clap::Args;

use super::api::Target;
use crate::cli::{announcement::escaped, error::CliError};

/// Options of `leveret ctl delete_queue`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: String,
    /// Only if it has no ready messages
    #[arg(long, short = 'e')]
    if_empty: bool,
    /// Only if it has no consumers
    #[arg(long, short = 'u')]
    if_unused: bool,
}

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let Arguments { queue, if_empty, if_unused } = arguments;
    let (vhost, queue) = (escaped(&target.vhost), escaped(queue));
    let path = format!("/queues/{vhost}/{queue}?if-empty={if_empty}&if-unused={if_unused}");
    target.delete(&path, None, "queue")?;
    Ok(ExitCode::SUCCESS)
}
