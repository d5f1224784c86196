//! Binding and unbinding.

use std::sync::Arc;

use leveret_protocol::{FieldTable, ShortString};

use super::definition::stored_binding;
use super::{Change, Effect, Vhost, cleaned};
use crate::broker::auth::{Actor, Permission};
use crate::broker::channel::reply_to;
use crate::broker::error::ChannelError;
use crate::broker::exchange::{Binding, Destination, DestinationKey};
use crate::broker::resource::{Resource, ResourceKind};

/// What queue.bind, queue.unbind, exchange.bind and exchange.unbind ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The exchange it leads from.
    pub source: ShortString,
    /// Whether it leads to a queue or an exchange.
    pub destination_kind: ResourceKind,
    /// Its name.
    pub destination: ShortString,
    /// The binding key.
    pub binding_key: ShortString,
    /// Arguments: part of the binding's identity.
    pub arguments: FieldTable,
}

impl Vhost {
    /// Makes a binding; one that exists already stays as it is.
    ///
    /// # Errors
    /// 403, 404, 405, or 406 from the exchange's type.
    pub fn bind(&mut self, actor: &Actor, link: &Link, effects: &mut Vec<Effect>) -> Result<(), ChannelError> {
        self.acts(actor);
        let link = self.check_link(actor, link)?;
        let source_resource = Resource::exchange(&link.source, &self.topology.vhost);
        let Some(source) = self.topology.exchange(link.source.as_bytes()).cloned() else {
            return Err(ChannelError::NotFound(source_resource));
        };
        let resource = destination_resource(&link, &self.topology.vhost);
        let Some(destination) = self.find_destination(&link) else { return Err(ChannelError::NotFound(resource)) };
        source.routing_type().validate_binding(&link.binding_key, &link.arguments, &destination)?;
        check_owner(actor, &destination, resource)?;
        let durable = source.durable && self.is_durable(&destination);
        let binding = Binding::new(link.source.clone(), destination, link.binding_key, link.arguments);
        if self.by_source.get(&link.source).is_some_and(|bindings| bindings.contains(&binding)) {
            return Ok(());
        }
        let binding = Arc::new(binding.durable(durable));
        self.index(&binding);
        self.change_exchange(&link.source, |exchange| exchange.bindings.bind(&binding));
        self.watch.note(|| Change::Bound(Arc::clone(&binding)));
        self.changed();
        effects.extend(stored_binding(&binding).map(Effect::Stored));
        if source.memory.history.is_some() {
            effects.push(Effect::Replay { source: link.source, destination: binding.destination.clone() });
        }
        Ok(())
    }

    /// Removes a binding; one that is not there is no error, as in RabbitMQ.
    ///
    /// # Errors
    /// 403 or 405.
    pub fn unbind(&mut self, actor: &Actor, link: &Link, effects: &mut Vec<Effect>) -> Result<(), ChannelError> {
        self.acts(actor);
        let link = self.check_link(actor, link)?;
        if self.topology.exchange(link.source.as_bytes()).is_none() {
            return Ok(());
        }
        let Some(destination) = self.find_destination(&link) else { return Ok(()) };
        let resource = destination_resource(&link, &self.topology.vhost);
        let binding = Binding::new(link.source, destination, link.binding_key, link.arguments);
        if !self.by_source.get(&binding.source).is_some_and(|bindings| bindings.contains(&binding)) {
            return Ok(());
        }
        check_owner(actor, &binding.destination, resource)?;
        let mut unbound = Vec::new();
        self.remove_binding(&binding, effects, &mut unbound);
        self.remove_exchanges(unbound, effects);
        Ok(())
    }

    /// All bindings but those to the default exchange, which are implied; by source.
    pub fn bindings(&self) -> impl Iterator<Item = &Arc<Binding>> {
        self.by_source.values().flatten()
    }

    /// The bindings from an exchange.
    pub fn bindings_from(&self, source: &ShortString) -> impl Iterator<Item = &Arc<Binding>> {
        self.by_source.get(source).into_iter().flatten()
    }

    /// The bindings to a queue or an exchange.
    pub fn bindings_to(&self, destination: &DestinationKey) -> impl Iterator<Item = &Arc<Binding>> {
        self.by_destination.get(destination).into_iter().flatten()
    }

    /// The durable binding that a link describes, when both of its ends are there.
    pub(super) fn binding(&self, link: &Link) -> Option<Binding> {
        self.topology.exchange(link.source.as_bytes())?;
        let destination = self.find_destination(link)?;
        let binding = Binding::new(link.source.clone(), destination, link.binding_key.clone(), link.arguments.clone());
        Some(binding.durable(true))
    }

