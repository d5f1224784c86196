//! Messages of a connection that are not complete: how much memory they take, and that there is one at a time where memory
//! is short. Which connection that is kept from sending another one by such a message could otherwise never complete it.

use leveret_protocol::{FrameKind, RawFrame};

use super::Connection;
use crate::broker::channel::Channel;

/// The messages of a connection that are not complete.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Assembling {
    bytes: usize,
    /// How many of them have a content header, so that only their bodies are not complete.
    begun: usize,
    /// How many of them are large.
    large: usize,
    /// Memory is short for them.
    short: bool,
}

impl Assembling {
    /// A channel's part in it.
    pub(super) fn of(channel: &Channel) -> Self {
        let (begun, large) = (channel.assembles_body(), channel.assembles_large());
        Self { bytes: channel.assembling(), begun: usize::from(begun), large: usize::from(large), short: false }
    }

    /// A channel's part in it is another one now.
    pub(super) const fn change(&mut self, before: Self, after: Self) {
        self.bytes = (self.bytes + after.bytes).saturating_sub(before.bytes);
        self.begun = (self.begun + after.begun).saturating_sub(before.begun);
        self.large = (self.large + after.large).saturating_sub(before.large);
    }
}

impl Connection {
    /// Whether there is a message of which only the body is not complete.
    #[must_use]
    pub const fn is_amid_a_body(&self) -> bool {
        self.assembling.begun > 0
    }

    /// Bytes of memory that messages take which are not complete.
    #[must_use]
    #[inline]
    pub const fn assembling(&self) -> usize {
        self.assembling.bytes
    }

    /// Memory is short, or is not, for messages that are not complete: a connection that sends several large ones at once
    /// loses the channels of all but one of them.
    pub const fn assemble_one_by_one(&mut self, short: bool) {
        self.assembling.short = short;
    }

    /// Whether a frame adds to a large message, which is one too many.
    pub(super) fn assembles_too_many(&self, frame: &RawFrame<'_>) -> bool {
        self.assembling.short
            && self.assembling.large > 1
            && frame.kind == FrameKind::Body
            && self.channels.get(&frame.channel).is_some_and(|open| open.assembles_large())
    }
}
