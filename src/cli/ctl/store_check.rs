//! `leveret ctl store check`: what is in a data directory that no broker uses, for people or as JSON. Changes nothing.

use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::error::CliError,
    node::check::{Content, StoreReport, check_store},
};

/// Something is damaged.
const DAMAGED: u8 = 1;

/// Options of `leveret ctl store check`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The directory to look through
    #[arg(long, value_name = "DIR", default_value = "leveret-data")]
    data_dir: PathBuf,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// Writes the report; the exit code tells whether all is well.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, CliError> {
    let report = check_store(&arguments.data_dir).map_err(CliError::Check)?;
    let text = if arguments.json {
        format!("{:#}\n", as_json(&report))
    } else {
        Text { report: &report, directory: &arguments.data_dir }.to_string()
    };
    // The exit code says it as well when nobody reads.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

fn as_json(report: &StoreReport) -> Value {
    let content = |content: &Content| json!({ "messages": content.messages, "bytes": content.bytes });
    let files = report.files.iter().map(|file| {
        json!({ "file": file.file, "number": file.number, "frames": file.frames, "records": file.records,
                "bytes": file.bytes })
    });
    let segments = report.segments.iter().map(|segment| {
        json!({ "number": segment.number, "messages": segment.content.messages, "bytes": segment.content.bytes })
    });
    let queues = report.queues.iter().map(|queue| {
        json!({ "vhost": queue.vhost, "name": queue.name, "messages": queue.content.messages,
                "bytes": queue.content.bytes })
    });
    let damage = report
        .findings
        .iter()
        .map(|finding| json!({ "file": finding.file, "offset": finding.offset, "problem": finding.problem }));
    json!({
        "node": report.node,
        "log": files.collect::<Value>(),
        "free": report.free,
        "segments": segments.collect::<Value>(),
        "queues": queues.collect::<Value>(),
        "left_of_deleted_queues": content(&report.left),
        "damage": damage.collect::<Value>(),
    })
}

/// The report for people.
struct Text<'a> {
    report: &'a StoreReport,
    directory: &'a Path,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        writeln!(f, "Data directory {}, node {}\n", self.directory.display(), report.node)?;
        table(f, "Log", &["file", "number", "frames", "records", "bytes"], &report.files, |file| {
            vec![
                file.file.clone(),
                file.number.to_string(),
                file.frames.to_string(),
                file.records.to_string(),
                file.bytes.to_string(),
            ]
        })?;
        writeln!(f, "Free log files: {}\n", report.free.len())?;
        table(f, "Segments", &["number", "messages", "bytes"], &report.segments, |segment| {
            vec![segment.number.to_string(), segment.content.messages.to_string(), segment.content.bytes.to_string()]
        })?;
        table(f, "Queues", &["vhost", "name", "messages", "bytes"], &report.queues, |queue| {
            let Content { messages, bytes } = queue.content;
            vec![queue.vhost.clone(), queue.name.clone(), messages.to_string(), bytes.to_string()]
        })?;
        if report.left.messages > 0 {
            writeln!(f, "Left of deleted queues: {} messages\n", report.left.messages)?;
        }
        if report.findings.is_empty() {
            return writeln!(f, "Nothing is damaged.");
        }
        writeln!(f, "Damage")?;
        report.findings.iter().try_for_each(|finding| writeln!(f, "  {}", finding.problem))
    }
}

/// A title with how many there are, and a row for each: first column to the left, others to the right.
fn table<T>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    columns: &[&str],
    items: &[T],
    row: impl Fn(&T) -> Vec<String>,
) -> fmt::Result {
    writeln!(f, "{title}: {}", items.len())?;
    if items.is_empty() {
        return f.write_char('\n');
    }
    let mut rows = vec![columns.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>()];
    rows.extend(items.iter().map(row));
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns.len()).map(|column| width(column).unwrap_or(0)).collect();
    for row in &rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let is_number = column > 0 && columns.get(column) != Some(&"name");
            if is_number {
                write!(line, "  {cell:>width$}")?;
            } else {
                write!(line, "  {cell:<width$}")?;
            }
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    f.write_char('\n')
}
