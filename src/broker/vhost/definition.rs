//! What of a vhost survives a restart, as plain data: which objects that is, and the vhost that is made of them again.
//! Owns no bytes; whoever keeps definitions writes them down.

use std::collections::BTreeMap;
use std::sync::Arc;

use leveret_protocol::{FieldTable, FieldValue, ShortString};

use super::{Effect, Link, Vhost};
use crate::broker::dedup::key_queue;
use crate::broker::exchange::{
    ALTERNATE_EXCHANGE, Binding, Destination, Exchange, ExchangeType, Memory, delay_queue, delays,
};
use crate::broker::ids::QueueId;
use crate::broker::policy::{Policy, PolicyKind};
use crate::broker::queue::QueueEntry;
use crate::broker::resource::ResourceKind;

/// Something durable of a vhost. A binding is durable when both of its ends are.
#[derive(Clone, Debug, PartialEq)]
pub enum Definition {
    /// An exchange; a predeclared one only where it has to keep messages.
    Exchange(ExchangeDefinition),
    /// A queue.
    Queue(Arc<QueueEntry>),
    /// A binding, with the arguments as they were first given.
    Binding(Link),
    /// A policy.
    Policy(PolicyKind, Arc<Policy>),
}

/// A durable exchange without its bindings.
#[derive(Clone, Debug, PartialEq)]
pub struct ExchangeDefinition {
    /// Its name.
    pub name: ShortString,
    /// Its type.
    pub kind: ExchangeType,
    /// Goes with its last binding.
    pub auto_delete: bool,
    /// Takes no messages from clients.
    pub internal: bool,
    /// As declared.
    pub arguments: FieldTable,
    /// The queue in which it keeps messages, if it does or did.
    pub delay_queue: Option<QueueId>,
    /// The queue in which it keeps keys, if it tells duplicates.
    pub key_queue: Option<QueueId>,
}

/// What could be made of stored definitions.
#[derive(Debug)]
pub struct Restored {
    /// The vhost.
    pub vhost: Vhost,
    /// [`Effect::QueueCreated`] for every queue, [`Effect::MemoryCreated`] for every exchange that remembers.
    pub effects: Vec<Effect>,
    /// Bindings of which an end is not there. None unless what was stored has been damaged.
    pub stray: Vec<Link>,
}

impl Vhost {
    /// A vhost with the predeclared exchanges and what was stored, in any order: policies are set before what they apply
    /// to comes.
    #[must_use]
    pub fn restore(name: ShortString, definitions: impl IntoIterator<Item = Definition>) -> Restored {
        Self::new(name).having(definitions)
    }

    /// A vhost in which nothing was declared yet, with what was stored of it.
    #[must_use]
    pub fn having(self, definitions: impl IntoIterator<Item = Definition>) -> Restored {
        let mut restored = Restored { vhost: self, effects: Vec::new(), stray: Vec::new() };
        let mut links = Vec::new();
        let (policies, objects): (Vec<_>, Vec<_>) =
            definitions.into_iter().partition(|definition| matches!(definition, Definition::Policy(..)));
        for definition in policies.into_iter().chain(objects) {
            match definition {
                Definition::Exchange(exchange) => {
                    let _made = restored.vhost.add_exchange(exchange.into(), &mut restored.effects);
                }
                Definition::Queue(entry) => restored.vhost.add_queue(entry, &mut restored.effects),
                Definition::Binding(link) => links.push(link),
                Definition::Policy(kind, policy) => restored.vhost.restore_policy(kind, policy),
            }
        }
        restored.restore_bindings(links);
        restored.vhost.changed();
        restored
    }

