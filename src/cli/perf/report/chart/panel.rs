//! One diagram: axes, grid, lines and their names.

use std::fmt::{self, Write};

use super::scale::Scale;

/// Colours that people tell apart who see fewer of them (after Okabe and Ito).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"];

/// Ticks of the time axis.
const TIMES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// A line: seconds and values.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) series: Vec<Series>,
    pub(super) scale: Scale,
    /// How a value is written at the axis.
    pub(super) label: fn(f64) -> String,
}

/// Where the lines are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

pub(super) fn highest(series: &[Series]) -> f64 {
    values(series).fold(0.0, f64::max)
}

pub(super) fn lowest(series: &[Series]) -> f64 {
    values(series).fold(f64::INFINITY, f64::min)
}

fn values(series: &[Series]) -> impl Iterator<Item = f64> {
    series.iter().flat_map(|series| series.points.iter().map(|(_, value)| *value))
}

/// Text as it may stand in XML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Panel {
    /// Appends the diagram, over the time from 0 to `end` seconds.
    pub(super) fn draw(&self, out: &mut String, frame: Frame, end: f64) -> fmt::Result {
        let Frame { left, top, width, height } = frame;
        let y = |value: f64| top + height * (1.0 - self.scale.place(value));
        let x = |second: f64| left + width * second / end;
        writeln!(out, r#"<text x="{left}" y="{:.1}" font-weight="bold">{}</text>"#, top - 8.0, self.title)?;
        for &tick in &self.scale.ticks {
            let (at, right, beside) = (y(tick), left + width, left - 8.0);
            writeln!(out, r##"<line x1="{left}" y1="{at:.1}" x2="{right}" y2="{at:.1}" stroke="#dddddd"/>"##)?;
            let label = escaped(&(self.label)(tick));
            writeln!(out, r#"<text x="{beside}" y="{:.1}" text-anchor="end">{label}</text>"#, at + 4.0)?;
        }
        for part in TIMES {
            let (second, below) = (end * part, top + height + 16.0);
            writeln!(out, r#"<text x="{:.1}" y="{below:.1}" text-anchor="middle">{second:.1} s</text>"#, x(second))?;
        }
        let mut beside = top + 4.0;
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let points: Vec<_> =
                series.points.iter().map(|&(second, value)| format!("{:.1},{:.1}", x(second), y(value))).collect();
            let points = points.join(" ");
            writeln!(out, r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>"#)?;
            // A line of one point would not be seen.
            if let [(second, value)] = series.points.as_slice() {
                let (across, down) = (x(*second), y(*value));
                writeln!(out, r#"<circle cx="{across:.1}" cy="{down:.1}" r="3" fill="{colour}"/>"#)?;
            }
            let name = escaped(&series.name);
            writeln!(out, r#"<text x="{:.1}" y="{beside:.1}" fill="{colour}">{name}</text>"#, left + width + 12.0)?;
            beside += 16.0;
        }
        Ok(())
    }
}
