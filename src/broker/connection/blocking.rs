//! Blocking: while an alarm is on, a connection is not read any further than the first content frame of a publish, as in
//! RabbitMQ. Whoever does not publish does not notice.

use leveret_protocol::{FrameKind, RawFrame, ShortString, connection};

use super::{Connection, Effect, State};
use crate::broker::alarm::Alarms;
use crate::broker::channel::Channel;
use crate::broker::time::Timestamp;

/// What a connection knows of alarms.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Blocking {
    alarms: Alarms,
    /// It published while an alarm was on: nothing is read until all are off.
    blocked: bool,
}

impl Blocking {
    pub(super) const fn is_blocked(&self) -> bool {
        self.blocked
    }
}

impl Connection {
    /// The node's alarms have changed. The client is told once that it is blocked and once that it is not, whatever
    /// alarms come and go in between.
    pub fn alarm(&mut self, now: Timestamp, alarms: Alarms, effects: &mut Vec<Effect>) {
        self.blocking.alarms = alarms;
        if alarms != Alarms::NONE || !std::mem::take(&mut self.blocking.blocked) {
            return;
        }
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.expect_from(now);
        }
        if self.state == State::Running && self.client_can("connection.blocked") {
            Self::send(0, connection::Unblocked {}, effects);
        }
    }

    /// The alarms that the connection has been told of.
    #[must_use]
    pub const fn alarms(&self) -> Alarms {
        self.blocking.alarms
    }

    /// Whether nothing may be read since the client published while an alarm was on. A connection that ends is read
    /// all the same: the answer to connection.close has to come through.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.blocking.blocked && self.state == State::Running
    }

    /// Whether this frame has to wait: it is content of a publish, and an alarm is on. The first such frame blocks the
    /// connection.
    pub(super) fn holds_up(&mut self, frame: &RawFrame<'_>, effects: &mut Vec<Effect>) -> bool {
        let Some(reason) = self.blocking.alarms.reason().filter(|_| self.state == State::Running) else { return false };
        let content = matches!(frame.kind, FrameKind::Header | FrameKind::Body);
        if !content || !self.channels.get(&frame.channel).is_some_and(Channel::awaits_content) {
            return false;
        }
        self.blocking.blocked = true;
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.expect_nothing();
        }
        if self.client_can("connection.blocked") {
            Self::send(0, connection::Blocked { reason: ShortString::from_static(reason) }, effects);
        }
        true
    }
}