    /// Everything durable: exchanges, queues and bindings by name, and policies in the order in which they are tried.
    #[must_use]
    pub fn definitions(&self) -> Vec<Definition> {
        let exchanges = self.topology.exchanges.values().filter_map(|exchange| stored_exchange(exchange));
        let queues = self.topology.queues.values().filter_map(stored_queue);
        let bindings = self.by_source.values().flatten().filter_map(|binding| stored_binding(binding));
        let policies = [PolicyKind::User, PolicyKind::Operator].into_iter().flat_map(|kind| {
            self.topology.policies.of(kind).iter().map(move |policy| Definition::Policy(kind, Arc::clone(policy)))
        });
        exchanges.chain(queues).chain(bindings).chain(policies).collect()
    }
}

impl Restored {
    /// All bindings of an exchange at once, since each change of an exchange makes a new one.
    fn restore_bindings(&mut self, links: Vec<Link>) {
        let mut by_source: BTreeMap<ShortString, Vec<Arc<Binding>>> = BTreeMap::new();
        for link in links {
            match self.vhost.binding(&link) {
                Some(binding) => by_source.entry(link.source).or_default().push(Arc::new(binding)),
                None => self.stray.push(link),
            }
        }
        for (source, bindings) in by_source {
            bindings.iter().for_each(|binding| self.vhost.index(binding));
            self.vhost.change_exchange(&source, |exchange| {
                bindings.iter().for_each(|binding| exchange.bindings.bind(binding));
            });
        }
    }
}

/// The exchange as it is stored, if it is.
pub(super) fn stored_exchange(exchange: &Exchange) -> Option<Definition> {
    let is_known = super::is_predeclared(&exchange.name) && exchange.delay_queue.is_none();
    (exchange.durable && !is_known).then(|| {
        Definition::Exchange(ExchangeDefinition {
            name: exchange.name.clone(),
            kind: exchange.kind,
            auto_delete: exchange.auto_delete,
            internal: exchange.internal,
            arguments: exchange.arguments.clone(),
            delay_queue: exchange.delay_queue.as_ref().map(|entry| entry.id),
            key_queue: exchange.key_queue.as_ref().map(|entry| entry.id),
        })
    })
}

/// The queue as it is stored, if it is.
pub(super) fn stored_queue(entry: &Arc<QueueEntry>) -> Option<Definition> {
    entry.durable.then(|| Definition::Queue(Arc::clone(entry)))
}

/// The binding as it is stored, if it is.
pub(super) fn stored_binding(binding: &Binding) -> Option<Definition> {
    binding.durable.then(|| {
        let (destination_kind, destination) = match &binding.destination {
            Destination::Queue(entry) => (ResourceKind::Queue, entry.name.clone()),
            Destination::Exchange(name) => (ResourceKind::Exchange, name.clone()),
        };
        Definition::Binding(Link {
            source: binding.source.clone(),
            destination_kind,
            destination,
            binding_key: binding.binding_key.clone(),
            arguments: binding.arguments.clone(),
        })
    })
}

/// The exchange that the arguments name as the alternate. A name that no exchange can have leads nowhere, like any
/// alternate exchange that does not exist.
pub(super) fn alternate(arguments: &FieldTable) -> Option<ShortString> {
    let FieldValue::LongString(name) = arguments.get(ALTERNATE_EXCHANGE)? else { return None };
    ShortString::new(name).ok()
}

impl From<ExchangeDefinition> for Exchange {
    fn from(definition: ExchangeDefinition) -> Self {
        Self {
            memory: Memory::of(definition.kind, &definition.arguments).unwrap_or_default(),
            delays: delays(definition.kind, &definition.arguments),
            delay_queue: definition.delay_queue.map(|id| delay_queue(id, &definition.name, true)),
            key_queue: definition.key_queue.map(|id| key_queue(id, &definition.name)),
            name: definition.name,
            kind: definition.kind,
            durable: true,
            auto_delete: definition.auto_delete,
            internal: definition.internal,
            alternate: alternate(&definition.arguments),
            bindings: definition.kind.empty_table(&definition.arguments),
            arguments: definition.arguments,
        }
    }
}
