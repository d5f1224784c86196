//! What a run writes when it is over. One file for each form.

mod chart;
mod csv;
mod json;
mod numbers;
mod table;

#[cfg(test)]
mod tests;

use std::io::{self, Write as _};

use serde_json::Value;

pub(super) use self::numbers::{micros, thousands};
use super::conductor::Outcome;
use super::error::PerfError;
use super::measure::{Schema, Summary, rate, seconds};
use super::options::{Format, Options};
use super::processor::Used;

/// A run and how it went.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) schema: &'static Schema,
    /// Products and versions of the brokers.
    pub(super) brokers: Vec<String>,
    /// What was asked for, by the names of options.
    pub(super) settings: Vec<(&'static str, Value)>,
    /// What has to be known to read the figures rightly.
    pub(super) notes: Vec<String>,
    pub(super) outcome: Outcome,
}

/// A counter over the whole run.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Total {
    name: &'static str,
    count: u64,
    /// Events a second.
    rate: f64,
}

impl Report {
    /// The counters that moved, and those that are always shown.
    fn totals(&self) -> Vec<Total> {
        let seconds = seconds(self.outcome.elapsed);
        let names = self.schema.counters.iter().zip(&self.outcome.timeline.totals).enumerate();
        let shown = names.filter(|(place, (_, count))| *place < self.schema.always || **count > 0);
        shown.map(|(_, (name, &count))| Total { name, count, rate: rate(count, seconds) }).collect()
    }

    /// Latencies of which there are any.
    fn latencies(&self) -> Vec<(&'static str, Summary)> {
        let summaries = self.outcome.timeline.latencies.iter().map(super::measure::Latencies::summary);
        let named = self.schema.latencies.iter().copied().zip(summaries);
        named.filter(|(_, summary)| summary.samples > 0).collect()
    }

    /// Who used how many seconds of processor time, and how many microseconds that is for each message or cycle.
    fn processor(&self) -> Vec<(&'static str, f64, f64)> {
        let done = self.outcome.timeline.totals.iter().take(self.schema.always).max().copied().unwrap_or_default();
        let Used { generator, broker } = self.outcome.processor;
        let used = [("generator", generator), ("broker", broker)];
        used.iter().filter_map(|&(who, used)| used.map(|used| (who, used, each(used, done)))).collect()
    }
}

/// Microseconds for each, of so many seconds for all.
#[expect(clippy::cast_precision_loss, reason = "a figure for people to read")]
fn each(seconds: f64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { seconds * 1e6 / all as f64 }
}

/// Writes the report in the form asked for, and the chart; then tells what had ended the run, if it was an error.
pub(super) fn write(options: &Options, report: Report) -> Result<(), PerfError> {
    let text = match options.format {
        Format::Table => table::text(&report),
        Format::Json => format!("{:#}\n", json::value(&report)),
        Format::Csv => csv::text(&report),
    };
    // Nobody reads on: nothing to tell.
    let _ = io::stdout().write_all(text.as_bytes());
    if let Some(path) = &options.chart {
        let written = std::fs::write(path, chart::svg(&report));
        written.map_err(|source| PerfError::Chart { path: path.clone(), source })?;
    }
    report.outcome.error.map_or(Ok(()), Err)
}
