//! What can go wrong, as facts that know their reply code and RabbitMQ's text. Clients match on the texts (Bunny,
//! Spring and test suites do), so they are kept word for word. Which method failed is added at dispatch, not here.

use std::time::Duration;

use leveret_protocol::{ReplyCode, ShortString};
use thiserror::Error;

use super::exchange::TypeRefusal;
use super::resource::Resource;

/// An error that closes one channel (RabbitMQ calls it a soft error).
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ChannelError {
    /// 403: the user's permission does not cover the resource.
    #[error("{verb} access to {resource} refused for user '{user}'")]
    PermissionRefused {
        /// configure, write or read.
        verb: &'static str,
        /// What was to be used.
        resource: Resource,
        /// Who wanted to.
        user: ShortString,
    },
    /// 403: declare, delete, bind or unbind of the default exchange.
    #[error("operation not permitted on the default exchange")]
    DefaultExchange,
    /// 403: a new name that begins with `amq.`.
    #[error("{kind} name '{name}' contains reserved prefix 'amq.*'")]
    ReservedName {
        /// exchange or queue.
        kind: &'static str,
        /// The name.
        name: ShortString,
    },
    /// 403: deleting an exchange whose name begins with `amq.`.
    #[error("deletion of system {0} not allowed")]
    SystemExchange(Resource),
    /// 403: publishing to an internal exchange.
    #[error("cannot publish to internal {0}")]
    InternalExchange(Resource),
    /// 403: an exclusive consumer is there, or one is wanted while others are there.
    #[error("{0} in exclusive use")]
    ExclusiveUse(Resource),
    /// 403: binding a direct reply-to queue.
    #[error("cannot bind or unbind to a volatile (direct reply-to) queue")]
    BindReplyTo,
    /// 404: no such exchange or queue.
    #[error("no {0}")]
    NotFound(Resource),
    /// 404: an empty queue name before any queue.declare on the channel.
    #[error("no previously declared queue")]
    NoPreviousQueue,
    /// 405: the queue is exclusive to another connection.
    #[error(
        "cannot obtain exclusive access to locked {0}. It could be originally declared on another connection or the \
         exclusive property value does not match that of the original declaration."
    )]
    Locked(Resource),
    /// 405: basic.get from a quorum queue that one consumer at a time is served from (RabbitMQ prints the type as Erlang
    /// does).
    #[error(
        "cannot obtain access to locked {0}. basic.get operations are not supported by <<\"quorum\">> queues with single \
         active consumer"
    )]
    SingleActiveConsumer(Resource),
    /// 406: a declare that does not match what exists.
    #[error("inequivalent arg '{argument}' for {resource}: received {received} but current is {current}")]
    Inequivalent {
        /// The field or argument.
        argument: String,
        /// What exists.
        resource: Resource,
        /// What the client sent, rendered.
        received: String,
        /// What is in force, rendered.
        current: String,
    },
    /// 406: a known argument with a bad value.
    #[error("invalid arg '{argument}' for {resource}: {reason}")]
    InvalidArgument {
        /// The argument.
        argument: String,
        /// What was declared or consumed from.
        resource: Resource,
        /// RabbitMQ's term for what is wrong.
        reason: String,
    },
    /// 406: an argument that belongs to another queue type.
    #[error("invalid arg '{argument}' for {resource} of queue type {queue_type}")]
    ArgumentOfOtherType {
        /// The argument.
        argument: String,
        /// What was declared or consumed from.
        resource: Resource,
        /// RabbitMQ's name of the queue's type.
        queue_type: &'static str,
    },
    /// 406: an argument of a type that the resource does not take.
    #[error("invalid type '{found}' for arg '{argument}' in {resource}")]
    ArgumentType {
        /// RabbitMQ's name of the type found.
        found: &'static str,
        /// The argument.
        argument: &'static str,
        /// What was declared.
        resource: Resource,
    },
    /// 406: a queue without a name of a type that needs one.
    #[error("Cannot declare a server-named queue for type {queue_type}")]
    ServerNamed {
        /// RabbitMQ's name of the queue's type.
        queue_type: &'static str,
    },
    /// 406: a property that queues of that type do not have.
    #[error("invalid property '{property}' for {resource}")]
    InvalidProperty {
        /// RabbitMQ's name of the property.
        property: &'static str,
        /// What was declared.
        resource: Resource,
    },
    /// 406: a name that RabbitMQ knows, but not as an exchange type.
    #[error("invalid exchange type '{0}'")]
    InvalidExchangeType(ShortString),
    /// 406: no exchange type of that name.
    #[error("unknown exchange type '{0}'")]
    UnknownExchangeType(ShortString),
    /// 406: what the exchange's type does not take.
    #[error(transparent)]
    RefusedByType(#[from] TypeRefusal),
    /// 406: delete with if-unused of something in use.
    #[error("{0} in use")]
    InUse(Resource),
    /// 406: delete with if-empty of a queue with ready messages.
    #[error("{0} not empty")]
    NotEmpty(Resource),
    /// 406: settling what is not outstanding.
    #[error("unknown delivery tag {0}")]
    UnknownDeliveryTag(u64),
    /// 406: a body above `max_message_size`.
    #[error("message size {size} is larger than configured max size {limit}")]
    MessageTooLarge {
        /// Bytes announced.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// 406: a transaction keeps more than a connection may. RabbitMQ has no such bound.
    #[error("open transactions of a connection are limited to {limit} bytes of messages: commit more often")]
    TransactionTooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// 406: the expiration property is no number of milliseconds.
    #[error("invalid expiration '{value}': {reason}")]
    InvalidExpiration {
        /// As sent.
        value: String,
        /// RabbitMQ's term for what is wrong.
        reason: String,
    },
    /// 406: a CC or BCC header that is not an array.
    #[error("invalid message: {{unacceptable_type_in_header,\"{header}\",{kind}}}")]
    HeaderNotArray {
        /// CC or BCC.
        header: &'static str,
        /// RabbitMQ's name of the type found.
        kind: &'static str,
    },
    /// 406: the user-id property names somebody else.
    #[error("user_id property set to '{claimed}' but authenticated user was '{actual}'")]
    WrongUserId {
        /// The property.
        claimed: String,
        /// The connection's user.
        actual: ShortString,
    },
    /// 406: tx method on a channel that is not transactional.
    #[error("channel is not transactional")]
    NotTransactional,
    /// 406: a queue was full and refused messages of a transaction; the rest of it has happened.
    #[error("partial tx completion")]
    PartialCommit,
    /// 406: confirm.select on a transactional channel.
    #[error("cannot switch from tx to confirm mode")]
    TxToConfirm,
    /// 406: tx.select on a channel in confirm mode.
    #[error("cannot switch from confirm to tx mode")]
    ConfirmToTx,
    /// 406: deliveries on a channel have been unacked for too long.
    #[error(
        "delivery acknowledgement on channel {channel} timed out. Timeout value used: {} ms. This timeout value can be \
         configured, see consumers doc guide to learn more",
        timeout.as_millis()
    )]
    ConsumerTimeout {
        /// The channel.
        channel: u16,
        /// How long they may be.
        timeout: Duration,
    },
    /// 406: a reply consumer that would acknowledge.
    #[error("reply consumer cannot acknowledge")]
    ReplyConsumerAcknowledges,
    /// 406: a second reply consumer on a channel.
    #[error("reply consumer already set")]
    ReplyConsumerSet,
    /// 406: consuming from the direct reply-to queue of another channel.
    #[error("only creator channel may consume from {0}")]
    ForeignReplyQueue(Resource),
    /// 406: consuming from the channel's own direct reply-to queue by its generated name.
    #[error("multiple consumers are unsupported for {0}")]
    SecondReplyConsumer(Resource),
    /// 406: reply-to is direct reply-to, but the channel has no reply consumer.
    #[error("fast reply consumer does not exist")]
    NoReplyConsumer,
    /// 506: the client, which also consumes, published to full queues more than may wait for them (ours).
    #[error(
        "too many messages wait for full queues: turn on publisher confirms to be told of each, or publish on a connection \
         that does not consume"
    )]
    QueueFull,
    /// 506: memory is short, and the connection holds too much of it unacked by basic.get (ours).
    #[error(
        "memory is low, and messages taken by basic.get on this connection and not settled take {limit} bytes of it or \
         more: settle some before getting more"
    )]
    GotTooMuch {
        /// Bytes that such messages may come to.
        limit: usize,
    },
    /// 506: memory is short for messages that are not complete, and the connection sends several at once (ours).
    #[error(
        "memory is low, and the content of another message is not complete on this connection: send large messages one \
         after the other, or on several connections"
    )]
    SentAtOnce,
    /// 406: a server-named queue's `x-name-prefix` is too long.
    #[error("Queue name prefix '{0}' exceeds the 64-byte limit")]
    NamePrefixTooLong(String),
}

