//! Messages that come to a queue, and their numbers.

use super::effect::Effect;
use super::input::Arrival;
use super::job::JobState;
use super::{NOTHING_FRESH, Queue};
use crate::broker::ids::SequenceNumber;
use crate::broker::time::Timestamp;

impl Queue {
    /// Takes messages in, and gives them numbers; the first of these.
    #[inline]
    pub(super) fn publish(&mut self, now: Timestamp, arrivals: &mut Vec<Arrival>, effects: &mut Vec<Effect>) -> u64 {
        let first = self.numbering.next_number();
        for arrival in arrivals.drain(..) {
            let sequence = self.numbering.take(&arrival.message);
            self.take_in(now, sequence, arrival, effects);
        }
        first
    }

    /// Takes messages in that have numbers; the first of these.
    pub(super) fn insert(
        &mut self,
        now: Timestamp,
        arrivals: &mut Vec<(SequenceNumber, Arrival)>,
        effects: &mut Vec<Effect>,
    ) -> u64 {
        let first = arrivals.first().map_or(NOTHING_FRESH, |(sequence, _)| sequence.number());
        for (sequence, arrival) in arrivals.drain(..) {
            self.keep_promise(&arrival);
            self.take_in(now, sequence, arrival, effects);
        }
        first
    }

    // Inline, so that the message is moved once.
    #[inline(always)]
    fn take_in(&mut self, now: Timestamp, sequence: SequenceNumber, arrival: Arrival, effects: &mut Vec<Effect>) {
        self.tell(&arrival.message, JobState::Ready, effects);
        self.accept(now, sequence, arrival);
    }

    /// Takes messages that have been here before, in another form.
    pub(super) fn publish_again(&mut self, now: Timestamp, arrivals: &mut Vec<Arrival>) {
        for arrival in arrivals.drain(..) {
            let sequence = self.numbering.take(&arrival.message);
            self.accept(now, sequence, arrival);
        }
    }
}
