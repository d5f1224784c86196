//! Leads a run: waits for its end, shows progress each second, and tells workers to stop.

use std::future::pending;
use std::io::{self, Write as _};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::error::PerfError;
use super::measure::{Meters, Timeline, progress_line};
use super::processor::{Processor, Used};
use crate::cli::signals::Signals;

/// How often it is looked whether a run is over that has to be watched for it.
const WATCH: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);

/// What a worker was that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Ends by itself when all is done.
    Finishing,
    /// Goes on until it is told to stop.
    Lasting,
}

pub(super) type Workers = JoinSet<(Role, Result<(), PerfError>)>;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndedBy {
    Time,
    /// Everything that was to be done is done.
    Count,
    /// Ctrl-C, or SIGTERM.
    Signal(u8),
    Error,
}

impl EndedBy {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Count => "count",
            Self::Signal(_) => "signal",
            Self::Error => "error",
        }
    }
}

/// How a run went.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) timeline: Timeline,
    /// Nanoseconds from the beginning to the end.
    pub(super) elapsed: u64,
    pub(super) ended_by: EndedBy,
    pub(super) processor: Used,
    pub(super) error: Option<PerfError>,
}

/// What leads a run.
#[derive(Debug)]
pub(super) struct Conductor<'a> {
    pub(super) clock: Clock,
    pub(super) meters: &'a Meters,
    pub(super) stop: CancellationToken,
    pub(super) signals: &'a mut Signals,
    /// When the run ends in any case.
    pub(super) limit: Option<Duration>,
    pub(super) progress: bool,
    pub(super) processor: Processor,
}

impl Conductor<'_> {
    /// Leads the run to its end. `over` is asked with the time and the number of workers that have not finished by themselves.
    pub(super) async fn lead(
        self,
        mut workers: Workers,
        mut finishing: usize,
        mut over: impl FnMut(&Meters, u64, usize) -> bool,
    ) -> Result<Outcome, PerfError> {
        let mut timeline = Timeline::new(self.meters)?;
        let used = self.processor.used();
        let began = Instant::now();
        let mut second = interval_at(began + SECOND, SECOND);
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut watch = interval_at(began + WATCH, WATCH);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let limit = async {
            match self.limit {
                Some(limit) => sleep_until(began + limit).await,
                None => pending().await,
            }
        };
        tokio::pin!(limit);
        let (ended_by, mut error) = loop {
            tokio::select! {
                biased;
                signal = self.signals.next() => break (EndedBy::Signal(signal), None),
                () = &mut limit => break (EndedBy::Time, None),
                Some(ended) = workers.join_next() => match ended {
                    Ok((_, Err(error))) => break (EndedBy::Error, Some(error)),
                    Ok((role, Ok(()))) => finishing -= usize::from(role == Role::Finishing),
                    Err(panicked) => break (EndedBy::Error, Some(PerfError::Worker(panicked))),
                },
                _ = second.tick() => {
                    let sample = timeline.sample(self.meters, self.clock.nanos());
                    if self.progress {
                        show(&progress_line(self.meters.schema, sample));
                    }
                }
                _ = watch.tick() => if over(self.meters, self.clock.nanos(), finishing) {
                    break (EndedBy::Count, None);
                }
            }
        };
        let elapsed = self.clock.nanos();
        let processor = self.processor.used().since(used);
        self.stop.cancel();
        let closing = async {
            while let Some(ended) = workers.join_next().await {
                if let (Ok((_, Err(also))), None) = (ended, &error) {
                    error = Some(also);
                }
            }
        };
        // A second signal means: do not wait for connections to close.
        tokio::select! {
            () = closing => {}
            _ = self.signals.next() => {}
        }
        let elapsed = match ended_by {
            EndedBy::Count => (0..self.meters.schema.counters.len()).map(|place| self.meters.moved(place)).max(),
            EndedBy::Time | EndedBy::Signal(_) | EndedBy::Error => Some(elapsed),
        };
        let elapsed = elapsed.unwrap_or_default();
        timeline.sample(self.meters, elapsed);
        Ok(Outcome { timeline, elapsed, ended_by, processor, error })
    }
}

/// A line on standard error, where results do not go.
pub(super) fn show(line: &str) {
    // Nobody reads progress: no reason to stop.
    let _ = writeln!(io::stderr(), "{line}");
}
