//! `leveret ctl set_disk_free_limit`: how much of the disk has to be free, until the next start.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::api::Target;
use crate::cli::{announcement::escaped, error::CliError};

/// Options of `leveret ctl set_disk_free_limit`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A size such as 2GiB; or `mem_relative`, and times of the memory, such as 1.5
    #[arg(value_name = "LIMIT", required = true, num_args = 1..=2)]
    limit: Vec<String>,
}

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let limit = match arguments.limit.as_slice() {
        [word, value] if word == "mem_relative" => json!({ "relative": value }),
        // What is too much is refused where the limit is understood.
        all => json!({ "absolute": all.join(" ") }),
    };
    let overview = target.get("/overview")?;
    let node = overview.get("node").and_then(Value::as_str).unwrap_or_default();
    target.put(&format!("/nodes/{}/disk_free_limit", escaped(node)), &limit, "node")?;
    Ok(ExitCode::SUCCESS)
}
