//! What becomes of messages, told step by step where somebody wants to know. Keeps nothing.

use super::Queue;
use super::dead::DeathReason;
use super::effect::Effect;
use crate::broker::message::Message;

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It waits for a consumer, or for its time.
    Ready,
    /// A consumer has it.
    InFlight,
    /// A consumer is done with it.
    Done,
    /// It went to the dead-letter exchange.
    DeadLettered,
    /// Its time to live was over.
    Expired,
    /// It was rejected, failed too often or made room for others, and the queue has no dead-letter exchange.
    Dropped,
}

impl JobState {
    /// Its name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::InFlight => "in_flight",
            Self::Done => "done",
            Self::DeadLettered => "dead_lettered",
            Self::Expired => "expired",
            Self::Dropped => "dropped",
        }
    }

    /// Whether nothing more becomes of it here.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Ready | Self::InFlight => false,
            Self::Done | Self::DeadLettered | Self::Expired | Self::Dropped => true,
        }
    }

    /// Handed out, with or without a need to be settled.
    pub(super) const fn handed_out(no_ack: bool) -> Self {
        if no_ack { Self::Done } else { Self::InFlight }
    }
}

impl Queue {
    /// Tells how far a message is, where that is wanted.
    #[inline]
    pub(super) fn tell(&self, message: &Message, state: JobState, effects: &mut Vec<Effect>) {
        if self.settings.track_status {
            effects.push(Effect::Job { message: message.clone(), state });
        }
    }

    /// How a message ends that dies.
    pub(super) fn end_of(&self, reason: DeathReason) -> JobState {
        match reason {
            DeathReason::Expired => JobState::Expired,
            DeathReason::Rejected | DeathReason::MaxLength | DeathReason::DeliveryLimit => {
                if self.settings.dead_letter.is_some() { JobState::DeadLettered } else { JobState::Dropped }
            }
        }
    }
}
