//! Which messages of a queue wait, and what becomes of them when their time has come: a queue's own are ready, those of an
//! exchange leave for it. Owns the decisions; `waiting` keeps the messages.

use super::Queue;
use super::dead::{DeathReason, Departure};
use super::effect::Effect;
use super::input::{Arrival, Outcome};
use super::job::JobState;
use super::place::{Place, Run};
use super::places::Turn;
use super::retry::RetryOn;
use super::settings::{Hold, Settings};
use super::unacked::Held;
use super::waiting::{Wait, Waiting};
use crate::broker::delay;
use crate::broker::ids::{CheckoutId, ConsumerId, SequenceNumber};
use crate::broker::message::{Message, Traits};
use crate::broker::time::Timestamp;

/// A message that waits, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// When it is due.
    pub due: Timestamp,
    /// Its number.
    pub sequence: SequenceNumber,
    /// Where it is to be read; `None` where the message is at hand.
    pub place: Option<Place>,
    /// The message, where it is in memory.
    pub message: Option<Message>,
}

impl Settings {
    /// Whether messages have to be looked at for whether they wait.
    pub(super) const fn holds(&self) -> bool {
        self.hold.is_some() || self.retry.is_some()
    }

    /// How a message waits. `None`: it does not.
    fn wait(&self, message: &Message) -> Option<Wait> {
        if self.hold == Some(Hold::ForExchange) {
            return Some(Wait { due: delay::release_time(message), redelivered: false });
        }
        if !message.traits().has(Traits::HEADERS) {
            return None;
        }
        let headers = delay::headers_of(message)?;
        let until = match &self.hold {
            Some(Hold::Until(header)) => delay::time(&headers, &header.to_str_lossy()),
            Some(Hold::ForExchange) | None => None,
        };
        let again = self.retry.as_ref().and_then(|_| delay::next_attempt(&headers));
        let due = until.into_iter().chain(again).max()?;
        Some(Wait { due, redelivered: again.is_some() })
    }

    /// How a message waits of which it was known that it does.
    fn wait_known(&self, message: &Message) -> Wait {
        self.wait(message).unwrap_or(Wait { due: Timestamp::ZERO, redelivered: false })
    }

    fn retries(&self, outcome: Outcome) -> bool {
        let Some(retry) = &self.retry else { return false };
        match outcome {
            Outcome::Ack => false,
            Outcome::Requeue | Outcome::Fail => matches!(retry.on, RetryOn::Requeue | RetryOn::All),
            Outcome::Discard => matches!(retry.on, RetryOn::Reject | RetryOn::All),
        }
    }
}

