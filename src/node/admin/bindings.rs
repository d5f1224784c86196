//! Bindings for operators. Every queue is bound to the default exchange by its name; those bindings are implied.

use std::sync::Arc;

use leveret_protocol::{FieldTable, ShortString};

use super::Access;
use crate::broker::error::ChannelError;
use crate::broker::exchange::{Binding, Destination, DestinationKey};
use crate::broker::resource::ResourceKind;
use crate::broker::vhost::{Link, Topology};

impl Access {
    /// All bindings: first those from the default exchange.
    #[must_use]
    pub fn bindings(&self) -> Vec<Arc<Binding>> {
        self.look(|vhost, found| found.extend(vhost.bindings().cloned()))
    }

    /// The bindings from an exchange.
    #[must_use]
    pub fn bindings_from(&self, source: &ShortString) -> Vec<Arc<Binding>> {
        if source.is_empty() {
            return implied(&self.vhost.topology());
        }
        self.vhost.change(self.node.clock.now(), |vhost, _| vhost.bindings_from(source).cloned().collect())
    }

    /// The bindings to a queue or an exchange; for a queue first the one from the default exchange.
    #[must_use]
    pub fn bindings_to(&self, kind: ResourceKind, name: &ShortString) -> Vec<Arc<Binding>> {
        let key = DestinationKey { kind, name: name.clone() };
        let mut found: Vec<_> = match kind {
            ResourceKind::Queue => {
                let topology = self.vhost.topology();
                topology.queue(name.as_bytes()).map(implied_to).into_iter().collect()
            }
            ResourceKind::Exchange => Vec::new(),
        };
        self.vhost.change(self.node.clock.now(), |vhost, _| found.extend(vhost.bindings_to(&key).cloned()));
        found
    }

    /// queue.bind or exchange.bind.
    ///
    /// # Errors
    /// As those.
    pub fn bind(&self, link: &Link) -> Result<(), ChannelError> {
        self.vhost.change(self.node.clock.now(), |vhost, effects| vhost.bind(&self.actor, link, effects))
    }

    /// queue.unbind or exchange.unbind.
    ///
    /// # Errors
    /// As those.
    pub fn unbind(&self, link: &Link) -> Result<(), ChannelError> {
        self.vhost.change(self.node.clock.now(), |vhost, effects| vhost.unbind(&self.actor, link, effects))
    }

    fn look(&self, add: impl FnOnce(&crate::broker::vhost::Vhost, &mut Vec<Arc<Binding>>)) -> Vec<Arc<Binding>> {
        let mut found = implied(&self.vhost.topology());
        self.vhost.change(self.node.clock.now(), |vhost, _| add(vhost, &mut found));
        found
    }
}

fn implied(topology: &Topology) -> Vec<Arc<Binding>> {
    topology.queues().map(implied_to).collect()
}

fn implied_to(entry: &Arc<crate::broker::queue::QueueEntry>) -> Arc<Binding> {
    let destination = Destination::Queue(Arc::clone(entry));
    Arc::new(Binding::new(ShortString::default(), destination, entry.name.clone(), FieldTable::default()))
}
