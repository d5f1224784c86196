//! The node's alarms as all of its connections see them. Owns who hears of a change; what an alarm does to a connection is
//! decided by the connection's machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use dashmap::DashMap;

use super::events::Events;
use super::outbox::Outbox;
use crate::broker::alarm::{Alarm, Alarms};
use crate::broker::ids::ConnectionId;
use crate::store::Waiter as _;

/// The outboxes of all connections.
pub(super) type Outboxes = DashMap<ConnectionId, Arc<Outbox>>;

/// What became of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It came on.
    On,
    /// It cleared.
    Off,
}

const MEMORY: u8 = 1;
const DISK: u8 = 2;

/// The alarms that are on, and the connections that hear of them.
#[derive(Debug)]
pub(super) struct AlarmBoard {
    on: AtomicU8,
    outboxes: Arc<Outboxes>,
    events: Arc<Events>,
}

impl AlarmBoard {
    /// None is on.
    pub(super) fn new(outboxes: &Arc<Outboxes>, events: &Arc<Events>) -> Self {
        Self { on: AtomicU8::new(0), outboxes: Arc::clone(outboxes), events: Arc::clone(events) }
    }

    /// Those that are on: one load, for every read of every connection.
    pub(super) fn alarms(&self) -> Alarms {
        let on = self.on.load(Ordering::Acquire);
        Alarms { memory: on & MEMORY != 0, disk: on & DISK != 0 }
    }

    /// Turns an alarm on or off, and wakes every connection when that changes something.
    pub(super) fn set(&self, alarm: Alarm, on: bool) {
        let bit = match alarm {
            Alarm::Memory => MEMORY,
            Alarm::Disk => DISK,
        };
        let before =
            if on { self.on.fetch_or(bit, Ordering::AcqRel) } else { self.on.fetch_and(!bit, Ordering::AcqRel) };
        if (before & bit != 0) == on {
            return;
        }
        self.events.tell_alarm(alarm, on);
        for outbox in self.outboxes.iter() {
            outbox.wake();
        }
    }
}
