//! When each message of a publisher is due: fixed rates, ramps and steps. Knows no clock, so that a run's schedule does
//! not depend on how the run goes: that is what corrects latencies for coordinated omission.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::cli::perf::values;

/// A part of a plan: the rate goes evenly from one to the other.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    /// Messages a second.
    from: f64,
    to: f64,
    /// How long; without it until the end of the run.
    seconds: Option<f64>,
}

/// Rates as they are typed: `1000`, `1k..50k:30s`, `1k:10s,5k:10s,10k`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli::perf) struct Rates {
    text: String,
    segments: Vec<Segment>,
}

/// As it was typed.
impl fmt::Display for Rates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for Rates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let segments = text.split(',').map(segment).collect::<Result<Vec<_>, _>>()?;
        if segments.iter().rev().skip(1).any(|segment| segment.seconds.is_none()) {
            return Err("all rates but the last need a time, as in 1k:10s,5k".to_owned());
        }
        if segments.iter().all(|segment| segment.from == 0.0 && segment.to == 0.0) {
            return Err("with a rate of 0 nothing would be published; --publishers 0 leaves publishers out".to_owned());
        }
        Ok(Self { text: text.to_owned(), segments })
    }
}

fn segment(text: &str) -> Result<Segment, String> {
    let (rates, seconds) = match text.split_once(':') {
        Some((rates, time)) => (rates, Some(values::duration(time)?.as_secs_f64())),
        None => (text, None),
    };
    let (from, to) = match rates.split_once("..") {
        Some((from, to)) => (rate(from)?, rate(to)?),
        None => (rate(rates)?, rate(rates)?),
    };
    Ok(Segment { from, to, seconds })
}

fn rate(text: &str) -> Result<f64, String> {
    let wrong = || format!("'{text}' is no rate; write it as 1000, 10k, 1k..50k:30s or 1k:10s,5k:10s");
    let count = values::count(text).map_err(|_| wrong())?;
    u32::try_from(count).map(f64::from).map_err(|_| wrong())
}

impl Rates {
    /// The plan for a run of this length. A ramp without a time takes the whole run.
    pub(in crate::cli::perf) fn plan(&self, run: Option<Duration>) -> Result<RatePlan, String> {
        let mut parts = Vec::with_capacity(self.segments.len() + 1);
        let (mut began, mut before) = (0.0, 0.0);
        for segment in &self.segments {
            let Segment { from, to, seconds } = *segment;
            let left = run.map(|run| (run.as_secs_f64() - began).max(f64::MIN_POSITIVE));
            let by_itself = if from == to { Some(f64::INFINITY) } else { left };
            let Some(seconds) = seconds.or(by_itself) else {
                return Err("the ramp needs a time: --time 60s, or as in --rate 1k..50k:30s".to_owned());
            };
            parts.push(Part { from, to, seconds, began, before });
            began += seconds;
            before += if seconds.is_finite() { f64::midpoint(from, to) * seconds } else { 0.0 };
        }
        // The last rate stays.
        if let Some(to) = self.segments.last().map(|last| last.to).filter(|_| began.is_finite()) {
            parts.push(Part { from: to, to, seconds: f64::INFINITY, began, before });
        }
        Ok(RatePlan(parts))
    }
}

/// A segment in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    from: f64,
    to: f64,
    seconds: f64,
    /// Seconds before it.
    began: f64,
    /// Messages due before it.
    before: f64,
}

impl Part {
    /// Messages due in it.
    fn messages(&self) -> f64 {
        if self.seconds.is_finite() {
            return f64::midpoint(self.from, self.to) * self.seconds;
        }
        if self.to > 0.0 { f64::INFINITY } else { 0.0 }
    }

