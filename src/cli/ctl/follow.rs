//! A move that the broker makes in the background, begun and followed to its end. What commands that move have in common.

use std::{process::ExitCode, thread, time::Duration};

use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    api::{ApiError, Target},
    filter::Filter,
};
use crate::cli::{announcement::escaped, error::CliError};

/// How often it is asked how far a move has come.
const PERIOD: Duration = Duration::from_millis(100);

/// Options of commands that move messages.
#[derive(Clone, Debug, Args)]
pub(super) struct Pace {
    /// Move at most so many messages
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
    /// Move at most so many messages a second
    #[arg(long, value_name = "NUMBER")]
    rate: Option<u64>,
    /// Do not wait for the end: write the move's number, see `list_moves` and `cancel_move`
    #[arg(long)]
    no_wait: bool,
}

/// Begins a move out of a queue and waits for its end.
pub(super) fn run(
    target: &Target,
    (queue, way): (&str, &str),
    mut wanted: Map<String, Value>,
    filter: &Filter,
    pace: &Pace,
) -> Result<ExitCode, CliError> {
    let given =
        [("filter", filter.to_json()), ("limit", pace.limit.map(Value::from)), ("rate", pace.rate.map(Value::from))];
    wanted.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    let vhost = escaped(&target.vhost);
    let path = format!("/queues/{vhost}/{}/{way}", escaped(queue));
    let mut job = target.post(&path, &json!(wanted), "queue")?;
    let id = job.get("id").cloned().unwrap_or_default();
    if pace.no_wait {
        println(&id.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    while !matches!(state(&job), "done" | "cancelled") {
        thread::sleep(PERIOD);
        job = target.get(&format!("/moves/{vhost}/{id}"))?;
    }
    println(&summary(&job));
    match state(&job) {
        "done" => Ok(ExitCode::SUCCESS),
        _ => Err(ApiError::Refused(format!("move {id} was cancelled before its end")).into()),
    }
}

/// How far a move has come, in a line.
fn summary(job: &Value) -> String {
    let count = |field| job.get(field).and_then(Value::as_u64).unwrap_or_default();
    let (seen, moved, stuck) = (count("seen"), count("moved"), count("stuck"));
    let stayed = if stuck == 0 { String::new() } else { format!("; {stuck} stay, as there is no way for them") };
    format!("{moved} messages moved, {seen} looked at{stayed}")
}

fn state(job: &Value) -> &str {
    job.get("state").and_then(Value::as_str).unwrap_or_default()
}

fn println(line: &str) {
    use std::io::Write as _;
    // Nobody reads on: nothing to tell.
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_told_of_where_there_is_something() {
        let job = json!({ "state": "done", "seen": 7, "moved": 5, "stuck": 0 });
        assert_eq!(summary(&job), "5 messages moved, 7 looked at");
        let job = json!({ "state": "done", "seen": 7, "moved": 5, "stuck": 2 });
        assert_eq!(summary(&job), "5 messages moved, 7 looked at; 2 stay, as there is no way for them");
    }
}
