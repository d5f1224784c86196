//! What a vhost looks like at one moment: its exchanges with their bindings, and its queues. Immutable once published,
//! so that routing needs no lock; a new one shares nearly everything with the last.

use std::collections::BTreeSet;
use std::sync::Arc;

use leveret_protocol::ShortString;
use rpds::RedBlackTreeMapSync;

use crate::broker::auth::{Actor, Permission};
use crate::broker::channel::reply_to::is_token;
use crate::broker::delay;
use crate::broker::error::ChannelError;
use crate::broker::exchange::{Destination, Envelope, Exchange, mixed};
use crate::broker::policy::{Effective, Policies, Target};
use crate::broker::queue::QueueEntry;
use crate::broker::resource::Resource;

/// A vhost's exchanges and queues at one moment.
#[derive(Clone, Debug)]
pub struct Topology {
    /// Grows with every change. What was routed under another number is out of date.
    pub number: u64,
    /// The vhost's name.
    pub vhost: ShortString,
    pub(super) exchanges: RedBlackTreeMapSync<ShortString, Arc<Exchange>>,
    pub(super) queues: RedBlackTreeMapSync<ShortString, Arc<QueueEntry>>,
    pub(super) policies: Arc<Policies>,
}

/// Where a message goes.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// Every queue once.
    pub queues: Vec<Arc<QueueEntry>>,
    /// Whether something besides exchange and routing key had a say, so that the next message with these names may go
    /// elsewhere.
    pub varies: bool,
    /// Whether an exchange keeps it, to route it later.
    pub delayed: bool,
    /// The exchanges on the way that keep a history.
    pub histories: Vec<ShortString>,
}

impl Topology {
    /// All exchanges, by name.
    pub fn exchanges(&self) -> impl Iterator<Item = &Arc<Exchange>> {
        self.exchanges.values()
    }

    /// All queues, by name.
    pub fn queues(&self) -> impl Iterator<Item = &Arc<QueueEntry>> {
        self.queues.values()
    }

    /// The exchange of that name.
    #[must_use]
    pub fn exchange(&self, name: &[u8]) -> Option<&Arc<Exchange>> {
        self.exchanges.get(name)
    }

    /// The queue of that name.
    #[must_use]
    pub fn queue(&self, name: &[u8]) -> Option<&Arc<QueueEntry>> {
        self.queues.get(name)
    }

    /// The vhost's policies.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The policies that apply to a queue.
    #[must_use]
    pub fn policies_of_queue(&self, entry: &QueueEntry) -> Effective {
        self.policies.effective(entry.name.as_bytes(), Target::of_queue(&entry.arguments))
    }

    /// The policies that apply to an exchange.
    #[must_use]
    pub fn policies_of_exchange(&self, exchange: &Exchange) -> Effective {
        self.policies.effective(exchange.name.as_bytes(), Target::Exchange)
    }

    /// The queue, if the actor may use it with that permission.
    ///
    /// # Errors
    /// 403 without the permission, 404 where there is none, 405 where it is exclusive to another connection.
    pub fn access_queue(
        &self,
        actor: &Actor,
        name: &ShortString,
        permission: Permission,
    ) -> Result<&Arc<QueueEntry>, ChannelError> {
        let resource = Resource::queue(name, &self.vhost);
        actor.require(permission, &resource)?;
        let entry = self.queue(name.as_bytes()).ok_or_else(|| ChannelError::NotFound(resource.clone()))?;
        entry.check_owner(actor.connection, resource)?;
        Ok(entry)
    }

    /// The queues of a message published to `exchange`. Follows exchange bindings and alternate exchanges; each
    /// exchange is visited once, so cycles end. Every exchange matches with the same routing keys and headers. An exchange
    /// that keeps the message leads to its delay queue and no further.
    #[must_use]
    pub fn route(&self, exchange: &[u8], envelope: &Envelope<'_>) -> Route {
        self.route_past(exchange, envelope, &mut |_| true)
    }

