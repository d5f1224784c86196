//! What became of a queue's messages, by message-id: those that are there, and those that ended not long ago. Bounded in
//! number and time; what it does not know it does not guess.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use leveret_protocol::{ContentHeader, ShortString};

use crate::broker::message::Message;
use crate::broker::queue::JobState;
use crate::broker::time::Timestamp;

/// The most messages of a queue that are known while they are there; about 150 bytes each.
const LIVE: usize = 250_000;

/// The most messages of a queue that are known after their end.
const ENDED: usize = 50_000;

/// How long they are known.
const KNOWN_FOR: Duration = Duration::from_hours(1);

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobStatus {
    /// What it does.
    pub state: JobState,
    /// Since when.
    pub since: Timestamp,
}

/// What is known of a queue's messages.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    known: BTreeMap<ShortString, JobStatus>,
    /// Those that have ended, by when. One that came again since is passed over.
    ended: VecDeque<(Timestamp, ShortString)>,
}

impl Jobs {
    /// A message without an id is nobody's job.
    pub(super) fn note(&mut self, now: Timestamp, message: &Message, state: JobState) {
        let header = ContentHeader::decode(message.header()).ok();
        let Some(id) = header.and_then(|header| header.properties.message_id) else { return };
        self.forget_old(now);
        if !state.is_final() && !self.known.contains_key(&id) && self.known.len() >= LIVE + self.ended.len() {
            return;
        }
        if state.is_final() {
            self.ended.push_back((now, id.clone()));
        }
        self.known.insert(id, JobStatus { state, since: now });
        while self.ended.len() > ENDED {
            self.forget_first();
        }
    }

    pub(super) fn status(&mut self, now: Timestamp, id: &ShortString) -> Option<JobStatus> {
        self.forget_old(now);
        self.known.get(id).copied()
    }

    /// The ready ones have been purged.
    pub(super) fn forget_ready(&mut self) {
        self.known.retain(|_, status| status.state != JobState::Ready);
    }

    fn forget_old(&mut self, now: Timestamp) {
        while self.ended.front().is_some_and(|(ended, _)| ended.after(KNOWN_FOR) <= now) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        let Some((ended, id)) = self.ended.pop_front() else { return };
        if self.known.get(&id).is_some_and(|status| status.state.is_final() && status.since == ended) {
            self.known.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::Properties;

    use super::*;
    use crate::broker::channel::compose::compose;

    fn id(number: usize) -> ShortString {
        ShortString::new(number.to_string()).unwrap()
    }

    fn job(number: usize) -> Message {
        let properties = Properties { message_id: Some(id(number)), ..Properties::default() };
        compose(&ShortString::default(), &id(0), properties, b"", 10, Timestamp::ZERO).unwrap()
    }

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn state(jobs: &mut Jobs, now: Timestamp, number: usize) -> Option<JobState> {
        jobs.status(now, &id(number)).map(|status| status.state)
    }

    #[test]
    fn what_has_ended_is_known_for_an_hour_unless_it_came_again() {
        let mut jobs = Jobs::default();
        for number in [1, 2] {
            jobs.note(at(0), &job(number), JobState::Ready);
            jobs.note(at(5), &job(number), JobState::Done);
        }
        jobs.note(at(9), &job(2), JobState::InFlight);
        let end = at(5).after(KNOWN_FOR);
        assert_eq!(state(&mut jobs, end.before(Duration::from_millis(1)), 1), Some(JobState::Done));
        assert_eq!([1, 2].map(|number| state(&mut jobs, end, number)), [None, Some(JobState::InFlight)]);
    }

    #[test]
    fn no_more_are_known_than_may_be() {
        let mut jobs = Jobs::default();
        for number in 0..=ENDED {
            jobs.note(at(0), &job(number), JobState::Done);
        }
        assert_eq!([0, 1].map(|number| state(&mut jobs, at(0), number)), [None, Some(JobState::Done)]);
        assert_eq!(jobs.known.len(), ENDED);
        let mut jobs = Jobs::default();
        for number in 0..=LIVE {
            jobs.note(at(0), &job(number), JobState::Ready);
        }
        assert_eq!([0, LIVE].map(|number| state(&mut jobs, at(0), number)), [Some(JobState::Ready), None]);
        jobs.forget_ready();
        assert_eq!(jobs.known.len(), 0);
    }
}
