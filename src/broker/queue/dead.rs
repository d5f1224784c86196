//! Dead messages: those that are to go to the queue's dead-letter exchange. They stay with the queue until they are taken
//! over, so that they are found where stored messages are looked for.

use super::Queue;
use super::effect::Effect;
use super::input::Arrival;
use super::place::Place;
use super::unacked::Held;
use crate::broker::ids::SequenceNumber;
use crate::broker::message::Message;

/// Why a message died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeathReason {
    /// A consumer rejected it and did not want it back.
    Rejected,
    /// Its time to live was over.
    Expired,
    /// The queue was full.
    MaxLength,
    /// Deliveries of it had failed too often, or it was given back more often than it is to be tried again.
    DeliveryLimit,
}

impl DeathReason {
    /// RabbitMQ's word for it, as in the header x-death.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

/// Why a message leaves its queue for somewhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Departure {
    /// It died, and goes to the dead-letter exchange.
    Died(DeathReason),
    /// It has waited long enough for the exchange that the queue belongs to, and goes where that leads.
    Released,
}

/// A message that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// Why it leaves.
    pub reason: Departure,
    /// The message.
    pub message: Message,
    /// Its number and its place, where it is stored. It is gone once the log says so.
    pub stored: Option<(SequenceNumber, Place)>,
}

/// A dead message that waits to be taken over.
#[derive(Debug)]
pub(super) struct Dying {
    pub(super) held: Held,
    pub(super) reason: Departure,
}

impl Queue {
    /// A message dies: it waits for its dead-letter exchange, or is gone at once where the queue has none.
    pub(super) fn die(&mut self, held: Held, reason: DeathReason, effects: &mut Vec<Effect>) {
        self.hand_outs.deliveries.forget(held.sequence);
        self.tell(&held.message, self.end_of(reason), effects);
        if self.settings.dead_letter.is_none() {
            effects.extend(held.gone());
            return;
        }
        self.leave(held, Departure::Died(reason), effects);
    }

    /// A message leaves: it waits to be taken over.
    pub(super) fn leave(&mut self, held: Held, reason: Departure, effects: &mut Vec<Effect>) {
        if self.dying.is_empty() {
            effects.push(Effect::Died);
        }
        self.dying.push(Dying { held, reason });
    }

    /// A message that the queue refused dies at once.
    pub(super) fn bury(&mut self, refused: Arrival, effects: &mut Vec<Effect>) {
        let held = Held { sequence: self.next_sequence(), message: refused.message, place: None, redelivered: false };
        self.die(held, DeathReason::MaxLength, effects);
    }

    /// Whether dead messages wait to be taken over.
    #[must_use]
    pub fn has_dead(&self) -> bool {
        !self.dying.is_empty()
    }

    pub(super) fn take_dead(&mut self, dead: &mut Vec<Dead>) {
        dead.extend(std::mem::take(&mut *self.dying).into_iter().map(|Dying { held, reason }| Dead {
            reason,
            stored: held.place.map(|place| (held.sequence, place)),
            message: held.message,
        }));
    }
}
