//! The report as a picture: rates over time, and below them latencies.

mod panel;
mod scale;

use std::fmt::Write as _;

use self::panel::{Frame, Panel, Series, escaped};
use self::scale::Scale;
use super::{Report, seconds};
use crate::cli::perf::measure::{Sample, Summary};

const WIDTH: f64 = 960.0;
const PANEL_HEIGHT: f64 = 260.0;
const LINE_HEIGHT: f64 = 16.0;
/// Letters of a line that have room in the width, about.
const LINE_LENGTH: usize = 140;
const MARGIN: f64 = 16.0;

/// Seconds that a sample has to last to be drawn: what comes in a blink makes a rate of nothing.
const SHORTEST: f64 = 0.1;

/// An SVG document.
pub(super) fn svg(report: &Report) -> String {
    let samples: Vec<_> = report.outcome.timeline.samples.iter().filter(|one| one.seconds() >= SHORTEST).collect();
    let mut panels = vec![rates(report, &samples)];
    panels.extend((!report.latencies().is_empty()).then(|| latencies(report, &samples)));
    let end = samples.last().map_or(1.0, |last| seconds(last.to));
    let mut document = String::new();
    // Writing to a text cannot fail.
    let _ = write(&mut document, report, &panels, end);
    document
}

fn write(out: &mut String, report: &Report, panels: &[Panel], end: f64) -> std::fmt::Result {
    let settings = lines(report);
    let mut top = settings.iter().fold(64.0, |top, _| top + LINE_HEIGHT);
    let mut body = String::new();
    for panel in panels {
        let frame = Frame { left: 90.0, top, width: WIDTH - 90.0 - 170.0, height: PANEL_HEIGHT - 60.0 };
        panel.draw(&mut body, frame, end)?;
        top += PANEL_HEIGHT;
    }
    let height = top + MARGIN;
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">"#
    )?;
    writeln!(out, r##"<rect width="100%" height="100%" fill="#ffffff"/>"##)?;
    writeln!(out, r#"<text x="{MARGIN}" y="24" font-size="16">{}</text>"#, escaped(&report.brokers.join(", ")))?;
    let mut at = 26.0;
    for line in settings {
        at += LINE_HEIGHT;
        writeln!(out, r##"<text x="{MARGIN}" y="{at}" fill="#555555">{}</text>"##, escaped(&line))?;
    }
    out.push_str(&body);
    writeln!(out, "</svg>")
}

/// The settings in as many lines as they need.
fn lines(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (name, value) in &report.settings {
        let setting = format!("{name} {}", super::table::shown(value));
        match lines.last_mut().filter(|line| line.len() + setting.len() < LINE_LENGTH) {
            Some(line) => {
                line.push_str(", ");
                line.push_str(&setting);
            }
            None => lines.push(setting),
        }
    }
    lines
}

fn points(samples: &[&Sample], y: impl Fn(&Sample) -> Option<f64>) -> Vec<(f64, f64)> {
    samples.iter().filter_map(|sample| Some((seconds(sample.to), y(sample)?))).collect()
}

fn rates(report: &Report, samples: &[&Sample]) -> Panel {
    let shown: Vec<_> = report.totals().into_iter().map(|total| total.name).collect();
    let counters = report.schema.counters.iter().enumerate().filter(|(_, name)| shown.contains(name));
    let series: Vec<_> = counters
        .map(|(place, name)| Series {
            name: (*name).to_owned(),
            points: points(samples, |sample| Some(sample.rate(place))),
        })
        .collect();
    let scale = Scale::from_zero(panel::highest(&series));
    Panel { title: "a second", series, scale, label: super::thousands }
}

fn latencies(report: &Report, samples: &[&Sample]) -> Panel {
    let mut series = Vec::new();
    for (place, name) in report.schema.latencies.iter().enumerate() {
        for wanted in ["p50", "p99", "max"] {
            let figure = |summary: &Summary| {
                summary.figures().iter().find(|(name, _)| *name == wanted).map(|(_, figure)| figure.max(1.0))
            };
            let of =
                |sample: &Sample| sample.latencies.get(place).filter(|latency| latency.samples > 0).and_then(figure);
            let points = points(samples, of);
            if !points.is_empty() {
                series.push(Series { name: format!("{name} {wanted}"), points });
            }
        }
    }
    let scale = Scale::logarithmic(panel::lowest(&series), panel::highest(&series));
    Panel { title: "latency", series, scale, label: |micros| super::micros(super::numbers::rounded(micros)) }
}
