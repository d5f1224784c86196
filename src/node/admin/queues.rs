//! Queues for operators.

use std::sync::Arc;
use std::time::Duration;

use leveret_protocol::{FieldTable, ShortString};

use super::Access;
use crate::broker::auth::Permission;
use crate::broker::error::{BrokerError, ChannelError};
use crate::broker::policy::Effective;
use crate::broker::queue::{Input, QueueEntry, Subscription};
use crate::broker::resource::Resource;
use crate::broker::vhost::{QueueDeclaration, Topology};
use crate::node::Node;
use crate::node::cell::QueueCell;
use crate::node::drain;
use crate::node::jobs::JobStatus;

/// A queue at one moment.
#[derive(Clone, Debug)]
pub struct QueueReport {
    /// What was declared.
    pub entry: Arc<QueueEntry>,
    /// What it holds.
    pub content: QueueContent,
    /// The policies that apply to it.
    pub policies: Effective,
}

/// What a queue holds at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueContent {
    /// Messages that wait for a consumer.
    pub ready: usize,
    /// Messages handed out and not settled.
    pub unacked: usize,
    /// Bytes of memory that ready messages take.
    pub ready_bytes_in_memory: usize,
    /// Bytes of memory that unacked messages take.
    pub unacked_bytes: usize,
    /// Whether publishers wait for room, or have been asked to pause.
    pub holds_publishers_back: bool,
    /// Attached consumers, oldest first.
    pub consumers: Vec<Subscription>,
    /// Messages that consumers get done with in a second, about.
    pub drain_rate: f64,
    /// From how many ready messages, and bytes of their bodies, on it counts as nearly full; `None`: no such bound.
    pub high_marks: (Option<u64>, Option<u64>),
}

impl QueueContent {
    /// How long a message that comes now will wait for a consumer, about; `None`: nothing moves.
    #[must_use]
    pub fn waiting_time(&self) -> Option<Duration> {
        drain::time_for(u64::try_from(self.ready).unwrap_or(u64::MAX), self.drain_rate)
    }
}

/// What an operator may say of a queue to be declared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueWanted {
    /// Its name.
    pub name: ShortString,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// As in queue.declare.
    pub arguments: FieldTable,
}

impl Access {
    /// All queues, by name.
    #[must_use]
    pub fn queues(&self) -> Vec<QueueReport> {
        let topology = self.vhost.topology();
        topology.queues().filter_map(|entry| self.report(&topology, entry)).collect()
    }

    /// The queue of that name.
    #[must_use]
    pub fn queue(&self, name: &ShortString) -> Option<QueueReport> {
        let topology = self.vhost.topology();
        self.report(&topology, topology.queue(name.as_bytes())?)
    }

    /// queue.declare, never exclusive; whether it is new.
    ///
    /// # Errors
    /// As queue.declare.
    pub fn declare_queue(&self, wanted: QueueWanted) -> Result<bool, BrokerError> {
        let id = self.node.next_queue()?;
        let declaration = QueueDeclaration {
            name: wanted.name,
            durable: wanted.durable,
            exclusive: false,
            auto_delete: wanted.auto_delete,
            arguments: wanted.arguments,
            id,
            generated: Node::random_name(),
        };
        let cell = self.vhost.declare_queue(self.node.clock.now(), &self.actor, declaration)?;
        Ok(cell.entry.id == id)
    }

    /// queue.delete; how many ready messages went.
    ///
    /// # Errors
    /// As queue.delete.
    pub fn delete_queue(&self, name: &ShortString, if_unused: bool, if_empty: bool) -> Result<usize, BrokerError> {
        self.vhost.delete_queue(self.node.clock.now(), &self.actor, name, if_unused, if_empty)
    }

    /// queue.purge; how many ready messages went.
    ///
    /// # Errors
    /// As queue.purge.
    pub fn purge_queue(&self, name: &ShortString) -> Result<usize, ChannelError> {
        let cell = self.readable(name)?;
        Ok(cell.run(self.node.clock.now(), Input::Purge).map_or(0, |outcome| outcome.removed))
    }

    /// How far a message is: for who may read from the queue, or write to it; `None`: it is not known, or no longer.
    /// Whether the queue keeps track at all.
    ///
    /// # Errors
    /// 403 with neither permission, 404 where there is no such queue.
    pub fn job(
        &self,
        queue: &ShortString,
        message_id: &ShortString,
    ) -> Result<(Option<JobStatus>, bool), ChannelError> {
        let cell = match self.readable(queue) {
            Err(ChannelError::PermissionRefused { .. }) => self.writable(queue)?,
            other => other?,
        };
        Ok(cell.job(self.node.clock.now(), message_id))
    }

    /// A queue as the vhost knows it: its arguments may have changed since it came to run.
    fn report(&self, topology: &Topology, entry: &Arc<QueueEntry>) -> Option<QueueReport> {
        let content = self.vhost.cell(entry.id)?.content();
        Some(QueueReport { entry: Arc::clone(entry), content, policies: topology.policies_of_queue(entry) })
    }

    /// The queue, if the user may read from it.
    pub(super) fn readable(&self, name: &ShortString) -> Result<Arc<QueueCell>, ChannelError> {
        let topology = self.vhost.topology();
        let entry = topology.access_queue(&self.actor, name, Permission::Read)?;
        self.vhost.cell(entry.id).ok_or_else(|| ChannelError::NotFound(Resource::queue(name, &self.vhost.name)))
    }
}
