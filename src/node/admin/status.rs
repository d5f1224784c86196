//! The node as a whole: what it holds, what it is short of.

use std::sync::atomic::Ordering;

use super::Operator;
use crate::broker::alarm::Alarms;
use crate::config::{DiskFreeLimit, MemoryLimit};
use crate::node::session::ConnectionMemory;
use crate::node::{Levels, Node, memory};

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

/// Bytes of memory by what it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Messages in queues, ready or waiting for a time.
    pub ready: usize,
    /// Messages that are handed out and not settled.
    pub unacked: usize,
    /// Messages and parts of them that connections hold.
    pub connections: ConnectionMemory,
    /// Records that are not on the disk yet.
    pub log: usize,
    /// All that the process has in RAM; 0 where that cannot be found out.
    pub resident: u64,
}

impl Operator {
    /// What memory is used for; connections are asked.
    pub async fn memory(&self) -> MemoryUse {
        let mut connections = ConnectionMemory::default();
        for report in self.connections().await {
            connections.assembling += report.memory.assembling;
            connections.held += report.memory.held;
            connections.uncommitted += report.memory.uncommitted;
            connections.outgoing += report.memory.outgoing;
        }
        let resident = memory::resident().unwrap_or_default();
        let Some(storage) = &self.node.storage else {
            return MemoryUse { connections, resident, ..MemoryUse::default() };
        };
        let (ready, unacked) = (storage.accounts.ready(), storage.accounts.unacked());
        MemoryUse { ready, unacked, connections, log: storage.log.lag(), resident }
    }

    /// Another limit of memory counts from now on, until the next start.
    pub fn set_memory_limit(&self, limit: MemoryLimit) {
        self.node.watermarks.set_memory(limit);
    }

    /// Another limit of free space on the disk counts from now on, until the next start.
    pub fn set_disk_limit(&self, limit: DiskFreeLimit) {
        self.node.watermarks.set_disk(limit);
    }
}

impl Node {
    /// Limits of memory and disk, and what was measured.
    #[must_use]
    pub fn levels(&self) -> Levels {
        self.watermarks.levels()
    }

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