impl ChannelError {
    /// The reply code that goes with it.
    #[must_use]
    pub fn code(&self) -> ReplyCode {
        match self {
            Self::PermissionRefused { .. }
            | Self::DefaultExchange
            | Self::ReservedName { .. }
            | Self::SystemExchange(_)
            | Self::InternalExchange(_)
            | Self::ExclusiveUse(_)
            | Self::BindReplyTo => ReplyCode::AccessRefused,
            Self::QueueFull | Self::GotTooMuch { .. } | Self::SentAtOnce => ReplyCode::ResourceError,
            Self::NotFound(_) | Self::NoPreviousQueue => ReplyCode::NotFound,
            Self::Locked(_) | Self::SingleActiveConsumer(_) => ReplyCode::ResourceLocked,
            Self::Inequivalent { .. }
            | Self::InvalidArgument { .. }
            | Self::ArgumentOfOtherType { .. }
            | Self::ArgumentType { .. }
            | Self::ServerNamed { .. }
            | Self::InvalidProperty { .. }
            | Self::InvalidExchangeType(_)
            | Self::UnknownExchangeType(_)
            | Self::RefusedByType(_)
            | Self::InUse(_)
            | Self::NotEmpty(_)
            | Self::UnknownDeliveryTag(_)
            | Self::MessageTooLarge { .. }
            | Self::TransactionTooLarge { .. }
            | Self::InvalidExpiration { .. }
            | Self::HeaderNotArray { .. }
            | Self::WrongUserId { .. }
            | Self::NotTransactional
            | Self::TxToConfirm
            | Self::PartialCommit
            | Self::ConfirmToTx
            | Self::ConsumerTimeout { .. }
            | Self::ReplyConsumerAcknowledges
            | Self::ReplyConsumerSet
            | Self::ForeignReplyQueue(_)
            | Self::SecondReplyConsumer(_)
            | Self::NoReplyConsumer
            | Self::NamePrefixTooLong(_) => ReplyCode::PreconditionFailed,
        }
    }
}

