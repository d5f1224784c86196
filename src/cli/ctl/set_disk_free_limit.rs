//! `leveret ctl set_disk_free_limit`: how much of the disk has to be free, until the next start.

use std::process::ExitCode;

use clap::Args;

use super::api::Target;
use super::node_limit::NodeLimit;
use crate::cli::error::CliError;

/// Options of `leveret ctl set_disk_free_limit`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A size such as 2GiB; or `mem_relative`, and times of the memory, such as 1.5
    #[arg(value_name = "LIMIT", required = true, num_args = 1..=2)]
    limit: Vec<String>,
}

const LIMIT: NodeLimit =
    NodeLimit { setting: "disk_free_limit", with_word: ("mem_relative", "relative"), alone: "absolute" };

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    LIMIT.set(target, &arguments.limit)
}
