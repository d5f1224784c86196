//! Blocking: while an alarm is on, a connection is not read any further than the first content frame of a publish, as in
//! RabbitMQ. Whoever does not publish does not notice.

use leveret_protocol::{FrameKind, RawFrame, ShortString, connection};

use super::{Connection, Effect, State};
use crate::broker::alarm::Alarms;
use crate::broker::time::Timestamp;

/// What a connection knows of alarms.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Blocking {
    alarms: Alarms,
    /// It published while an alarm was on: nothing is read until all are off.
    blocked: bool,
    /// It may complete the bodies that it has begun all the same.
    finishes: bool,
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
        let finishes = self.blocking.finishes && self.is_amid_a_body();
        self.blocking.blocked && self.state == State::Running && !finishes
    }

    /// Whether it waits for alarms to be over in the middle of a body, or has been let go on with that.
    #[must_use]
    pub const fn is_blocked_amid_a_body(&self) -> bool {
        self.blocking.blocked && self.is_amid_a_body()
    }

    /// Lets the connection complete the bodies that it has begun although an alarm is on, or does not any more.
    pub const fn let_finish(&mut self, finishes: bool) {
        self.blocking.finishes = finishes;
    }

    /// Whether this frame has to wait: it is content of a publish, and an alarm is on. The first such frame blocks the
    /// connection.
    pub(super) fn holds_up(&mut self, frame: &RawFrame<'_>, effects: &mut Vec<Effect>) -> bool {
        let Some(reason) = self.blocking.alarms.reason().filter(|_| self.state == State::Running) else { return false };
        let content = matches!(frame.kind, FrameKind::Header | FrameKind::Body);
        let Some(channel) = self.channels.get(&frame.channel).filter(|channel| content && channel.awaits_content())
        else {
            return false;
        };
        if self.blocking.finishes && frame.kind == FrameKind::Body && channel.assembles_body() {
            return false;
        }
        if std::mem::replace(&mut self.blocking.blocked, true) {
            return true;
        }
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.expect_nothing();
        }
        if self.client_can("connection.blocked") {
            Self::send(0, connection::Blocked { reason: ShortString::from_static(reason) }, effects);
        }
        true
    }
}
