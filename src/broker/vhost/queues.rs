//! Declaring queues and removing their names. What a queue holds is its own machine's; see `queue`.

use std::sync::Arc;

use leveret_protocol::{FieldTable, ShortString};

use super::definition::stored_queue;
use super::equivalence::{check_argument, check_field};
use super::policies::settings_under;
use super::{Change, Effect, RESERVED_PREFIX, Vhost, cleaned};
use crate::broker::auth::{Actor, Permission};
use crate::broker::channel::reply_to;
use crate::broker::dedup;
use crate::broker::error::{BrokerError, ChannelError};
use crate::broker::exchange::Destination;
use crate::broker::ids::{ConnectionId, QueueId};
use crate::broker::queue::{QueueEntry, arguments};
use crate::broker::resource::Resource;

/// What queue.declare asks for, with what the node adds.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueDeclaration {
    /// Name as sent; empty: the broker names it.
    pub name: ShortString,
    /// Survives a restart.
    pub durable: bool,
    /// Belongs to the declaring connection alone and goes with it.
    pub exclusive: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// As sent.
    pub arguments: FieldTable,
    /// The id it gets if it is new.
    pub id: QueueId,
    /// A random text of 22 characters for its name, if the broker names it.
    pub generated: String,
}

impl Vhost {
    /// queue.declare, not passive (AMQP 0-9-1 1.7.2.1). Checks in RabbitMQ's order.
    ///
    /// # Errors
    /// 403, 405 or 406 as the check that failed says, 540 for an argument that is not implemented.
    pub fn declare_queue(
        &mut self,
        actor: &Actor,
        wanted: QueueDeclaration,
        effects: &mut Vec<Effect>,
    ) -> Result<Arc<QueueEntry>, BrokerError> {
        self.acts(actor);
        let name = self.queue_name(&wanted)?;
        let resource = Resource::queue(&name, &self.topology.vhost);
        actor.require(Permission::Configure, &resource)?;
        let owner = wanted.exclusive.then_some(actor.connection);
        // RabbitMQ 4.3: an exclusive queue is never durable, whatever the flag says.
        let durable = wanted.durable && !wanted.exclusive;
        if let Some(current) = self.topology.queue(name.as_bytes()).cloned() {
            check_fields(&resource, &wanted, owner, durable, &current)?;
            return match check_arguments(&resource, &wanted, &current) {
                Ok(()) => Ok(current),
                Err(different) => self.redeclare_queue(actor, wanted.arguments, current, different, effects),
            };
        }
        self.check_new_arguments(actor, &wanted.arguments, &resource)?;
        arguments::check_properties(&wanted.arguments, durable, wanted.exclusive, wanted.auto_delete, &resource)?;
        arguments::require_support(&wanted.arguments, &resource)?;
        dedup::Settings::parse(&wanted.arguments).map_err(|invalid| invalid.of(&resource))?;
        let entry = Arc::new(QueueEntry {
            id: wanted.id,
            name: name.clone(),
            durable,
            auto_delete: wanted.auto_delete,
            owner,
            arguments: wanted.arguments,
        });
        if let Some(owner) = owner {
            self.exclusive.entry(owner).or_default().insert(name.clone());
        }
        self.add_queue(Arc::clone(&entry), effects);
        self.watch.note(|| Change::QueueCreated(Arc::clone(&entry)));
        self.changed();
        effects.extend(stored_queue(&entry).map(Effect::Stored));
        Ok(entry)
    }

    pub(super) fn add_queue(&mut self, entry: Arc<QueueEntry>, effects: &mut Vec<Effect>) {
        self.topology.queues.insert_mut(entry.name.clone(), Arc::clone(&entry));
        let settings = settings_under(&self.topology.policies, &entry);
        effects.push(Effect::QueueCreated(Arc::clone(&entry), settings));
        if let Some(settings) = dedup::keeps_keys(&entry) {
            let keys = dedup::key_queue(entry.id, &entry.name);
            effects.push(Effect::QueueCreated(keys, dedup::key_queue_settings(&settings)));
        }
    }

    /// queue.declare, passive: the queue as it is.
    ///
    /// # Errors
    /// 403, 404 or 405.
    pub fn find_queue(&self, actor: &Actor, name: &ShortString) -> Result<Arc<QueueEntry>, ChannelError> {
        let name = cleaned(name);
        let resource = Resource::queue(&name, &self.topology.vhost);
        actor.require_any(&resource)?;
        let entry = self.topology.queue(name.as_bytes()).ok_or_else(|| ChannelError::NotFound(resource.clone()))?;
        entry.check_owner(actor.connection, resource)?;
        Ok(Arc::clone(entry))
    }

