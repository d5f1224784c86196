//! Why octets are not a frame, in RabbitMQ's words.

use std::fmt;

use crate::ReplyCode;
use crate::erlang;

/// Octets of a payload that RabbitMQ shows.
const SHOWN: usize = 16;

/// Why octets are not a frame. All are connection errors with 501 `FRAME_ERROR`; the text of each is the
/// explanation RabbitMQ gives.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The kind does not exist, or the payload is too short for a method or header, or a heartbeat has a payload.
    #[error("{frame}: unknown_frame")]
    UnknownKind {
        /// The frame.
        frame: Snippet,
    },
    /// The octet after the payload is not the end octet.
    #[error("{frame}: {}", frame.pair("invalid_frame_end_marker", *end))]
    InvalidEnd {
        /// The frame.
        frame: Snippet,
        /// The octet in place of the end octet.
        end: u8,
    },
    /// The payload is larger than frame-max. Found from the head alone.
    #[error("type {kind}, all octets = <<>>: {{frame_too_large,{size},{limit}}}")]
    TooLarge {
        /// The octet of the kind, perhaps unknown.
        kind: u8,
        /// Octets of the payload.
        size: u32,
        /// Octets that a payload may have: frame-max less the overhead. RabbitMQ tolerates eight more.
        limit: u32,
    },
}

impl FrameError {
    /// The code the connection closes with.
    #[must_use]
    pub const fn code(&self) -> ReplyCode {
        ReplyCode::FrameError
    }
}

/// The kind and the first octets of a frame, as reply texts show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    kind: u8,
    octets: Vec<u8>,
    cut: bool,
}

impl Snippet {
    pub(super) fn new(kind: u8, payload: &[u8]) -> Self {
        Self { kind, octets: payload.iter().take(SHOWN).copied().collect(), cut: payload.len() > SHOWN }
    }

    /// A pair as it stands behind the snippet; its place decides whether the line is broken.
    fn pair(&self, name: &str, value: u8) -> String {
        let before = format!("{self}: ");
        let line = before.rsplit('\n').next().unwrap_or_default();
        erlang::pair_at(name, value, line.chars().count())
    }
}

impl fmt::Display for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = if self.cut { "first 16" } else { "all" };
        let head = format!("type {}, {which} octets = ", self.kind);
        write!(f, "{head}{}", erlang::binary_at(&self.octets, head.len()))
    }
}
