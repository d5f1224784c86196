//! What a connection wants done, and what it is told in return. Plain data.

use std::time::Duration;

use leveret_protocol::{FieldTable, Method, ShortString, channel};

use crate::broker::auth::sasl::{Login, Mechanism};
use crate::broker::error::BrokerError;
use crate::broker::ids::{CheckoutId, ConsumerId, QueueId};
use crate::broker::message::Message;
use crate::broker::queue::Outcome;
use crate::broker::vhost::{ExchangeDeclaration, Link};

/// What the connection wants done. The caller carries effects out in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Write the protocol header: the answer to a header that is not ours.
    SendProtocolHeader,
    /// Write a heartbeat frame.
    SendHeartbeat,
    /// Write a method frame.
    Send {
        /// On this channel.
        channel: u16,
        /// This method.
        method: Method,
    },
    /// Check a login; answer with `Connection::authenticated`. Nothing is read until then.
    Authenticate {
        /// How.
        mechanism: Mechanism,
        /// Who.
        login: Login,
    },
    /// Enter a vhost; answer with `Connection::vhost_opened`. Nothing is read until then.
    OpenVhost(ShortString),
    /// Let the client have one more channel; answer with `Connection::channel_allowed`. Nothing is read until then.
    /// Asked only where the node limits channels.
    OpenChannel(u16),
    /// Do something with exchanges and queues; answer with `Connection::answer`. Nothing is read until then.
    Request {
        /// For this channel.
        channel: u16,
        /// What.
        request: Request,
    },
    /// Route a message and give it to its queues.
    Publish {
        /// Published on this channel.
        channel: u16,
        /// The message.
        message: Message,
        /// Return it if it has no queue.
        mandatory: bool,
        /// Keep it until `Commit`.
        in_transaction: bool,
    },
    /// Confirm everything published on the channel up to this number.
    Confirm {
        /// The channel.
        channel: u16,
        /// The first publish number that is not confirmed yet.
        first: u64,
        /// The last publish number.
        through: u64,
    },
    /// Forget the messages kept for a transaction.
    Rollback(u16),
    /// A delivery is settled.
    Settle {
        /// Where the message came from.
        queue: QueueId,
        /// Who held it.
        consumer: ConsumerId,
        /// Which hand-out.
        checkout: CheckoutId,
        /// How.
        outcome: Outcome,
    },
    /// A delivery may stay unacked for so long from now on.
    Extend {
        /// Where the message came from.
        queue: QueueId,
        /// Who holds it.
        consumer: ConsumerId,
        /// Which hand-out.
        checkout: CheckoutId,
        /// How long.
        by: Duration,
    },
    /// A running consumer's prefetch changes.
    SetPrefetch {
        /// Its queue.
        queue: QueueId,
        /// The consumer.
        consumer: ConsumerId,
        /// The limit; 0 is none.
        prefetch: u16,
    },
    /// A running consumer comes under a limit of its channel, or out of it.
    SetChannelLimited {
        /// Its queue.
        queue: QueueId,
        /// The consumer.
        consumer: ConsumerId,
        /// Whether there is one.
        limited: bool,
    },
    /// A channel with a limit has room for messages of a consumer; answer with `Connection::offer_taken`.
    Offer {
        /// The channel.
        channel: u16,
        /// The consumer's queue.
        queue: QueueId,
        /// The consumer.
        consumer: ConsumerId,
        /// The most messages.
        room: usize,
    },
    /// A consumer ends. What it has been sent stays with the channel.
    Unsubscribe {
        /// Its channel.
        channel: u16,
        /// Its queue; none for direct reply-to.
        queue: Option<QueueId>,
        /// The consumer.
        consumer: ConsumerId,
    },
    /// The channel takes no replies any more.
    CloseReplyTo(u16),
    /// A consumer's channel is gone: it ends, and what it holds goes back to the queue.
    Abandon {
        /// Its queue.
        queue: QueueId,
        /// The consumer.
        consumer: ConsumerId,
    },
    /// A channel is gone with whatever the caller keeps for it.
    ChannelEnded(u16),
    /// Delete the connection's exclusive queues, now.
    ReleaseExclusive,
    /// Something worth a log line.
    Note(Note),
    /// Write what is left and close the socket.
    Disconnect,
}