    /// The queue that queue.delete means; `None` when there is none, which is no error (RabbitMQ).
    ///
    /// # Errors
    /// 403 or 405.
    pub fn queue_to_delete(&self, actor: &Actor, name: &ShortString) -> Result<Option<Arc<QueueEntry>>, ChannelError> {
        let name = cleaned(name);
        let resource = Resource::queue(&name, &self.topology.vhost);
        actor.require(Permission::Configure, &resource)?;
        let Some(entry) = self.topology.queue(name.as_bytes()) else { return Ok(None) };
        entry.check_owner(actor.connection, resource)?;
        Ok(Some(Arc::clone(entry)))
    }

    /// Takes a queue's name away with its bindings, unless the name has passed to another queue meanwhile.
    pub fn remove_queue(&mut self, entry: &Arc<QueueEntry>, effects: &mut Vec<Effect>) {
        if self.topology.queue(entry.name.as_bytes()).is_none_or(|current| current.id != entry.id) {
            return;
        }
        self.topology.queues.remove_mut(&entry.name);
        self.changed();
        if let Some(owner) = entry.owner
            && let Some(names) = self.exclusive.get_mut(&owner)
        {
            names.remove(&entry.name);
            if names.is_empty() {
                self.exclusive.remove(&owner);
            }
        }
        effects.extend(stored_queue(entry).map(Effect::Forgotten));
        let mut unbound = Vec::new();
        self.remove_bindings_to(&Destination::Queue(Arc::clone(entry)).key(), effects, &mut unbound);
        self.remove_exchanges(unbound, effects);
        // RabbitMQ: its bindings go first.
        self.watch.note(|| Change::QueueDeleted(Arc::clone(entry)));
        effects.push(Effect::QueueRemoved(entry.id));
        effects.extend(dedup::keeps_keys(entry).map(|_| Effect::QueueRemoved(dedup::key_queue_of(entry.id))));
    }

    /// The connection is gone, and its exclusive queues with it.
    pub fn connection_ended(&mut self, connection: ConnectionId, effects: &mut Vec<Effect>) {
        let names = self.exclusive.remove(&connection).unwrap_or_default();
        for name in names {
            if let Some(entry) = self.topology.queue(name.as_bytes()).cloned() {
                self.remove_queue(&entry, effects);
            }
        }
    }

    fn queue_name(&self, wanted: &QueueDeclaration) -> Result<ShortString, ChannelError> {
        let name = cleaned(&wanted.name);
        if name.is_empty() {
            arguments::check_named(&wanted.arguments)?;
            let prefix = arguments::name_prefix(&wanted.arguments)?;
            return Ok(ShortString::truncated(&format!("{prefix}-{}", wanted.generated)));
        }
        // RabbitMQ refuses these also when the queue exists: a generated name is used, not declared.
        if name.starts_with(RESERVED_PREFIX) && !reply_to::is_reply_to(name.as_bytes()) {
            return Err(ChannelError::ReservedName { kind: "queue", name });
        }
        Ok(name)
    }

    /// Whether the arguments are valid, and whether the actor may send dead letters where they say.
    pub(super) fn check_new_arguments(
        &self,
        actor: &Actor,
        declared: &FieldTable,
        resource: &Resource,
    ) -> Result<(), ChannelError> {
        arguments::check_dead_letter_exchange(declared, resource)?;
        self.require_dead_letter_permissions(actor, declared, resource)?;
        arguments::validate(declared, resource)
    }

    fn require_dead_letter_permissions(
        &self,
        actor: &Actor,
        declared: &FieldTable,
        resource: &Resource,
    ) -> Result<(), ChannelError> {
        let Some(exchange) = arguments::dead_letter_exchange(declared) else { return Ok(()) };
        actor.require(Permission::Read, resource)?;
        actor.require(Permission::Write, &Resource::exchange(&exchange, &self.topology.vhost))
    }
}

fn check_fields(
    resource: &Resource,
    wanted: &QueueDeclaration,
    owner: Option<ConnectionId>,
    durable: bool,
    current: &QueueEntry,
) -> Result<(), ChannelError> {
    if current.owner != owner {
        return Err(ChannelError::Locked(resource.clone()));
    }
    check_field("durable", resource, &durable, &current.durable)?;
    check_field("auto_delete", resource, &wanted.auto_delete, &current.auto_delete)
}

fn check_arguments(resource: &Resource, wanted: &QueueDeclaration, current: &QueueEntry) -> Result<(), ChannelError> {
    for argument in arguments::compared(arguments::queue_type(&current.arguments)) {
        let received = arguments::effective(argument, &wanted.arguments);
        check_argument(argument, resource, received, arguments::effective(argument, &current.arguments))?;
    }
    Ok(())
}
