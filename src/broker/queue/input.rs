//! What a queue is told. Plain data.

use std::sync::Arc;
use std::time::Duration;

use super::browse::Pick;
use super::consumers::Subscription;
use super::dead::Dead;
use super::place::{Place, Run};
use super::settings::Settings;
use crate::broker::ids::{CheckoutId, ConsumerId, SequenceNumber};
use crate::broker::message::Message;
use crate::broker::time::Timestamp;

/// A message that comes to a queue. In this order no field lies across two of the 16 bytes that a move copies at once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Arrival {
    /// Where it is stored; `None` when it is in memory alone.
    pub place: Option<Place>,
    /// The message.
    pub message: Message,
}

/// A message that is in memory alone.
impl From<Message> for Arrival {
    fn from(message: Message) -> Self {
        Self { message, place: None }
    }
}

/// Something for the queue to act on.
#[derive(Debug, PartialEq)]
pub enum Input<'a> {
    /// Messages of one publisher, in order; the list is emptied. They get the numbers from `Queue::next_sequence` on.
    Publish(&'a mut Vec<Arrival>),
    /// Messages of this queue in another form, as `Effect::Retried` gave them; the list is emptied. As `Publish` otherwise.
    Again(&'a mut Vec<Arrival>),
    /// Takes so many numbers, from `Queue::next_sequence` on, for messages that come with `Insert`, and keeps room for
    /// them. Numbers that are never used do no harm.
    Reserve {
        /// How many.
        count: u64,
        /// Bytes of their bodies together.
        bytes: u64,
    },
    /// Messages with reserved numbers; the list is emptied. Each goes to its place by number, even if later ones have
    /// come, or gone, meanwhile.
    Insert(&'a mut Vec<(SequenceNumber, Arrival)>),
    /// A consumer attaches.
    Subscribe(Subscription),
    /// A consumer detaches; what it holds unacked stays with its channel.
    Unsubscribe(ConsumerId),
    /// A consumer's prefetch changes.
    SetPrefetch(ConsumerId, u16),
    /// The bytes that may be on their way to a consumer's connection change.
    SetWindow(ConsumerId, usize),
    /// A consumer's channel comes to have a limit for all its consumers together, or loses it.
    SetChannelLimited(ConsumerId, bool),
    /// A consumer's channel has room for so many messages; answered with `Taken`.
    Offer {
        /// For whom.
        consumer: ConsumerId,
        /// The most messages to hand out now.
        room: usize,
    },
    /// Bytes charged to a consumer's window have been written to its connection.
    Written(ConsumerId, usize),
    /// basic.get on behalf of a channel, which `consumer` stands for.
    Get {
        /// The channel's stand-in for what it gets.
        consumer: ConsumerId,
        /// Settled when sent.
        no_ack: bool,
    },
    /// Hand-outs to one consumer are settled.
    Settle {
        /// Who held them.
        consumer: ConsumerId,
        /// Which hand-outs.
        checkouts: &'a [CheckoutId],
        /// How, all of them.
        outcome: Outcome,
    },
    /// A hand-out may stay unacked for so long from now on, where there is a timeout.
    Extend {
        /// Who holds it.
        consumer: ConsumerId,
        /// Which.
        checkout: CheckoutId,
        /// How long.
        by: Duration,
    },
    /// Hand-outs go back to their places; `Settle` follows for others that are settled with them. Nothing is handed out
    /// before that, or the later of two messages that come back together could leave first.
    Return {
        /// Who held them.
        consumer: ConsumerId,
        /// Which hand-outs.
        checkouts: &'a [CheckoutId],
        /// The deliveries failed.
        failed: bool,
    },
    /// As `Abandon`, which follows for another consumer of the same channel; until then nothing is handed out.
    Leave(ConsumerId),
    /// A channel is gone: whatever this consumer holds comes back.
    Abandon(ConsumerId),
    /// The answer to `Effect::Load`.
    Loaded {
        /// The run, as it was asked for.
        run: Run,
        /// What was read of it, in order; the list is emptied. What is missing is damaged and lost.
        messages: &'a mut Vec<(SequenceNumber, Place, Message)>,
    },
    /// Messages that lay in a file have been copied to where it says here; both lists are in the order of sequence
    /// numbers. Those that are settled by now are passed over.
    Relocate {
        /// The file they are to leave.
        from: std::num::NonZeroU32,
        /// For messages that are not in memory. One of the queue's runs may become several; it stays where it is
        /// unless all of it has a new place.
        runs: &'a [Run],
        /// For messages one by one, wherever they are; looked at after `runs`.
        singles: &'a [(SequenceNumber, Place)],
    },
    /// The answer to `Effect::Fetch`: what was read, and which runs that is about; those that are missing have moved.
    Fetched {
        /// Which runs.
        runs: &'a [Run],
        /// Their messages, in order; the list is emptied.
        messages: &'a mut Vec<(SequenceNumber, Place, Message)>,
    },
    /// Remove messages that wait; answered with `Removed`.
    Cancel(&'a [(Timestamp, SequenceNumber)]),
    /// Take ready messages out, as far as they are where `Queue::list` has shown them; only those stay in the list. Answered
    /// with `Removed`.
    Pick(&'a mut Vec<Pick>),
    /// Remove all ready messages, and those that wait.
    Purge,
    /// What the queue keeps to from now on. Messages that came before keep their time to live.
    Configure(Arc<Settings>),
    /// `Queue::next_deadline` has come.
    Tick,
    /// The queue is declared again, which counts as a use of it.
    Touch,
    /// A message that the queue refused, and that is to be dead-lettered.
    Refused(Arrival),
    /// Takes out the dead messages, also of a deleted queue; they are appended to the list.
    TakeDead(&'a mut Vec<Dead>),
    /// End the queue if nobody has used it for as long as it is to live without.
    EndLease,
    /// End the queue.
    Delete {
        /// Only without consumers.
        if_unused: bool,
        /// Only without ready messages.
        if_empty: bool,
    },
}

/// How a delivery is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done: the message is gone.
    Ack,
    /// Back to its place in the queue.
    Requeue,
    /// As `Requeue`, and the delivery counts as failed.
    Fail,
    /// Rejected without requeue: gone.
    Discard,
}

impl Outcome {
    /// Back to its place; whether the delivery failed.
    #[must_use]
    pub const fn requeue(failed: bool) -> Self {
        if failed { Self::Fail } else { Self::Requeue }
    }
}
