//! `leveret ctl set_vm_memory_high_watermark`: how much memory the broker may use before publishers are blocked, until the next start.

use std::process::ExitCode;

use clap::Args;

use super::api::Target;
use super::node_limit::NodeLimit;
use crate::cli::error::CliError;

/// Options of `leveret ctl set_vm_memory_high_watermark`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A part of the memory from 0 to 1, such as 0.4; or `absolute`, and a size
    #[arg(value_name = "LIMIT", required = true, num_args = 1..=2)]
    limit: Vec<String>,
}

const LIMIT: NodeLimit =
    NodeLimit { setting: "vm_memory_high_watermark", with_word: ("absolute", "absolute"), alone: "relative" };

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    LIMIT.set(target, &arguments.limit)
}
