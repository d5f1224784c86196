//! A run second by second, and as a whole.

use hdrhistogram::CreationError;

use super::{Latencies, Meters, Summary};

/// What happened between two points in time.
#[derive(Clone, Debug)]
pub(in crate::cli::perf) struct Sample {
    /// Nanoseconds since the run began.
    pub(in crate::cli::perf) from: u64,
    pub(in crate::cli::perf) to: u64,
    /// How much each counter moved.
    pub(in crate::cli::perf) counts: Vec<u64>,
    pub(in crate::cli::perf) latencies: Vec<Summary>,
    /// Why the broker blocked connections, and how many, if it did at the end of this time.
    pub(in crate::cli::perf) blocked: Option<(usize, String)>,
}

impl Sample {
    /// How long it is, in seconds.
    pub(in crate::cli::perf) fn seconds(&self) -> f64 {
        seconds(self.to.saturating_sub(self.from))
    }

    /// Events a second.
    pub(in crate::cli::perf) fn rate(&self, place: usize) -> f64 {
        rate(self.counts.get(place).copied().unwrap_or_default(), self.seconds())
    }
}

/// Nanoseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "a time for people to read")]
pub(in crate::cli::perf) fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// Events a second.
#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
pub(in crate::cli::perf) fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

/// All samples, and their sum.
#[derive(Debug)]
pub(in crate::cli::perf) struct Timeline {
    pub(in crate::cli::perf) samples: Vec<Sample>,
    pub(in crate::cli::perf) totals: Vec<u64>,
    pub(in crate::cli::perf) latencies: Vec<Latencies>,
    interval: Latencies,
}

impl Timeline {
    pub(in crate::cli::perf) fn new(meters: &Meters) -> Result<Self, CreationError> {
        let interval = Latencies::new()?;
        Ok(Self {
            samples: Vec::new(),
            totals: vec![0; meters.schema.counters.len()],
            latencies: vec![interval.clone(); meters.schema.latencies.len()],
            interval,
        })
    }

    /// Adds a sample of what came since the last one.
    pub(in crate::cli::perf) fn sample(&mut self, meters: &Meters, now: u64) -> &Sample {
        let mut counts = Vec::with_capacity(self.totals.len());
        for (place, total) in self.totals.iter_mut().enumerate() {
            let count = meters.total(place);
            counts.push(count - *total);
            *total = count;
        }
        let mut latencies = Vec::with_capacity(self.latencies.len());
        for (place, all) in self.latencies.iter_mut().enumerate() {
            meters.take(place, &mut self.interval);
            all.add(&self.interval);
            latencies.push(self.interval.summary());
        }
        let from = self.samples.last().map_or(0, |last| last.to);
        let sample = Sample { from, to: now.max(from), counts, latencies, blocked: meters.blocked() };
        self.samples.push_mut(sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::perf::measure::Schema;

    static SCHEMA: Schema = Schema { counters: &["a", "b"], always: 1, latencies: &["l"] };

    #[test]
    fn the_samples_add_up_to_the_totals() {
        let meters = Meters::new(&SCHEMA, 2).unwrap();
        let mut timeline = Timeline::new(&meters).unwrap();
        let (one, other) = (meters.of(0), meters.of(1));
        one.count(0, 3, 5);
        other.count(0, 4, 7);
        one.record(0).unwrap().record(2000);
        timeline.sample(&meters, 1_000_000_000);
        other.count(1, 1, 9);
        other.record(0).unwrap().record(4000);
        timeline.sample(&meters, 1_500_000_000);
        let counts: Vec<_> = timeline.samples.iter().map(|sample| sample.counts.clone()).collect();
        assert_eq!(counts, [[7, 0], [0, 1]]);
        assert_eq!(timeline.totals, [7, 1]);
        let medians: Vec<_> = timeline.samples.iter().map(|sample| sample.latencies[0].p50).collect();
        assert_eq!(medians, [2, 4]);
        assert_eq!(timeline.latencies[0].summary().samples, 2);
        assert_eq!((timeline.samples[1].rate(1), meters.moved(0)), (2.0, 7));
    }
}
