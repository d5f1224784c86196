//! The report for people.

use std::fmt::Write as _;

use super::super::conductor::EndedBy;
use super::super::measure::Summary;
use super::{Report, micros, seconds, thousands};

pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = write(&mut text, report);
    text
}

fn write(text: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        text,
        "{}: {:.2} s, {}",
        report.brokers.join(", "),
        seconds(report.outcome.elapsed),
        ended(report.outcome.ended_by)
    )?;
    let settings: Vec<_> = report.settings.iter().map(|(name, value)| format!("{name} {}", shown(value))).collect();
    writeln!(text, "{}\n", settings.join(", "))?;
    writeln!(text, "{:<18}{:>16}{:>16}", "", "total", "a second")?;
    for total in report.totals() {
        #[expect(clippy::cast_precision_loss, reason = "a count for people to read")]
        let count = thousands(total.count as f64);
        writeln!(text, "{:<18}{count:>16}{:>16}", total.name, thousands(total.rate))?;
    }
    let latencies = report.latencies();
    if !latencies.is_empty() {
        let names = Summary::default().figures().map(|(name, _)| format!("{name:>11}"));
        writeln!(text, "\n{:<18}{}", "", names.concat())?;
    }
    for (name, summary) in latencies {
        let mean = super::numbers::rounded(summary.mean);
        let figures = [summary.min, mean, summary.p50, summary.p95, summary.p99, summary.p999, summary.max];
        writeln!(text, "{name:<18}{}", figures.map(|figure| format!("{:>11}", micros(figure))).concat())?;
    }
    let processor = report.processor();
    if !processor.is_empty() {
        let used = processor.iter().map(|(who, seconds, each)| format!("{who} {seconds:.2} s ({each:.3} µs each)"));
        writeln!(text, "\nprocessor time     {}", used.collect::<Vec<_>>().join(", "))?;
    }
    for note in &report.notes {
        writeln!(text, "\nNote: {note}.")?;
    }
    Ok(())
}

const fn ended(by: EndedBy) -> &'static str {
    match by {
        EndedBy::Time => "ended by time",
        EndedBy::Count => "all done",
        EndedBy::Signal(_) => "ended by a signal",
        EndedBy::Error => "ended by an error",
    }
}

/// A setting without quotes.
pub(super) fn shown(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
