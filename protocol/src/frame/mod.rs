//! Frames: finding their ends in a stream of octets, and writing them (AMQP 0-9-1 4.2.3).

mod error;
mod split;
mod write;

#[cfg(test)]
mod tests;

pub use crate::erlang::{erlang_binary, erlang_octets};
pub use error::{FrameError, Snippet};
pub use split::{Split, split};
pub use write::{HEARTBEAT, write_frame, write_frame_head};

/// Octets of a frame besides its payload: kind, channel, size and end.
pub const FRAME_OVERHEAD: usize = 8;

/// Octets of a frame before its payload: kind, channel and size.
pub const FRAME_HEAD: usize = 7;

/// The octet that ends every frame.
pub const FRAME_END: u8 = 0xCE;

/// What a client of AMQP 0-9-1 sends first, and what a server answers that speaks nothing else.
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\0\0\x09\x01";

/// The smallest frame-max a peer may ask for (AMQP 0-9-1 1.4.2.6), in octets.
pub const FRAME_MIN_SIZE: u32 = 4096;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// A method, whole.
    Method,
    /// A content header, whole.
    Header,
    /// A piece of a body.
    Body,
    /// Nothing but a sign of life.
    Heartbeat,
}

impl FrameKind {
    /// The octet on the wire.
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::Method => 1,
            Self::Header => 2,
            Self::Body => 3,
            // The specification's prose says 4, its constants and all implementations 8.
            Self::Heartbeat => 8,
        }
    }

    /// The kind of an octet on the wire.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::Method),
            2 => Some(Self::Header),
            3 => Some(Self::Body),
            8 => Some(Self::Heartbeat),
            _ => None,
        }
    }
}

/// A frame in the octets it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawFrame<'a> {
    /// What the payload is.
    pub kind: FrameKind,
    /// The channel; 0 is the connection itself.
    pub channel: u16,
    /// What lies between the head and the end octet.
    pub payload: &'a [u8],
}

impl RawFrame<'_> {
    /// How RabbitMQ describes a frame that came on the wrong channel (505 `UNEXPECTED_FRAME`), such as
    /// `type 8, all octets = <<>>`.
    #[must_use]
    pub fn describe(&self) -> String {
        Snippet::new(self.kind.octet(), self.payload).to_string()
    }
}
