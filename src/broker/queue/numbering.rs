//! The sequence numbers that a queue gives to messages: how many came before, and the lane that their priority means.

use crate::broker::ids::SequenceNumber;
use crate::broker::message::Message;

/// Gives sequence numbers. A copy gives the same ones to the same messages as the queue will: so a message's record can
/// have its number before the queue has the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbering {
    /// How many messages have a number.
    last: u64,
    /// The highest priority that the queue tells apart; 0: none.
    highest: u8,
}

impl Numbering {
    /// Goes on with a number that has not been given in any lane.
    pub(super) const fn from(next: SequenceNumber) -> Self {
        Self { last: next.number().saturating_sub(1), highest: 0 }
    }

    /// Tells priorities apart up to the highest.
    pub(super) const fn with_priorities(self, highest: u8) -> Self {
        Self { highest, ..self }
    }

    /// The number of the next message, without its lane.
    #[must_use]
    pub const fn next_number(&self) -> u64 {
        self.last + 1
    }

    /// The sequence number of the next message, if it is this one.
    #[must_use]
    #[inline]
    pub fn sequence(&self, message: &Message) -> SequenceNumber {
        if self.highest == 0 { SequenceNumber(self.last + 1) } else { self.in_lane(message) }
    }

    #[cold]
    fn in_lane(&self, message: &Message) -> SequenceNumber {
        let lane = self.highest.saturating_sub(message.priority());
        SequenceNumber::in_lane(lane, self.last + 1)
    }

    /// Gives a message its sequence number.
    #[inline]
    pub fn take(&mut self, message: &Message) -> SequenceNumber {
        let sequence = self.sequence(message);
        self.last += 1;
        sequence
    }

    /// Leaves out so many numbers, for messages that come later.
    pub(super) const fn skip(&mut self, count: u64) {
        self.last = self.last.saturating_add(count);
    }
}