/// An error that closes the whole connection (RabbitMQ calls it a hard error).
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConnectionError {
    /// 320: the broker or its operator ends the connection.
    #[error("{0}")]
    Forced(String),
    /// 403: the login failed; the text never says why.
    #[error("Login was refused using authentication mechanism {mechanism}. For details see the broker logfile.")]
    LoginRefused {
        /// The SASL mechanism used.
        mechanism: String,
    },
    /// 501: bytes that are no frame, or a frame out of bounds.
    #[error("{0}")]
    Frame(String),
    /// 502: a table or property list that cannot be read.
    #[error("{0}")]
    Syntax(String),
    /// 503: a method that does not exist, or goes the other way.
    #[error("unimplemented method")]
    UnimplementedMethod,
    /// 504: a method on a channel that is not open.
    #[error("expected 'channel.open'")]
    ChannelNotOpen,
    /// 504: channel.open on an open channel.
    #[error("second 'channel.open' seen")]
    ChannelAlreadyOpen,
    /// 504: a method that does not fit the connection's state.
    #[error("unexpected method in connection state {0}")]
    UnexpectedMethod(&'static str),
    /// 505: frames in an order that makes no content.
    #[error("{0}")]
    UnexpectedFrame(String),
    /// 530: not allowed, with the reason.
    #[error("{0}")]
    NotAllowed(String),
    /// 530: a consumer tag that the channel uses already.
    #[error("attempt to reuse consumer tag '{0}'")]
    ConsumerTagInUse(ShortString),
    /// 540: a flag or argument that the broker does not have.
    #[error("{0}")]
    NotImplemented(String),
    /// 541: something durable could not be stored, since the disk is full; nothing of it happened.
    #[error("no space left on the disk to store what was declared")]
    NoSpace,
}

impl ConnectionError {
    /// The reply code that goes with it.
    #[must_use]
    pub fn code(&self) -> ReplyCode {
        match self {
            Self::Forced(_) => ReplyCode::ConnectionForced,
            Self::LoginRefused { .. } => ReplyCode::AccessRefused,
            Self::Frame(_) => ReplyCode::FrameError,
            Self::Syntax(_) => ReplyCode::SyntaxError,
            Self::UnimplementedMethod => ReplyCode::CommandInvalid,
            Self::ChannelNotOpen | Self::ChannelAlreadyOpen | Self::UnexpectedMethod(_) => ReplyCode::ChannelError,
            Self::UnexpectedFrame(_) => ReplyCode::UnexpectedFrame,
            Self::NotAllowed(_) | Self::ConsumerTagInUse(_) => ReplyCode::NotAllowed,
            Self::NotImplemented(_) => ReplyCode::NotImplemented,
            Self::NoSpace => ReplyCode::InternalError,
        }
    }
}

/// Either kind, where a rule can end in both.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BrokerError {
    /// Closes the channel.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// Closes the connection.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

impl BrokerError {
    /// The reply code that goes with it.
    #[must_use]
    pub fn code(&self) -> ReplyCode {
        match self {
            Self::Channel(error) => error.code(),
            Self::Connection(error) => error.code(),
        }
    }
}