    /// Makes a binding known by both of its ends.
    pub(super) fn index(&mut self, binding: &Arc<Binding>) {
        self.by_source.entry(binding.source.clone()).or_default().insert(Arc::clone(binding));
        self.by_destination.entry(binding.destination.key()).or_default().insert(Arc::clone(binding));
    }

    fn is_durable(&self, destination: &Destination) -> bool {
        match destination {
            Destination::Queue(entry) => entry.durable,
            Destination::Exchange(name) => {
                self.topology.exchange(name.as_bytes()).is_some_and(|exchange| exchange.durable)
            }
        }
    }

    fn check_link(&self, actor: &Actor, link: &Link) -> Result<Link, ChannelError> {
        let link = Link { source: cleaned(&link.source), destination: cleaned(&link.destination), ..link.clone() };
        let to_queue = link.destination_kind == ResourceKind::Queue;
        if to_queue && reply_to::is_token(link.destination.as_bytes()) {
            return Err(ChannelError::BindReplyTo);
        }
        actor.require(Permission::Write, &destination_resource(&link, &self.topology.vhost))?;
        if link.source.is_empty() || (!to_queue && link.destination.is_empty()) {
            return Err(ChannelError::DefaultExchange);
        }
        actor.require(Permission::Read, &Resource::exchange(&link.source, &self.topology.vhost))?;
        Ok(link)
    }

    fn find_destination(&self, link: &Link) -> Option<Destination> {
        let name = link.destination.as_bytes();
        match link.destination_kind {
            ResourceKind::Exchange => {
                self.topology.exchange(name).map(|exchange| Destination::Exchange(exchange.name.clone()))
            }
            ResourceKind::Queue => self.topology.queue(name).map(|entry| Destination::Queue(Arc::clone(entry))),
        }
    }

    /// Removes one binding. An auto-delete exchange that lost its last binding by it is added to `unbound`.
    pub(super) fn remove_binding(
        &mut self,
        binding: &Binding,
        effects: &mut Vec<Effect>,
        unbound: &mut Vec<ShortString>,
    ) {
        let Some(bindings) = self.by_source.get_mut(&binding.source) else { return };
        let Some(binding) = bindings.take(binding) else { return };
        let last = bindings.is_empty();
        if last {
            self.by_source.remove(&binding.source);
        }
        let key = binding.destination.key();
        if let Some(bindings) = self.by_destination.get_mut(&key) {
            bindings.remove(&binding);
            if bindings.is_empty() {
                self.by_destination.remove(&key);
            }
        }
        self.change_exchange(&binding.source, |exchange| exchange.bindings.unbind(&binding));
        self.watch.note(|| Change::Unbound(Arc::clone(&binding)));
        self.changed();
        effects.extend(stored_binding(&binding).map(Effect::Forgotten));
        let auto_delete = self.topology.exchange(binding.source.as_bytes()).is_some_and(|source| source.auto_delete);
        if last && auto_delete {
            unbound.push(binding.source.clone());
        }
    }

    /// Removes every binding that leads to something that is gone.
    pub(super) fn remove_bindings_to(
        &mut self,
        destination: &DestinationKey,
        effects: &mut Vec<Effect>,
        unbound: &mut Vec<ShortString>,
    ) {
        while let Some(binding) = self.by_destination.get(destination).and_then(|bindings| bindings.first()).cloned() {
            self.remove_binding(&binding, effects, unbound);
        }
    }

    /// Removes every binding from an exchange that is gone.
    pub(super) fn remove_bindings_from(&mut self, source: &ShortString, effects: &mut Vec<Effect>) {
        let mut unbound = Vec::new();
        while let Some(binding) = self.by_source.get(source).and_then(|bindings| bindings.first()).cloned() {
            self.remove_binding(&binding, effects, &mut unbound);
        }
        debug_assert!(unbound.is_empty(), "an exchange that is gone cannot lose its last binding");
    }
}

fn check_owner(actor: &Actor, destination: &Destination, resource: Resource) -> Result<(), ChannelError> {
    match destination {
        Destination::Queue(entry) => entry.check_owner(actor.connection, resource),
        Destination::Exchange(_) => Ok(()),
    }
}

fn destination_resource(link: &Link, vhost: &ShortString) -> Resource {
    match link.destination_kind {
        ResourceKind::Queue => Resource::queue(&link.destination, vhost),
        ResourceKind::Exchange => Resource::exchange(&link.destination, vhost),
    }
}
