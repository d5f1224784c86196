//! Latencies in an HDR histogram: microseconds with three significant digits, up to an hour.

use hdrhistogram::{CreationError, Histogram};
use parking_lot::MutexGuard;

const HOUR_MICROS: u64 = 3_600_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;
const NANOS_PER_MICRO: u64 = 1000;

/// How many messages, or operations, took how long.
#[derive(Clone, Debug)]
pub(in crate::cli::perf) struct Latencies(Histogram<u64>);

/// What a report says of latencies, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::cli::perf) struct Summary {
    pub(in crate::cli::perf) samples: u64,
    pub(in crate::cli::perf) min: u64,
    pub(in crate::cli::perf) mean: f64,
    pub(in crate::cli::perf) p50: u64,
    pub(in crate::cli::perf) p95: u64,
    pub(in crate::cli::perf) p99: u64,
    pub(in crate::cli::perf) p999: u64,
    pub(in crate::cli::perf) max: u64,
}

impl Summary {
    /// Both together. What share of both was how fast is not known any more: of each figure the higher one stands.
    pub(super) fn joined(&self, other: &Self) -> Self {
        if self.samples == 0 || other.samples == 0 {
            return if self.samples == 0 { *other } else { *self };
        }
        let samples = self.samples + other.samples;
        let sum = self.mean.mul_add(whole(self.samples), other.mean * whole(other.samples));
        Self {
            samples,
            min: self.min.min(other.min),
            mean: sum / whole(samples),
            p50: self.p50.max(other.p50),
            p95: self.p95.max(other.p95),
            p99: self.p99.max(other.p99),
            p999: self.p999.max(other.p999),
            max: self.max.max(other.max),
        }
    }

    /// All figures but the number of samples, with their names.
    pub(in crate::cli::perf) fn figures(&self) -> [(&'static str, f64); 7] {
        [
            ("min", whole(self.min)),
            ("mean", self.mean),
            ("p50", whole(self.p50)),
            ("p95", whole(self.p95)),
            ("p99", whole(self.p99)),
            ("p999", whole(self.p999)),
            ("max", whole(self.max)),
        ]
    }
}

/// A number as one with a fraction.
#[expect(clippy::cast_precision_loss, reason = "an hour in microseconds has 32 bits, and nobody records 2^53 messages")]
const fn whole(value: u64) -> f64 {
    value as f64
}

impl Latencies {
    pub(in crate::cli::perf) fn new() -> Result<Self, CreationError> {
        Histogram::new_with_bounds(1, HOUR_MICROS, SIGNIFICANT_DIGITS).map(Self)
    }

    pub(in crate::cli::perf) fn add(&mut self, others: &Self) {
        // Refused only where bounds differ, and all have the same.
        let added = self.0.add(&others.0);
        debug_assert!(added.is_ok(), "bounds are the same");
    }

    pub(in crate::cli::perf) fn clear(&mut self) {
        self.0.reset();
    }

    pub(in crate::cli::perf) fn summary(&self) -> Summary {
        let at = |quantile| self.0.value_at_quantile(quantile).min(self.0.max());
        Summary {
            samples: self.0.len(),
            min: self.0.min(),
            mean: self.0.mean(),
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: self.0.max(),
        }
    }

    fn record(&mut self, micros: u64, count: u64) {
        self.0.saturating_record_n(micros, count);
    }
}

/// Latencies while they are recorded. Messages that were published together and came together took equally long, so runs of
/// them are recorded at once.
#[derive(Debug)]
pub(in crate::cli::perf) struct Recording<'a> {
    into: MutexGuard<'a, Latencies>,
    micros: u64,
    count: u64,
}

impl<'a> Recording<'a> {
    pub(super) const fn new(into: MutexGuard<'a, Latencies>) -> Self {
        Self { into, micros: 0, count: 0 }
    }

    #[inline]
    pub(in crate::cli::perf) fn record(&mut self, nanos: u64) {
        let micros = nanos / NANOS_PER_MICRO;
        if micros != self.micros {
            self.write();
            self.micros = micros;
        }
        self.count += 1;
    }

    fn write(&mut self) {
        if self.count > 0 {
            self.into.record(self.micros, self.count);
            self.count = 0;
        }
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        self.write();
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    fn recorded(nanos: impl IntoIterator<Item = u64>) -> Summary {
        let latencies = Mutex::new(Latencies::new().unwrap());
        let mut recording = Recording::new(latencies.lock());
        nanos.into_iter().for_each(|nanos| recording.record(nanos));
        drop(recording);
        latencies.into_inner().summary()
    }

    #[test]
    fn runs_of_equal_latencies_count_each() {
        let summary = recorded([5000, 5999, 7000, 5000, 0]);
        assert_eq!((summary.samples, summary.min, summary.p50, summary.max), (5, 0, 5, 7));
    }

    #[test]
    fn what_takes_more_than_an_hour_counts_as_the_longest() {
        let summary = recorded([u64::MAX]);
        assert_eq!(summary.samples, 1);
        assert!(summary.max >= HOUR_MICROS, "{summary:?}");
    }

    #[test]
    fn joined_figures_are_never_too_good() {
        let (one, other) = (recorded([1000, 2000, 3000]), recorded([9000]));
        let joined = one.joined(&other);
        assert_eq!((joined.samples, joined.min, joined.p50, joined.max), (4, 1, 9, 9));
        assert!((joined.mean - 3.75).abs() < 0.01, "{joined:?}");
        assert_eq!((Summary::default().joined(&one), one.joined(&Summary::default())), (one, one));
    }

    #[test]
    fn nothing_recorded_is_all_zero() {
        assert_eq!(recorded([]), Summary::default());
    }
}