impl Effect {
    /// The channel whose error makes this effect void.
    #[must_use]
    pub const fn channel(&self) -> Option<u16> {
        match self {
            // A client that closes the channel by itself waits for the answer whatever happened before.
            Self::Send { method: Method::Channel(channel::Method::CloseOk(_)), .. } => None,
            Self::Send { channel, .. }
            | Self::Request { channel, .. }
            | Self::Publish { channel, .. }
            | Self::Confirm { channel, .. }
            | Self::Rollback(channel) => Some(*channel),
            Self::SendProtocolHeader
            | Self::SendHeartbeat
            | Self::Authenticate { .. }
            | Self::OpenVhost(_)
            | Self::OpenChannel(_)
            | Self::Settle { .. }
            | Self::Extend { .. }
            | Self::SetPrefetch { .. }
            | Self::SetChannelLimited { .. }
            | Self::Offer { .. }
            | Self::Unsubscribe { .. }
            | Self::CloseReplyTo(_)
            | Self::Abandon { .. }
            | Self::ChannelEnded(_)
            | Self::ReleaseExclusive
            | Self::Note(_)
            | Self::Disconnect => None,
        }
    }
}

/// What the log is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The connection is closed by an error.
    ConnectionError(BrokerError),
    /// A channel is closed by an error.
    ChannelError(u16, BrokerError),
    /// The client sent nothing for too long.
    MissedHeartbeats,
    /// The handshake took too long.
    HandshakeTimeout,
    /// Not an AMQP client, or one of another version.
    BadProtocolHeader([u8; 8]),
    /// The client broke the handshake; the socket is closed without a word, as RabbitMQ does.
    HandshakeRefused(String),
}

/// What a channel asks of the vhost and its queues.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// exchange.declare.
    DeclareExchange(ExchangeDeclaration),
    /// exchange.delete.
    DeleteExchange {
        /// As sent.
        name: ShortString,
        /// Only without bindings.
        if_unused: bool,
    },
    /// exchange.bind and queue.bind.
    Bind(Link),
    /// exchange.unbind and queue.unbind.
    Unbind(Link),
    /// queue.declare, not passive.
    DeclareQueue(leveret_protocol::queue::Declare),
    /// queue.declare, passive.
    FindQueue(ShortString),
    /// queue.purge.
    PurgeQueue(ShortString),
    /// queue.delete.
    DeleteQueue {
        /// Its name.
        name: ShortString,
        /// Only without consumers.
        if_unused: bool,
        /// Only without ready messages.
        if_empty: bool,
    },
    /// basic.consume.
    Consume {
        /// The queue.
        queue: ShortString,
        /// As sent; empty: the broker makes one.
        consumer_tag: ShortString,
        /// Deliveries are settled when sent.
        no_ack: bool,
        /// No other consumer.
        exclusive: bool,
        /// As sent; checked once the queue is known to be there.
        arguments: FieldTable,
        /// The most unacked deliveries; 0 is no limit.
        prefetch: u16,
        /// The channel has a limit for all its consumers.
        channel_limited: bool,
    },
    /// basic.consume of direct reply-to.
    OpenReplyTo(ShortString),
    /// basic.get.
    Get {
        /// The queue.
        queue: ShortString,
        /// Settled when sent.
        no_ack: bool,
    },
    /// tx.commit: the messages kept for the channel go to their queues, and these settlings count, all at once.
    Commit(Vec<Settlement>),
}

/// A delivery that is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Where the message came from.
    pub queue: QueueId,
    /// Who held it.
    pub consumer: ConsumerId,
    /// Which hand-out.
    pub checkout: CheckoutId,
    /// How.
    pub outcome: Outcome,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Done.
    Done,
    /// The queue as it is.
    Queue {
        /// Its name.
        name: ShortString,
        /// Ready messages.
        message_count: u32,
        /// Consumers.
        consumer_count: u32,
    },
    /// So many messages went.
    Removed(u32),
    /// The consumer runs.
    Consuming {
        /// Its tag.
        consumer_tag: ShortString,
        /// Its id.
        consumer: ConsumerId,
        /// Its queue; none for direct reply-to.
        queue: Option<QueueId>,
        /// Deliveries are settled when sent.
        no_ack: bool,
    },
    /// basic.get found nothing.
    Empty,
}