    /// Seconds from its beginning until so many messages were due: the inverse of `from * t + (to - from) * t^2 / (2 * seconds)`.
    fn time(&self, messages: f64) -> f64 {
        let growth = (self.to - self.from) / self.seconds;
        if growth == 0.0 {
            return if messages == 0.0 { 0.0 } else { messages / self.from };
        }
        // This form of the solution stays exact where growth is small.
        let root = (self.from * self.from + 2.0 * growth * messages).max(0.0).sqrt();
        if messages == 0.0 { 0.0 } else { 2.0 * messages / (self.from + root) }
    }
}

/// When messages are due.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli::perf) struct RatePlan(Vec<Part>);

impl RatePlan {
    /// When the message is due, in nanoseconds since the run began; nothing if never. The first message has number 0. `phase`, from 0
    /// to 1, is how far a publisher is behind another one, so that many do not publish all at once.
    pub(in crate::cli::perf) fn due(&self, number: u64, phase: f64) -> Option<u64> {
        let messages = position(number) + phase;
        let part = self.0.iter().find(|part| messages < part.before + part.messages())?;
        Some(as_nanos(part.began + part.time(messages - part.before)))
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 9 * 10^15 messages")]
const fn position(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative; too large becomes the largest"
)]
fn as_nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn plan(text: &str, run: Option<u64>) -> RatePlan {
        text.parse::<Rates>().unwrap().plan(run.map(Duration::from_secs)).unwrap()
    }

    /// How many messages are due before this second.
    fn due_before(plan: &RatePlan, second: u64) -> usize {
        (0..).take_while(|&number| plan.due(number, 0.0).is_some_and(|due| due < second * SECOND)).count()
    }

    #[test]
    fn a_fixed_rate_has_equal_gaps() {
        let plan = plan("1k", None);
        let due: Vec<_> = [0, 1, 1000, 3_600_000].iter().map(|&number| plan.due(number, 0.0)).collect();
        assert_eq!(due, [Some(0), Some(SECOND / 1000), Some(SECOND), Some(3600 * SECOND)]);
        assert_eq!(plan.due(0, 0.5), Some(500_000));
    }

    #[test]
    fn a_ramp_grows_evenly_and_its_end_stays() {
        let plan = plan("0..1000:10s", None);
        // The area under the line: 1000 / 10 * t^2 / 2.
        assert_eq!([due_before(&plan, 1), due_before(&plan, 5), due_before(&plan, 10)], [50, 1250, 5000]);
        assert_eq!(due_before(&plan, 12) - due_before(&plan, 10), 2000);
        let falling = self::plan("1000..0:10s", None);
        assert_eq!([due_before(&falling, 1), due_before(&falling, 10)], [950, 5000]);
        assert_eq!(falling.due(5000, 0.0), None);
    }

    #[test]
    fn a_ramp_without_a_time_takes_the_whole_run() {
        assert_eq!(due_before(&plan("0..1000", Some(4)), 4), 2000);
        let error = "1k..2k".parse::<Rates>().unwrap().plan(None).unwrap_err();
        assert!(error.contains("--time"), "{error}");
    }

    #[test]
    fn steps_follow_each_other_and_may_pause() {
        let plan = plan("100:2s,0:3s,50", None);
        let before: Vec<_> = [1, 2, 5, 6, 8].iter().map(|&second| due_before(&plan, second)).collect();
        assert_eq!(before, [100, 200, 200, 250, 350]);
    }

    #[test]
    fn due_times_never_go_back() {
        for text in ["3", "1..7:3s,0:1s,9..2:5s,4", "5M"] {
            let plan = plan(text, None);
            let due: Vec<_> = (0..500).filter_map(|number| plan.due(number, 0.3)).collect();
            assert!(due.len() == 500 && due.is_sorted(), "{text}: {due:?}");
        }
    }

    #[test]
    fn wrong_rates_are_told_how_to_be_written() {
        for (text, expected) in [
            ("fast", "1k..50k:30s"),
            ("1k..", "1k..50k:30s"),
            ("1k:soon", "500ms, 30s"),
            ("1k,2k", "all rates but the last need a time"),
            ("0", "--publishers 0"),
        ] {
            let error = text.parse::<Rates>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
