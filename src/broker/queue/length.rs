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
        if !self.settings.refuses() {
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
