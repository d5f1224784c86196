//! How long a queue may become: the oldest messages make room, or what comes is refused.

use super::dead::DeathReason;
use super::effect::Effect;
use super::settings::Overflow;
use super::{Arrival, Queue};

/// Room that is promised to messages with reserved numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Promised {
    messages: u64,
    bytes: u64,
}

impl Queue {
    /// How many messages with these many bytes of body, from the first on, the queue takes as it is now.
    #[must_use]
    pub fn room_for(&self, bodies: impl Iterator<Item = u64>) -> usize {
        if !self.settings.refuses() && !self.settings.blocks() {
            return bodies.count();
        }
        let (mut messages, mut bytes) = (self.ready_messages() + self.promised.messages, self.taken_bytes());
        let (most, most_bytes) = self.limits();
        let fits = |body: &u64| {
            messages += 1;
            bytes = bytes.saturating_add(*body);
            messages <= most && bytes <= most_bytes
        };
        bodies.take_while(fits).count()
    }

    /// Whether publishers that would have to wait are to be slowed down before: nine tenths of the bound are taken.
    #[must_use]
    pub fn is_high(&self) -> bool {
        self.settings.blocks() && self.has_more_than(9)
    }

    /// Whether there is so much room that they may go on: less than seven tenths of the bound are taken.
    #[must_use]
    pub fn is_low(&self) -> bool {
        !self.settings.blocks() || !self.has_more_than(7)
    }

    /// How many ready messages have to leave until less than seven tenths of the bound are taken.
    #[must_use]
    pub fn above_low(&self) -> u64 {
        let (most, most_bytes) = self.limits();
        let excess = |taken: u64, most: u64| taken.saturating_sub(part(most, 7).saturating_sub(1));
        let (messages, bytes) = (self.ready_messages(), self.ready.body_bytes());
        let of_bytes = excess(bytes, most_bytes).div_ceil((bytes / messages.max(1)).max(1));
        excess(messages, most).max(of_bytes).min(messages)
    }

    /// From how many ready messages, and bytes of their bodies, on it counts as nearly full; `None`: no such bound.
    #[must_use]
    pub fn high_marks(&self) -> (Option<u64>, Option<u64>) {
        let high = |most: u64| part(most, 9);
        (self.settings.max_length.map(high), self.settings.max_length_bytes.map(high))
    }

    fn has_more_than(&self, tenths: u64) -> bool {
        let (most, most_bytes) = self.limits();
        let exceeds = |taken: u64, most: u64| taken >= part(most, tenths);
        exceeds(self.ready_messages(), most) || exceeds(self.ready.body_bytes(), most_bytes)
    }

    /// Promises room to messages that come with reserved numbers.
    pub(super) fn promise(&mut self, messages: u64, bytes: u64) {
        self.promised.messages += messages;
        self.promised.bytes += bytes;
    }

    /// A message has come that room was promised to.
    pub(super) fn keep_promise(&mut self, arrival: &Arrival) {
        self.promised.messages = self.promised.messages.saturating_sub(1);
        self.promised.bytes = self.promised.bytes.saturating_sub(arrival.message.body_length());
    }

    /// Lets the oldest messages go that are too many, as far as they are in memory.
    pub(super) fn shorten(&mut self, effects: &mut Vec<Effect>) {
        while self.is_too_long()
            && let Some(held) = self.ready.take_first()
        {
            self.die(held, DeathReason::MaxLength, effects);
        }
    }

    /// Whether the oldest messages have to go.
    pub(super) fn is_too_long(&self) -> bool {
        let (most, most_bytes) = self.limits();
        self.settings.overflow == Overflow::DropHead
            && (self.ready_messages() > most || self.ready.body_bytes() > most_bytes)
    }

    fn limits(&self) -> (u64, u64) {
        (self.settings.max_length.unwrap_or(u64::MAX), self.settings.max_length_bytes.unwrap_or(u64::MAX))
    }

    fn ready_messages(&self) -> u64 {
        u64::try_from(self.ready.len()).unwrap_or(u64::MAX)
    }

    fn taken_bytes(&self) -> u64 {
        self.ready.body_bytes().saturating_add(self.promised.bytes)
    }
}

/// So many tenths of a bound; rounded up, so that a small one is not full before it is.
const fn part(most: u64, tenths: u64) -> u64 {
    most.saturating_sub(most / 10 * (10 - tenths))
}