impl Queue {
    /// Messages that wait; they are not ready.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.len())
    }

    /// Messages that wait and come behind a turn, the next ones first; those that a restart found are not among them
    /// before they have been looked at.
    #[must_use]
    pub fn scheduled(&self, after: Option<(Timestamp, SequenceNumber)>, most: usize) -> Vec<Scheduled> {
        let Some(waiting) = &self.waiting else { return Vec::new() };
        let scheduled = |((due, sequence), found): (Turn, Result<&Message, Place>)| Scheduled {
            due,
            sequence,
            place: found.err(),
            message: found.ok().cloned(),
        };
        waiting.after(after, most).into_iter().map(scheduled).collect()
    }

    /// Where a message is that waits and is not in memory.
    #[must_use]
    pub fn scheduled_place(&self, due: Timestamp, sequence: SequenceNumber) -> Option<Place> {
        self.waiting.as_ref()?.place((due, sequence))
    }

    /// How many messages a restart found of which it is not known yet how long they wait.
    #[must_use]
    pub fn unread_count(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.unread_count())
    }

    /// All of an exchange's messages wait; nobody knows yet until when.
    pub(super) fn begin_to_hold(&mut self) {
        self.holds = self.settings.holds();
        if self.settings.hold == Some(Hold::ForExchange) {
            let runs = self.ready.take_runs();
            self.waiting = Some(Box::new(Waiting::recovered(self.ready.limit(), runs)));
        }
    }

    /// Takes a message that comes: to its place by number, or to where it waits.
    #[inline(always)]
    pub(super) fn accept(&mut self, now: Timestamp, sequence: SequenceNumber, arrival: Arrival) {
        self.ttl.note(arrival.message.traits());
        if self.holds {
            return self.accept_or_hold(now, sequence, arrival);
        }
        self.ready.add(sequence, arrival);
    }

    #[inline(never)]
    fn accept_or_hold(&mut self, now: Timestamp, sequence: SequenceNumber, arrival: Arrival) {
        let waits = |wait: &Wait| wait.due > now || wait.redelivered || self.settings.hold == Some(Hold::ForExchange);
        let Some(Wait { due, redelivered }) = self.settings.wait(&arrival.message).filter(waits) else {
            return self.ready.add(sequence, arrival);
        };
        let Arrival { message, place } = arrival;
        self.waiting_room().add(due, Held { sequence, message, place, redelivered });
    }

    pub(super) fn waiting_room(&mut self) -> &mut Waiting {
        let limit = self.ready.limit();
        self.waiting.get_or_insert_with(|| Box::new(Waiting::new(limit)))
    }

    /// Takes what was loaded among the ready messages; those whose time has not come wait.
    pub(super) fn take_loaded(
        &mut self,
        now: Timestamp,
        run: Run,
        messages: &mut Vec<(SequenceNumber, Place, Message)>,
        effects: &mut Vec<Effect>,
    ) {
        let before = effects.len();
        if self.holds {
            self.load_or_hold(now, run, messages, effects);
        } else {
            self.ready.loaded(run, messages, effects, &mut Some);
        }
        self.forget_lost(effects.get(before..).unwrap_or_default());
    }

    fn load_or_hold(
        &mut self,
        now: Timestamp,
        run: Run,
        messages: &mut Vec<(SequenceNumber, Place, Message)>,
        effects: &mut Vec<Effect>,
    ) {
        let (settings, limit) = (&self.settings, self.ready.limit());
        let waiting = &mut self.waiting;
        self.ready.loaded(run, messages, effects, &mut |held| {
            let Some(wait) = settings.wait(&held.message) else { return Some(held) };
            let held = Held { redelivered: held.redelivered | wait.redelivered, ..held };
            if wait.due <= now {
                return Some(held);
            }
            waiting.get_or_insert_with(|| Box::new(Waiting::new(limit))).add(wait.due, held);
            None
        });
    }

    /// Takes what was fetched of those that wait.
    pub(super) fn take_fetched(
        &mut self,
        runs: &[Run],
        messages: &mut Vec<(SequenceNumber, Place, Message)>,
        effects: &mut Vec<Effect>,
    ) {
        let settings = &self.settings;
        if let Some(waiting) = &mut self.waiting {
            waiting.fetched(runs, messages, |message| settings.wait_known(message), effects);
        }
        messages.clear();
    }

    /// Lets those go whose time has come: an exchange's leave for it in the order of their times. A queue's own are ready,
    /// and before others, as messages that came back are.
    pub(super) fn release(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let leaves = self.settings.hold == Some(Hold::ForExchange);
        while let Some(held) = self.waiting.as_mut().and_then(|waiting| waiting.take_due(now)) {
            if leaves {
                self.leave(held, Departure::Released, effects);
            } else {
                // What was on disk alone does not know that it came back.
                let redelivered = held.redelivered || self.hand_outs.deliveries.of(held.sequence).is_some();
                self.ready.join(Held { redelivered, ..held });
            }
        }
    }

    /// Has those read that are due soon.
    pub(super) fn fetch(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        effects.extend(self.waiting.as_mut().and_then(|waiting| waiting.next_fetch(now)).map(Effect::Fetch));
    }

    /// Messages that wait are to be no more, if they still do.
    pub(super) fn cancel(&mut self, turns: &[(Timestamp, SequenceNumber)], effects: &mut Vec<Effect>) {
        let mut count = 0;
        for turn in turns {
            if let Some(gone) = self.waiting.as_mut().and_then(|waiting| waiting.remove(*turn)) {
                count += 1;
                self.hand_outs.deliveries.forget(turn.1);
                effects.extend(gone);
            }
        }
        effects.push(Effect::Removed(count));
    }

    /// Tries messages again later that a consumer does not want now. `false`: they are to be settled as usual.
    pub(super) fn try_again(
        &mut self,
        now: Timestamp,
        id: ConsumerId,
        checkouts: &[CheckoutId],
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if !self.settings.retries(outcome) {
            return false;
        }
        let mut back = Vec::new();
        self.check_in(id, checkouts, |_, held| back.push(held));
        for held in back {
            match self.next_attempt(now, &held) {
                Some(message) => {
                    self.hand_outs.deliveries.forget(held.sequence);
                    self.tell(&held.message, JobState::Ready, effects);
                    effects.push(Effect::Retried { message, stored: held.place.map(|place| (held.sequence, place)) });
                }
                None if outcome == Outcome::Discard => self.die(held, DeathReason::Rejected, effects),
                None => self.die(held, DeathReason::DeliveryLimit, effects),
            }
        }
        true
    }

    /// The message as it is to be tried again. `None`: it has been often enough.
    fn next_attempt(&self, now: Timestamp, held: &Held) -> Option<Message> {
        let attempts = delay::headers_of(&held.message).as_ref().map_or(0, delay::attempts);
        let seed = held.sequence.0.wrapping_add(attempts << 48);
        let delay = self.settings.retry.as_ref()?.delay(attempts, seed)?;
        delay::tried_again(&held.message, attempts.saturating_add(1), now.after(delay))
    }
}
