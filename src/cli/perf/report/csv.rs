//! The report as comma-separated values: a line for each second, and a last one, `total`, for the whole run. Counts are counts of
//! that time, latencies are in microseconds and empty where nothing was timed.

use super::{Report, seconds};
use crate::cli::perf::measure::{Schema, Summary};

pub(super) fn text(report: &Report) -> String {
    let timeline = &report.outcome.timeline;
    let mut lines = vec![header(report.schema)];
    for sample in &timeline.samples {
        let until = format!("{:.3}", seconds(sample.to));
        lines.push(line(until, sample.seconds(), &sample.counts, &sample.latencies));
    }
    let summaries: Vec<_> = timeline.latencies.iter().map(crate::cli::perf::measure::Latencies::summary).collect();
    lines.push(line("total".to_owned(), seconds(report.outcome.elapsed), &timeline.totals, &summaries));
    lines.push(String::new());
    lines.join("\n")
}

fn header(schema: &Schema) -> String {
    let mut names = vec!["until".to_owned(), "seconds".to_owned()];
    names.extend(schema.counters.iter().map(|name| (*name).to_owned()));
    for latency in schema.latencies {
        names.extend(Summary::default().figures().map(|(figure, _)| format!("{latency}_{figure}_us")));
    }
    names.join(",")
}

fn line(until: String, seconds: f64, counts: &[u64], latencies: &[Summary]) -> String {
    let mut cells = vec![until, format!("{seconds:.3}")];
    cells.extend(counts.iter().map(u64::to_string));
    for summary in latencies {
        let cell = |(_, figure): (&str, f64)| if summary.samples > 0 { format!("{figure:.0}") } else { String::new() };
        cells.extend(summary.figures().map(cell));
    }
    cells.join(",")
}
