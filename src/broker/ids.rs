//! Identities as types of their own, so that no number is taken for another. Owns no allocation of them: whoever runs
//! the machines hands them in.

/// A client connection of this node, unique for the node's lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A channel number as the client chose it; 0 is the connection itself (AMQP 0-9-1 4.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelNumber(pub u16);

impl ChannelNumber {
    /// The channel of connection methods and heartbeats.
    pub const CONNECTION: Self = Self(0);
}

/// A queue of this node. A queue that is deleted and declared again gets a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u64);

/// A consumer, or a channel's stand-in for `basic.get`, unique for the node's lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerId(pub u64);

/// A message's place in its queue: given at enqueue, kept over requeues, never used again. The top 8 bits are the *lane*,
/// 0 for the highest priority; the others are the *number*, which counts the queue's messages whatever their lanes. So the
/// order of sequence numbers is the order of delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber(pub u64);

impl SequenceNumber {
    /// Bits of the number; those above are the lane.
    pub const NUMBER_BITS: u32 = 56;

    /// The sequence number of a number in a lane.
    #[must_use]
    pub fn in_lane(lane: u8, number: u64) -> Self {
        Self(u64::from(lane) << Self::NUMBER_BITS | number)
    }

    /// Which lane it is in.
    #[must_use]
    pub const fn lane(self) -> u8 {
        let [lane, ..] = self.0.to_be_bytes();
        lane
    }

    /// Which of the queue's messages it is, by when they came; lanes play no part in it.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0 & ((1 << Self::NUMBER_BITS) - 1)
    }
}

/// One hand-out of a message to a consumer, counted per consumer from 1. The queue's side of a delivery tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckoutId(pub u64);

/// A delivery as the client knows it: counted per channel from 1, never reused (AMQP 0-9-1, basic.deliver).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryTag(pub u64);

/// A publish on a channel in confirm mode: counted from 1 with the first publish after confirm.select.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishNumber(pub u64);
