//! Moves that run in the background: a thread each, so many at a time, listed with their progress, and ended by whoever may.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use leveret_protocol::ShortString;
use parking_lot::{Condvar, Mutex};

use super::destination::Destination;
use super::filter::Filter;
use super::step::{Course, Step};
use crate::broker::auth::Actor;
use crate::node::cell::QueueCell;
use crate::node::clock::Clock;
use crate::node::vhost::RunningVhost;

/// Moves that may run at a time.
const MOST_RUNNING: usize = 8;

/// Moves that are remembered, those that have ended among them.
const MOST_KNOWN: usize = 100;

/// How long a move waits before it looks whether there is room again.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a move with a rate moves something.
const BEAT: Duration = Duration::from_millis(50);

/// What is to be moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Which messages.
    pub filter: Filter,
    /// Where to.
    pub destination: Destination,
    /// The most messages; `None`: all.
    pub limit: Option<u64>,
    /// The most messages in a second; `None`: as many as can be.
    pub rate: Option<u64>,
}

/// What a move does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It moves messages.
    Running,
    /// It waits for room in a queue.
    Blocked,
    /// It has come to its end.
    Done,
    /// Somebody has ended it, or the queue or its vhost is gone.
    Cancelled,
}

impl JobState {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Blocked => "blocked",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }
}

/// A move at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct JobReport {
    /// Its number.
    pub id: u64,
    /// The vhost.
    pub vhost: ShortString,
    /// The queue that messages leave.
    pub source: ShortString,
    /// What was asked for.
    pub wanted: Wanted,
    /// What it does.
    pub state: JobState,
    /// Messages looked at.
    pub seen: u64,
    /// Messages moved.
    pub moved: u64,
    /// Messages that are meant and for which there is no way: they stay.
    pub stuck: u64,
}

/// A move.
#[derive(Debug)]
pub(in crate::node) struct Job {
    report: Mutex<JobReport>,
    cancelled: Mutex<bool>,
    changed: Condvar,
}

/// All moves that are known.
#[derive(Debug, Default)]
pub(in crate::node) struct Jobs {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    last: u64,
    jobs: BTreeMap<u64, Arc<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Jobs {
    /// Starts a move. `None`: too many run already, or the system gives no thread.
    pub(in crate::node) fn start(
        &self,
        clock: Clock,
        vhost: &Arc<RunningVhost>,
        (cell, actor): (&Arc<QueueCell>, &Actor),
        wanted: Wanted,
    ) -> Option<JobReport> {
        let mut known = self.known.lock();
        known.threads.retain(|thread| !thread.is_finished());
        if known.jobs.values().filter(|job| !job.report.lock().state.is_over()).count() >= MOST_RUNNING {
            return None;
        }
        known.last += 1;
        let report = JobReport {
            id: known.last,
            vhost: vhost.name.clone(),
            source: cell.entry.name.clone(),
            wanted: wanted.clone(),
            state: JobState::Running,
            seen: 0,
            moved: 0,
            stuck: 0,
        };
        let job =
            Arc::new(Job { report: Mutex::new(report.clone()), cancelled: Mutex::new(false), changed: Condvar::new() });
        let course = Course::new(cell, actor, wanted.filter, wanted.destination);
        let (working, home) = (Arc::clone(&job), Arc::downgrade(vhost));
        let thread = thread::Builder::new().name("leveret-move".to_owned());
        let started = thread.spawn(move || working.run(clock, course, &home));
        known.threads.push(started.inspect_err(|error| tracing::error!("cannot start a move: {error}")).ok()?);
        known.jobs.insert(report.id, job);
        known.forget_oldest();
        Some(report)
    }

    /// The moves in a vhost, oldest first.
    pub(in crate::node) fn all(&self, vhost: &ShortString) -> Vec<JobReport> {
        let known = self.known.lock();
        known.jobs.values().map(|job| job.report.lock().clone()).filter(|report| report.vhost == *vhost).collect()
    }

    /// Ends a move, if it is not over; false: there is none of that number.
    pub(in crate::node) fn cancel(&self, id: u64) -> bool {
        let job = self.known.lock().jobs.get(&id).cloned();
        job.inspect(|job| job.cancel()).is_some()
    }

    /// Ends all moves and waits for them.
    pub(in crate::node) fn stop(&self) {
        let mut known = self.known.lock();
        known.jobs.values().for_each(|job| job.cancel());
        let threads = std::mem::take(&mut known.threads);
        drop(known);
        for thread in threads {
            // A move that has failed has ended, too.
            let _ended = thread.join();
        }
    }
}

impl Known {
    fn forget_oldest(&mut self) {
        while self.jobs.len() > MOST_KNOWN {
            let over = self.jobs.iter().find(|(_, job)| job.report.lock().state.is_over()).map(|(id, _)| *id);
            let Some(id) = over else { return };
            self.jobs.remove(&id);
        }
    }
}

impl Job {
    fn cancel(&self) {
        *self.cancelled.lock() = true;
        self.changed.notify_all();
    }

    fn run(&self, clock: Clock, mut course: Course, home: &Weak<RunningVhost>) {
        let Wanted { limit, rate, .. } = self.report.lock().wanted.clone();
        // What is moved in one beat, and with a low rate how long one message's beat is.
        let beat = rate.map_or(BEAT, |rate| BEAT.max(Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX)));
        let in_beat = rate.map(|rate| (rate * u64::try_from(beat.as_millis()).unwrap_or(1) / 1000).max(1));
        let (mut moved, mut left_in_beat) = (0, in_beat);
        let state = loop {
            let pause = if left_in_beat == Some(0) { beat } else { Duration::ZERO };
            if self.is_cancelled_within(pause) {
                break JobState::Cancelled;
            }
            if !pause.is_zero() {
                left_in_beat = in_beat;
            }
            let Some(vhost) = home.upgrade().filter(|_| course.cell.next_number().is_some()) else {
                break JobState::Cancelled;
            };
            let left = limit.map(|limit| limit.saturating_sub(moved));
            if left == Some(0) {
                break JobState::Done;
            }
            let most = [left, left_in_beat].into_iter().flatten().min().unwrap_or(u64::MAX);
            let step = course.step(clock.now(), &vhost, usize::try_from(most).unwrap_or(usize::MAX));
            moved += step.moved;
            left_in_beat = left_in_beat.map(|left| left.saturating_sub(step.moved));
            self.note(&step);
            if step.ended {
                break JobState::Done;
            }
            if step.blocked && step.moved == 0 && self.is_cancelled_within(PAUSE) {
                break JobState::Cancelled;
            }
        };
        self.report.lock().state = state;
    }

    fn note(&self, step: &Step) {
        let mut report = self.report.lock();
        report.seen += step.seen;
        report.moved += step.moved;
        report.stuck += step.stuck;
        report.state = if step.blocked && step.moved == 0 { JobState::Blocked } else { JobState::Running };
    }

    fn is_cancelled_within(&self, time: Duration) -> bool {
        let mut cancelled = self.cancelled.lock();
        if !*cancelled && !time.is_zero() {
            self.changed.wait_for(&mut cancelled, time);
        }
        *cancelled
    }
}
