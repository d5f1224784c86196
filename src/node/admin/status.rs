//! The node as a whole: what it holds, what it is short of.

use std::sync::atomic::Ordering;

use super::Operator;
use crate::broker::alarm::Alarms;
use crate::node::Node;

/// How many of each thing there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Exchanges.
    pub exchanges: usize,
    /// Queues.
    pub queues: usize,
    /// Consumers.
    pub consumers: usize,
    /// Ready messages.
    pub ready: usize,
    /// Unacked messages.
    pub unacked: usize,
}

/// The alarms that are on.
pub type Alarmed = Alarms;

impl Operator {
    /// The totals over the vhosts that the user may see.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for access in self.enter_all() {
            totals.exchanges += access.vhost.topology().exchanges().count();
            for queue in access.queues() {
                totals.queues += 1;
                totals.consumers += queue.content.consumers.len();
                totals.ready += queue.content.ready;
                totals.unacked += queue.content.unacked;
            }
        }
        totals
    }
}

impl Node {
    /// The alarms that are on.
    #[must_use]
    pub fn alarmed(&self) -> Alarmed {
        self.alarms.alarms()
    }

    /// Milliseconds since the node started.
    #[must_use]
    pub fn uptime_ms(&self) -> u64 {
        self.clock.now().as_millis()
    }

    /// Open connections, and how many there may be.
    #[must_use]
    pub fn connection_count(&self) -> (u32, Option<u32>) {
        (self.open_connections.load(Ordering::Relaxed), self.connection_max)
    }
}
