//! The line that is shown each second while a run goes on.

use super::{Sample, Schema};
use crate::cli::perf::report::{micros, thousands};

/// One line: the time, rates, latencies, and whether the broker blocks.
pub(in crate::cli::perf) fn line(schema: &Schema, sample: &Sample) -> String {
    let mut parts = vec![format!("{:>5.0} s", super::timeline::seconds(sample.to))];
    for (place, name) in schema.counters.iter().enumerate() {
        let moved = sample.counts.get(place).is_some_and(|&count| count > 0);
        if place < schema.always || moved {
            parts.push(format!("{name} {}/s", thousands(sample.rate(place))));
        }
    }
    for (name, latency) in schema.latencies.iter().zip(&sample.latencies) {
        if latency.samples > 0 {
            parts.push(format!("{name} p50 {} p99 {}", micros(latency.p50), micros(latency.p99)));
        }
    }
    if let Some((connections, reason)) = &sample.blocked {
        parts.push(format!("BLOCKED by the broker: {reason} ({connections} connections)"));
    }
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::perf::measure::Summary;

    #[test]
    fn a_line_has_what_moved_and_says_when_the_broker_blocks() {
        let schema = Schema { counters: &["published", "nacked"], always: 1, latencies: &["latency", "confirm"] };
        let latency = Summary { samples: 3, p50: 120, p99: 4500, ..Summary::default() };
        let mut sample = Sample {
            from: 1_000_000_000,
            to: 3_000_000_000,
            counts: vec![2_469_134, 0],
            latencies: vec![latency, Summary::default()],
            blocked: None,
        };
        assert_eq!(line(&schema, &sample), "    3 s  published 1,234,567/s  latency p50 120 µs p99 4.5 ms");
        sample.counts[1] = 2;
        sample.blocked = Some((2, "low on memory".to_owned()));
        let text = line(&schema, &sample);
        assert!(text.contains("nacked 1/s"), "{text}");
        assert!(text.ends_with("BLOCKED by the broker: low on memory (2 connections)"), "{text}");
    }
}
