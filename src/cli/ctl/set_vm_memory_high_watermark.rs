//! `leveret ctl set_vm_memory_high_watermark`: how much memory the broker may use before publishers are blocked, until the next start.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::api::Target;
use crate::cli::{announcement::escaped, error::CliError};

/// Options of `leveret ctl set_vm_memory_high_watermark`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A part of the memory from 0 to 1, such as 0.4; or `absolute`, and a size
    #[arg(value_name = "LIMIT", required = true, num_args = 1..=2)]
    limit: Vec<String>,
}

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let limit = match arguments.limit.as_slice() {
        [word, value] if word == "absolute" => json!({ "absolute": value }),
        // What is too much is refused where the limit is understood.
        all => json!({ "relative": all.join(" ") }),
    };
    let overview = target.get("/overview")?;
    let node = overview.get("node").and_then(Value::as_str).unwrap_or_default();
    target.put(&format!("/nodes/{}/vm_memory_high_watermark", escaped(node)), &limit, "node")?;
    Ok(ExitCode::SUCCESS)
}
