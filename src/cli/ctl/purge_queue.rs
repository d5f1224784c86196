//! `leveret ctl purge_queue`.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Args;
use serde_json::{Value, json};

use super::{
    api::{ApiError, Target},
    filter::Filter,
};
use crate::cli::{announcement::escaped, error::CliError};

/// Shown under the options.
pub(super) const EXAMPLES: &str = "\
Examples:
  leveret ctl purge_queue jobs
      All ready messages
  leveret ctl purge_queue dlq --death-reason expired --older-than 1d
      Of a queue of dead letters those that expired more than a day ago; writes how many that were
  leveret ctl purge_queue jobs --header tenant=7 --limit 1000
      The oldest thousand with that header

They are gone without being dead-lettered. What is with a consumer stays.";

/// Options of `leveret ctl purge_queue`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: String,
    /// Only so many of them, the oldest
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
    #[command(flatten)]
    filter: Filter,
}

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let path = format!("/queues/{}/{}", escaped(&target.vhost), escaped(&arguments.queue));
    let filter = arguments.filter.to_json();
    if filter.is_none() && arguments.limit.is_none() {
        target.delete(&format!("{path}/contents"), None, "queue")?;
        return Ok(ExitCode::SUCCESS);
    }
    let removed = remove(target, &format!("{path}/purge"), &filter.unwrap_or_else(|| json!({})), arguments.limit)?;
    // Nobody reads on: nothing to tell.
    let _ = writeln!(io::stdout(), "{removed} messages removed");
    Ok(ExitCode::SUCCESS)
}

/// Removes those that are meant; how many. The broker looks through a long queue in several goes.
fn remove(target: &Target, path: &str, filter: &Value, limit: Option<u64>) -> Result<u64, ApiError> {
    let mut removed = 0;
    loop {
        let left = limit.map(|limit| limit.saturating_sub(removed));
        let mut wanted = json!({ "filter": filter });
        if let (Some(left), Some(wanted)) = (left, wanted.as_object_mut()) {
            wanted.insert("limit".to_owned(), json!(left));
        }
        let answer = target.post(path, &wanted, "queue")?;
        removed += answer.get("removed").and_then(Value::as_u64).unwrap_or_default();
        let complete = answer.get("complete").and_then(Value::as_bool).unwrap_or(true);
        if complete || limit.is_some_and(|limit| removed >= limit) {
            return Ok(removed);
        }
    }
}
