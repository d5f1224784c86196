//! What can end a run, in words that say what to do, and its exit code (sysexits.h).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use hdrhistogram::CreationError;
use leveret_protocol::{ContentError, FrameError, Method, MethodError, ReplyCode, method_name};
use thiserror::Error;
use tokio::task::JoinError;

use super::uri::AmqpUri;

#[derive(Debug, Error)]
pub(in crate::cli) enum PerfError {
    /// The options do not go together.
    #[error("{0}")]
    Usage(String),
    #[error("cannot start threads: {0}")]
    Runtime(io::Error),
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    #[error("cannot measure latencies: {0}")]
    Latencies(#[from] CreationError),
    #[error("a worker gave up: {0}")]
    Worker(JoinError),
    #[error("cannot make a timer: {0}")]
    Timer(io::Error),
    #[error(
        "cannot connect to {uri}: {source}\nIs a broker running there? Another address: \
         --uri amqp://USER:PASSWORD@HOST:PORT/VHOST"
    )]
    Connect { uri: Arc<AmqpUri>, source: io::Error },
    #[error("{uri} does not answer as an AMQP 0-9-1 broker does: {what}")]
    Handshake { uri: Arc<AmqpUri>, what: String },
    #[error("{uri} did not answer within {seconds} s")]
    Timeout { uri: Arc<AmqpUri>, seconds: u64 },
    #[error(
        "{uri} refused the login of user '{}': {text}\nAnother user: --uri amqp://USER:PASSWORD@HOST:PORT/VHOST; RabbitMQ \
         and Leveret let the user guest in from their own machine only",
        uri.user
    )]
    Login { uri: Arc<AmqpUri>, text: String },
    #[error("the broker closed the connection to {uri}: {code} {text}{}{}", at(.method), advice(*.code))]
    ConnectionClosed { uri: Arc<AmqpUri>, code: u16, text: String, method: Option<&'static str> },
    #[error("the broker closed a channel of {uri}: {code} {text}{}{}", at(.method), advice(*.code))]
    ChannelClosed { uri: Arc<AmqpUri>, code: u16, text: String, method: Option<&'static str> },
    #[error("the broker cancelled the consumer of queue '{queue}': it was deleted, or its leader went away")]
    Cancelled { queue: String },
    #[error("the connection to {uri} broke: {source}")]
    Lost { uri: Arc<AmqpUri>, source: io::Error },
    #[error("cannot understand the broker: {0}")]
    Frame(#[from] FrameError),
    #[error("cannot understand the broker: {0}")]
    Method(#[from] MethodError),
    #[error("cannot understand the broker: {0}")]
    Content(#[from] ContentError),
    #[error("the broker sent {0}, which does not belong there")]
    Unexpected(String),
    #[error("cannot write the chart {}: {source}\nName another file with --chart FILE.", path.display())]
    Chart { path: PathBuf, source: io::Error },
}

impl PerfError {
    pub(super) fn usage(text: &str) -> Self {
        Self::Usage(text.to_owned())
    }

    /// An end that the broker announced, if the method is one.
    pub(super) fn closed(uri: &Arc<AmqpUri>, method: &Method) -> Option<Self> {
        use leveret_protocol::{channel, connection};
        match method {
            Method::Connection(connection::Method::Close(close)) => Some(Self::ConnectionClosed {
                uri: Arc::clone(uri),
                code: close.reply_code,
                text: close.reply_text.to_string(),
                method: method_name(close.class_id, close.method_id),
            }),
            Method::Channel(channel::Method::Close(close)) => Some(Self::ChannelClosed {
                uri: Arc::clone(uri),
                code: close.reply_code,
                text: close.reply_text.to_string(),
                method: method_name(close.class_id, close.method_id),
            }),
            Method::Connection(_)
            | Method::Channel(_)
            | Method::Access(_)
            | Method::Exchange(_)
            | Method::Queue(_)
            | Method::Basic(_)
            | Method::Confirm(_)
            | Method::Tx(_) => None,
        }
    }

    /// The exit code that goes with it.
    pub(in crate::cli) const fn code(&self) -> u8 {
        const USAGE: u8 = 64;
        const DATA: u8 = 65;
        const UNAVAILABLE: u8 = 69;
        const SOFTWARE: u8 = 70;
        const CANNOT_CREATE: u8 = 73;
        const PROTOCOL: u8 = 76;
        match self {
            Self::Usage(_) => USAGE,
            Self::ConnectionClosed { .. } | Self::ChannelClosed { .. } | Self::Cancelled { .. } => DATA,
            Self::Runtime(_)
            | Self::Signals(_)
            | Self::Timer(_)
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Login { .. }
            | Self::Lost { .. } => UNAVAILABLE,
            Self::Latencies(_) | Self::Worker(_) => SOFTWARE,
            Self::Handshake { .. } | Self::Frame(_) | Self::Method(_) | Self::Content(_) | Self::Unexpected(_) => {
                PROTOCOL
            }
            Self::Chart { .. } => CANNOT_CREATE,
        }
    }
}

fn at(method: &Option<&'static str>) -> String {
    method.map(|method| format!(" (answering {method})")).unwrap_or_default()
}

/// What to do about a refusal that load tools often meet.
fn advice(code: u16) -> &'static str {
    const NOT_FOUND: u16 = ReplyCode::NotFound.code();
    const ACCESS_REFUSED: u16 = ReplyCode::AccessRefused.code();
    const PRECONDITION_FAILED: u16 = ReplyCode::PreconditionFailed.code();
    const NOT_ALLOWED: u16 = ReplyCode::NotAllowed.code();
    match code {
        NOT_FOUND => {
            "\n--exchange-type TYPE has the exchange declared; queues are declared unless --predeclared is given"
        }
        ACCESS_REFUSED => "\nThe user needs the permissions configure, write and read for these names",
        PRECONDITION_FAILED => {
            "\nWhere the queue or exchange exists with other properties: --predeclared uses it as it is, --queue NAME \
             another one"
        }
        NOT_ALLOWED => "\nAnother vhost: --uri amqp://USER:PASSWORD@HOST:PORT/VHOST, the vhost / being written %2f",
        _ => "",
    }
}