    /// As `route`, but asks `admits` of every exchange on the way that tells duplicates whether the message is new to it.
    /// One that is not is not routed by that exchange, nor by its alternate.
    pub fn route_past(
        &self,
        exchange: &[u8],
        envelope: &Envelope<'_>,
        admits: &mut dyn FnMut(&Exchange) -> bool,
    ) -> Route {
        if exchange.is_empty() {
            return self.route_by_queue_name(envelope);
        }
        let mut walk = Walk { route: Route::default(), visited: BTreeSet::new(), waiting: Vec::new(), chosen: 0 };
        walk.enter(self, exchange);
        while let Some(next) = walk.waiting.pop() {
            if next.memory.deduplication.is_none() || admits(&next) {
                walk.visit(&next, self, envelope);
            }
            walk.route.varies |= next.varies();
        }
        let mut route = walk.route;
        // A queue may have the name of an exchange that keeps messages.
        route.queues.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        route.queues.dedup_by(|a, b| a.id == b.id);
        route
    }

    fn route_by_queue_name(&self, envelope: &Envelope<'_>) -> Route {
        // Replies go straight to who waits for them.
        let is_reply = envelope.routing_keys.first().is_some_and(|routing_key| is_token(routing_key));
        if let (Some(exchange), false) = (self.exchange(b""), is_reply)
            && let Some(entry) = keeps(exchange, envelope)
        {
            return Route { queues: vec![Arc::clone(entry)], varies: true, delayed: true, ..Route::default() };
        }
        let mut queues: Vec<Arc<QueueEntry>> = Vec::new();
        for routing_key in envelope.routing_keys {
            if let Some(entry) = self.queue(routing_key)
                && !queues.iter().any(|known| known.id == entry.id)
            {
                queues.push(Arc::clone(entry));
            }
        }
        Route { queues, ..Route::default() }
    }
}

/// The queue in which an exchange keeps the message, to route it later; `None`: it is routed at once.
fn keeps<'a>(exchange: &'a Exchange, envelope: &Envelope<'_>) -> Option<&'a Arc<QueueEntry>> {
    let entry = exchange.delay_queue.as_ref().filter(|_| exchange.delays)?;
    delay::delay(envelope.headers?).map(|_| entry)
}

struct Walk {
    route: Route,
    visited: BTreeSet<ShortString>,
    waiting: Vec<Arc<Exchange>>,
    /// Exchanges visited that may have chosen at random.
    chosen: u64,
}

impl Walk {
    fn enter(&mut self, topology: &Topology, name: &[u8]) {
        if let Some(exchange) = topology.exchange(name)
            && self.visited.insert(exchange.name.clone())
        {
            self.waiting.push(Arc::clone(exchange));
        }
    }

    fn visit(&mut self, exchange: &Exchange, topology: &Topology, envelope: &Envelope<'_>) {
        if let Some(entry) = keeps(exchange, envelope) {
            (self.route.varies, self.route.delayed) = (true, true);
            return self.route.queues.push(Arc::clone(entry));
        }
        let mut envelope = *envelope;
        if exchange.bindings.varies() {
            // Or a choice at random behind another one would not be free of it.
            self.chosen += 1;
            envelope.random = mixed(envelope.random.wrapping_add(self.chosen));
        }
        if exchange.memory.history.is_some() {
            self.route.histories.push(exchange.name.clone());
        }
        // RabbitMQ: a binding to an exchange counts as routed, even when nothing is bound to that exchange.
        let mut routed = false;
        exchange.bindings.route(&envelope, &mut |destination| {
            routed = true;
            match destination {
                Destination::Queue(entry) => self.route.queues.push(Arc::clone(entry)),
                Destination::Exchange(name) => self.enter(topology, name.as_bytes()),
            }
        });
        if let (false, Some(alternate)) = (routed, &exchange.alternate) {
            self.enter(topology, alternate.as_bytes());
        }
    }
}
