//! What a queue wants done and what it answers. Plain data.

use std::num::NonZeroU32;
use std::time::Duration;

use thiserror::Error;

use super::job::JobState;
use super::place::{Place, Run};
use crate::broker::ids::{CheckoutId, ConsumerId, SequenceNumber};
use crate::broker::message::Message;

/// What the queue wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A message goes to a consumer.
    Deliver(Delivery),
    /// There are messages for a consumer whose channel has a limit: to be answered with `Offer`, once there is room.
    Wanting(ConsumerId),
    /// The answer to `Offer`: how many messages it was used for. The rest of the room is the channel's again.
    Taken(usize),
    /// Somebody has held something for too long, which has come back. It is a consumer no more, if it was one.
    TimedOut {
        /// Who: a consumer or what stands for a channel.
        consumer: ConsumerId,
        /// How long it may hold a delivery.
        timeout: Duration,
        /// Its client is to be told that the consumer is cancelled; otherwise its channel ends.
        cancels: bool,
    },
    /// The queue is gone, and this consumer with it.
    ConsumerCancelled(ConsumerId),
    /// An auto-delete queue lost its last consumer.
    Unused,
    /// The answer to `Get`: the message and how many are ready after it; `None` when there was none.
    Got(Option<(Delivery, usize)>),
    /// The answer to `Get` when there are messages but none in memory: ask again once the load is done.
    GotLater,
    /// The answer to `Purge`, `Cancel`, `Pick` and `Delete`: how many messages went.
    Removed(usize),
    /// A delivery of a stored message has failed, so many times by now.
    Failed {
        /// Its number.
        sequence: SequenceNumber,
        /// How often.
        count: u64,
    },
    /// How far a message is; told only by queues that are asked to.
    Job {
        /// Which message, as it was published.
        message: Message,
        /// How far.
        state: JobState,
    },
    /// There are dead messages: to be answered with `TakeDead`.
    Died,
    /// Nobody has used the queue for as long as it is to live without: to be answered with `EndLease`.
    LeaseEnded,
    /// Read these messages; answer with `Input::Loaded`. There is never more than one such request out for each lane.
    Load(Run),
    /// Read these messages that wait; answer with `Input::Fetched`. There is never more than one such request out.
    Fetch(Vec<Run>),
    /// A message that came back is to be tried again later: in its new form it is to be published to the queue, and gone
    /// in its old one, as one.
    Retried {
        /// The new form.
        message: Message,
        /// Number and place of the old one, where it is stored.
        stored: Option<(SequenceNumber, Place)>,
    },
    /// A stored message will not come back: it is settled, or was sent without acknowledgement, or purged.
    Gone {
        /// Its number.
        sequence: SequenceNumber,
        /// Where it was stored.
        place: Place,
    },
    /// Stored messages that were not in memory have been purged.
    GoneRun(Run),
    /// Stored messages could not be read and are given up; the place is that of the run they were a part of.
    Lost(Run),
    /// The queue is deleted: so many stored messages less in each file, unacked ones among them. In the order of files.
    Emptied(Vec<(NonZeroU32, u64)>),
    /// The answer to `Relocate`: so many messages have a new place.
    Relocated(usize),
}

/// A message on its way to a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// To whom.
    pub consumer: ConsumerId,
    /// Which hand-out it is.
    pub checkout: CheckoutId,
    /// It was handed out before and came back.
    pub redelivered: bool,
    /// The message.
    pub message: Message,
}

/// Why the queue refused an input.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The queue is deleted.
    #[error("the queue is deleted")]
    Gone,
    /// An exclusive consumer is there, or one is wanted while others are there.
    #[error("the queue is in exclusive use")]
    ExclusiveUse,
    /// It has consumers.
    #[error("the queue is in use")]
    InUse,
    /// It has ready messages.
    #[error("the queue is not empty")]
    NotEmpty,
}
