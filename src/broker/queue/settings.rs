//! What a queue keeps to: limits, times to live, where dead messages go. Owns what the values mean; arguments say where they
//! come from when the queue is declared, policies while it runs.

use std::time::Duration;

use leveret_protocol::{FieldTable, ShortString};

use super::arguments;
use super::retry::Retry;

/// The settings of a queue, as they are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
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
    /// Which messages wait before they are ready.
    pub hold: Option<Hold>,
    /// How messages are tried again that consumers do not want now (`x-retry-delays` and others).
    pub retry: Option<Retry>,
    /// How surely they get there (`dead-letter-strategy`).
    pub dead_letter_strategy: DeadLetterStrategy,
    /// How often a message may come back (`delivery-limit`); `None`: the queue type's own limit.
    pub delivery_limit: Option<DeliveryLimit>,
    /// How long a consumer may hold a message (`consumer-timeout`); `None`: the node's.
    pub consumer_timeout: Option<Duration>,
    /// Whether and for how long what comes back waits (`delayed-retry-type`).
    pub delayed_retry: Option<DelayedRetry>,
}

/// Which messages wait before they are ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// All: each for as long as its header `x-delay` says, and then it leaves for the exchange that the queue belongs to.
    ForExchange,
    /// Those with this header, up to the time in it (`x-hold-until-header`).
    Until(ShortString),
}

/// How often a message may come back before it is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryLimit {
    /// So many times.
    AtMost(u64),
    /// As often as it likes: what a negative number says.
    Unlimited,
}

impl DeliveryLimit {
    /// What a number says.
    #[must_use]
    pub fn of(number: i64) -> Self {
        u64::try_from(number).map_or(Self::Unlimited, Self::AtMost)
    }
}

/// How surely dead messages get to their exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeadLetterStrategy {
    /// They leave the queue, and that is that.
    #[default]
    AtMostOnce,
    /// They leave the queue when they have arrived.
    AtLeastOnce,
}

/// Messages that come back wait before they are delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayedRetry {
    /// Which of them.
    pub returns: DelayedReturns,
    /// The wait after the first return; each further one adds as much.
    pub min: Duration,
    /// The longest wait; `None`: no bound.
    pub max: Option<Duration>,
}

/// Which returned messages wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DelayedReturns {
    /// All.
    All,
    /// Those whose return counts as a failed delivery.
    Failed,
    /// Those whose return does not.
    Returned,
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
}

impl Overflow {
    /// The overflow of that name.
    #[must_use]
    pub fn by_name(name: &[u8]) -> Option<Self> {
        match name {
            b"drop-head" => Some(Self::DropHead),
            b"reject-publish" => Some(Self::RejectPublish),
            b"reject-publish-dlx" => Some(Self::RejectPublishDlx),
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
            message_ttl: arguments::message_ttl(arguments).map(millis),
            expires: arguments::expires(arguments).map(millis),
            max_length: arguments::max_length(arguments),
            max_length_bytes: arguments::max_length_bytes(arguments),
            overflow: arguments::overflow(arguments).unwrap_or_default(),
            dead_letter: arguments::dead_letter_exchange(arguments)
                .map(|exchange| DeadLetter { exchange, routing_key: arguments::dead_letter_routing_key(arguments) }),
            hold: arguments::hold_until_header(arguments).map(Hold::Until),
            retry: arguments::retry(arguments),
            ..Self::default()
        }
    }

    /// Whether a full queue refuses messages.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.overflow != Overflow::DropHead && (self.max_length.is_some() || self.max_length_bytes.is_some())
    }
}
