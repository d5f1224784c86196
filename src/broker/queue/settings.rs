//! What a queue keeps to: limits, times to live, where dead messages go. Owns what the values mean; arguments say where they
//! come from when the queue is declared, policies while it runs.

use std::time::Duration;

use leveret_protocol::{FieldTable, ShortString};

use super::arguments::{self, QueueType};
use super::delayed_retry::DelayedRetry;
use super::retry::Retry;

/// How often a delivery of a message in a quorum queue may fail (RabbitMQ's default).
const QUORUM_DELIVERY_LIMIT: u64 = 20;

/// The settings of a queue, as they are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What type it is of (`x-queue-type`).
    pub queue_type: QueueType,
    /// One consumer at a time is served (`x-single-active-consumer`).
    pub single_active: bool,
    /// How often a delivery of a message may fail; a negative number: without a limit; `None`: as the type has it
    /// (`x-delivery-limit`).
    pub delivery_limit: Option<i64>,
    /// How long a delivery may stay unacked; zero: for ever; `None`: as the node has it (`x-consumer-timeout`).
    pub consumer_timeout: Option<Duration>,
    /// What becomes of a delivery that stays unacked for longer (`x-consumer-timeout-action`, our own).
    pub timeout_action: TimeoutAction,
    /// How long a message lives that comes from now on (`x-message-ttl`).
    pub message_ttl: Option<Duration>,
    /// How long the queue lives without consumers and without use (`x-expires`).
    pub expires: Option<Duration>,
    /// The most ready messages (`x-max-length`).
    pub max_length: Option<u64>,
    /// The most bytes of bodies of ready messages (`x-max-length-bytes`).
    pub max_length_bytes: Option<u64>,
    /// What a full queue does (`x-overflow`).
    pub overflow: Overflow,
    /// Where dead messages go (`x-dead-letter-exchange`, `x-dead-letter-routing-key`).
    pub dead_letter: Option<DeadLetter>,
    /// The highest priority of messages that the queue tells apart; 0: it has none (`x-max-priority`). Fixed when the queue is
    /// declared: no policy sets it, and `Input::Configure` does not change it.
    pub max_priority: u8,
    /// The header whose value makes messages a group, which one consumer at a time has (`x-group-by`, our own). Fixed, like
    /// priorities, with which it does not go together.
    pub group_by: Option<ShortString>,
    /// Which messages wait before they are ready.
    pub hold: Option<Hold>,
    /// How messages are tried again that consumers do not want now (`x-retry-delays` and others).
    pub retry: Option<Retry>,
    /// How messages that come back wait before they are ready (`x-delayed-retry-type` and others; quorum queues).
    pub delayed_retry: Option<DelayedRetry>,
    /// It is told what becomes of each message (`x-track-status`, our own). Fixed when the queue is declared.
    pub track_status: bool,
}

/// Which messages wait before they are ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// All: each for as long as its header `x-delay` says, and then it leaves for the exchange that the queue belongs to.
    ForExchange,
    /// Those with this header, up to the time in it (`x-hold-until-header`).
    Until(ShortString),
}

/// What becomes of deliveries that stay unacked for too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeoutAction {
    /// All that their consumer holds comes back, and it ends: cancelled by a quorum queue, with its channel by a classic
    /// one (RabbitMQ).
    #[default]
    EndConsumer,
    /// They come back; their consumer goes on.
    Requeue,
}

impl TimeoutAction {
    /// The action of that name.
    #[must_use]
    pub fn by_name(name: &[u8]) -> Option<Self> {
        match name {
            b"end-consumer" => Some(Self::EndConsumer),
            b"requeue" => Some(Self::Requeue),
            _ => None,
        }
    }
}

/// What a full queue does with one message more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Takes it and drops the oldest ready ones.
    #[default]
    DropHead,
    /// Refuses it: the publisher gets basic.nack.
    RejectPublish,
    /// Refuses it, and dead-letters it with the reason `maxlen`.
    RejectPublishDlx,
    /// Neither loses nor refuses it: its publisher waits (ours).
    Block,
}

impl Overflow {
    /// The overflow of that name.
    #[must_use]
    pub fn by_name(name: &[u8]) -> Option<Self> {
        match name {
            b"drop-head" => Some(Self::DropHead),
            b"reject-publish" => Some(Self::RejectPublish),
            b"reject-publish-dlx" => Some(Self::RejectPublishDlx),
            b"block" => Some(Self::Block),
            _ => None,
        }
    }
}

/// Where the dead messages of a queue go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// To this exchange; it need not exist.
    pub exchange: ShortString,
    /// With this routing key; `None`: with those that the message had.
    pub routing_key: Option<ShortString>,
}

impl Settings {
    /// What valid arguments of a queue ask for.
    #[must_use]
    pub fn of(arguments: &FieldTable) -> Self {
        let millis = |number| Duration::from_millis(number);
        Self {
            queue_type: arguments::queue_type(arguments),
            single_active: arguments::single_active_consumer(arguments),
            delivery_limit: arguments::delivery_limit(arguments),
            consumer_timeout: arguments::consumer_timeout(arguments).map(millis),
            timeout_action: arguments::consumer_timeout_action(arguments).unwrap_or_default(),
            message_ttl: arguments::message_ttl(arguments).map(millis),
            expires: arguments::expires(arguments).map(millis),
            max_length: arguments::max_length(arguments),
            max_length_bytes: arguments::max_length_bytes(arguments),
            overflow: arguments::overflow(arguments).unwrap_or_default(),
            dead_letter: arguments::dead_letter_exchange(arguments)
                .map(|exchange| DeadLetter { exchange, routing_key: arguments::dead_letter_routing_key(arguments) }),
            max_priority: arguments::max_priority(arguments),
            group_by: arguments::group_by(arguments),
            hold: arguments::hold_until_header(arguments).map(Hold::Until),
            retry: arguments::retry(arguments),
            delayed_retry: arguments::delayed_retry(arguments),
            track_status: arguments::track_status(arguments),
        }
    }

    /// With the node's bound where there is none: it lets publishers wait.
    #[must_use]
    pub fn bounded_by(mut self, bound: Bound) -> Self {
        if !self.is_bounded() {
            (self.max_length, self.max_length_bytes) = (bound.length, bound.length_bytes);
            self.overflow = Overflow::Block;
        }
        self
    }

    /// Whether it is a quorum queue.
    #[must_use]
    pub fn is_quorum(&self) -> bool {
        self.queue_type == QueueType::Quorum
    }

    /// Whether it counts how often messages come back, and tells their consumers.
    #[must_use]
    pub fn counts_deliveries(&self) -> bool {
        self.is_quorum() || self.delivery_limit.is_some()
    }

    /// How often a delivery of a message may fail before it dies.
    #[must_use]
    pub fn most_failures(&self) -> Option<u64> {
        match self.delivery_limit {
            Some(limit) => u64::try_from(limit).ok(),
            None => self.is_quorum().then_some(QUORUM_DELIVERY_LIMIT),
        }
    }

    /// Whether a full queue refuses messages.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.is_bounded() && matches!(self.overflow, Overflow::RejectPublish | Overflow::RejectPublishDlx)
    }

    /// Whether publishers wait for a full queue.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.is_bounded() && self.overflow == Overflow::Block
    }

    const fn is_bounded(&self) -> bool {
        self.max_length.is_some() || self.max_length_bytes.is_some()
    }
}

/// How long a queue may become that says nothing of it itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Ready messages; `None`: any number.
    pub length: Option<u64>,
    /// Bytes of their bodies; `None`: any number.
    pub length_bytes: Option<u64>,
}
