//! A run second by second, and as a whole.

use hdrhistogram::CreationError;

use super::{Latencies, Meters, Summary};

/// The most samples that are kept: a run of any length has to fit into memory. Those of five hours, a second each; a longer run has
/// half as many, twice as long.
const MOST: usize = 20_000;

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

    /// Takes the next one in.
    fn join(&mut self, next: &Self) {
        self.to = next.to;
        for (count, more) in self.counts.iter_mut().zip(&next.counts) {
            *count += more;
        }
        for (latency, other) in self.latencies.iter_mut().zip(&next.latencies) {
            *latency = latency.joined(other);
        }
        self.blocked.clone_from(&next.blocked);
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
        if self.samples.len() >= MOST {
            self.samples = self.samples.chunks(2).filter_map(joined).collect();
        }
        let from = self.samples.last().map_or(0, |last| last.to);
        let sample = Sample { from, to: now.max(from), counts, latencies, blocked: meters.blocked() };
        self.samples.push_mut(sample)
    }
}

/// One sample of several.
fn joined(samples: &[Sample]) -> Option<Sample> {
    let (first, rest) = samples.split_first()?;
    let mut sample = first.clone();
    rest.iter().for_each(|next| sample.join(next));
    Some(sample)
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

    #[test]
    fn a_run_of_many_hours_keeps_its_sums_in_fewer_samples() {
        let meters = Meters::new(&SCHEMA, 1).unwrap();
        let mut timeline = Timeline::new(&meters).unwrap();
        timeline.sample(&meters, 1);
        let one = Sample { counts: vec![3, 1], ..timeline.samples[0].clone() };
        timeline.samples =
            (0..MOST as u64).map(|number| Sample { from: number, to: number + 1, ..one.clone() }).collect();
        timeline.sample(&meters, MOST as u64 + 1);
        assert_eq!(timeline.samples.len(), MOST / 2 + 1);
        let published: u64 = timeline.samples.iter().map(|sample| sample.counts[0]).sum();
        assert_eq!(published, 3 * MOST as u64);
        let joined = timeline.samples.windows(2).all(|pair| pair[0].to == pair[1].from);
        assert!(joined && timeline.samples[0].from == 0);
    }
}
