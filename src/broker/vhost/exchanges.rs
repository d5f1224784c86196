//! Declaring and deleting exchanges.

use std::sync::Arc;

use leveret_protocol::{FieldTable, FieldValue, ShortString};

use super::definition::stored_exchange;
use super::equivalence::{check_argument, check_field};
use super::policies::{alternate_by_policy, delayed_by_policy};
use super::{Change, Effect, RESERVED_PREFIX, Vhost, cleaned};
use crate::broker::auth::{Actor, Permission};
use crate::broker::dedup::{key_queue, key_queue_settings};
use crate::broker::error::ChannelError;
use crate::broker::exchange::{ALTERNATE_EXCHANGE, Destination, Exchange, ExchangeType, Memory, delay_queue, delays};
use crate::broker::queue::{Hold, QueueEntry, Settings};
use crate::broker::resource::Resource;

/// What exchange.declare asks for.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of exchange.declare, as the specification has them")]
pub struct ExchangeDeclaration {
    /// Name as sent.
    pub name: ShortString,
    /// Type as sent; ignored when passive.
    pub kind: ShortString,
    /// Only ask whether it is there.
    pub passive: bool,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with its last binding.
    pub auto_delete: bool,
    /// Takes no messages from clients.
    pub internal: bool,
    /// `alternate-exchange` and whatever else.
    pub arguments: FieldTable,
}

impl Vhost {
    /// exchange.declare (AMQP 0-9-1 1.6.2.1). Checks in RabbitMQ's order.
    ///
    /// # Errors
    /// 403, 404 (passive) or 406, as the check that failed says.
    pub fn declare_exchange(
        &mut self,
        actor: &Actor,
        wanted: ExchangeDeclaration,
        effects: &mut Vec<Effect>,
    ) -> Result<(), ChannelError> {
        self.acts(actor);
        let name = cleaned(&wanted.name);
        let resource = Resource::exchange(&name, &self.topology.vhost);
        if wanted.passive {
            return self.find_exchange(actor, &name, resource);
        }
        let kind = ExchangeType::by_name(wanted.kind.as_bytes()).ok_or_else(|| unknown_type(&wanted.kind))?;
        if name.is_empty() {
            return Err(ChannelError::DefaultExchange);
        }
        actor.require(Permission::Configure, &resource)?;
        if let Some(current) = self.topology.exchange(name.as_bytes()) {
            return check_equivalence(&resource, kind, &wanted, current);
        }
        if name.starts_with(RESERVED_PREFIX) {
            return Err(ChannelError::ReservedName { kind: "exchange", name });
        }
        let alternate = self.alternate(actor, &resource, &wanted.arguments)?;
        kind.validate_arguments(&wanted.arguments, &resource)?;
        let memory = Memory::of(kind, &wanted.arguments).map_err(|invalid| invalid.of(&resource))?;
        let delays = delays(kind, &wanted.arguments) || delayed_by_policy(&self.topology.policies, &name);
        let keeps_keys = wanted.durable && memory.deduplication.is_some();
        let spare = if delays || keeps_keys { self.spare_queue.take() } else { None };
        let exchange = Exchange {
            delays,
            delay_queue: spare.filter(|_| delays).map(|id| delay_queue(id, &name, wanted.durable)),
            key_queue: spare.filter(|_| keeps_keys).map(|id| key_queue(id, &name)),
            name,
            kind,
            durable: wanted.durable,
            auto_delete: wanted.auto_delete,
            internal: wanted.internal,
            alternate,
            bindings: kind.empty_table(&wanted.arguments),
            arguments: wanted.arguments,
            memory,
        };
        effects.extend(stored_exchange(&exchange).map(Effect::Stored));
        let exchange = self.add_exchange(exchange, effects);
        let topology = &self.topology;
        self.watch.note(|| {
            let policy = topology.policies_of_exchange(&exchange).user.map(|policy| policy.name.clone());
            Change::ExchangeCreated(exchange, policy)
        });
        self.changed();
        Ok(())
    }

    /// exchange.delete (AMQP 0-9-1 1.6.2.3). Deleting what is not there succeeds, as in RabbitMQ.
    ///
    /// # Errors
    /// 403 for the default and `amq.` exchanges or without permission, 406 when `if_unused` and it has bindings.
    pub fn delete_exchange(
        &mut self,
        actor: &Actor,
        name: &ShortString,
        if_unused: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), ChannelError> {
        self.acts(actor);
        let name = cleaned(name);
        let resource = Resource::exchange(&name, &self.topology.vhost);
        if name.is_empty() {
            return Err(ChannelError::DefaultExchange);
        }
        if name.starts_with(RESERVED_PREFIX) {
            return Err(ChannelError::SystemExchange(resource));
        }
        actor.require(Permission::Configure, &resource)?;
        if if_unused && self.by_source.get(&name).is_some_and(|bindings| !bindings.is_empty()) {
            return Err(ChannelError::InUse(resource));
        }
        self.remove_exchanges(vec![name], effects);
        Ok(())
    }

    pub(super) fn add_exchange(&mut self, mut exchange: Exchange, effects: &mut Vec<Effect>) -> Arc<Exchange> {
        if !exchange.memory.is_none() {
            effects.push(Effect::MemoryCreated { exchange: exchange.name.clone(), memory: exchange.memory.clone() });
        }
        if let Some(entry) = &exchange.delay_queue {
            effects.push(delay_queue_created(entry));
        }
        if let Some((entry, settings)) = exchange.key_queue.as_ref().zip(exchange.memory.deduplication.as_ref()) {
            effects.push(Effect::QueueCreated(Arc::clone(entry), key_queue_settings(settings)));
        }
        if let Some(alternate) = alternate_by_policy(&self.topology.policies, &exchange) {
            exchange.alternate = Some(alternate);
        }
        exchange.delays |= delayed_by_policy(&self.topology.policies, &exchange.name);
        let exchange = Arc::new(exchange);
        self.topology.exchanges.insert_mut(exchange.name.clone(), Arc::clone(&exchange));
        exchange
    }

    /// Removes exchanges with their bindings, and the auto-delete exchanges that lose their last binding by it. A chain
    /// of those may be as long as a client likes, so it is walked and not recursed into.
    pub(super) fn remove_exchanges(&mut self, mut unbound: Vec<ShortString>, effects: &mut Vec<Effect>) {
        while let Some(name) = unbound.pop() {
            let Some(exchange) = self.topology.exchanges.get(&name).cloned() else { continue };
            self.topology.exchanges.remove_mut(&name);
            self.watch.note(|| Change::ExchangeDeleted(Arc::clone(&exchange)));
            self.changed();
            effects.extend(stored_exchange(&exchange).map(Effect::Forgotten));
            if !exchange.memory.is_none() {
                effects.push(Effect::MemoryRemoved(name.clone()));
            }
            let kept = [&exchange.delay_queue, &exchange.key_queue];
            effects.extend(kept.into_iter().flatten().map(|entry| Effect::QueueRemoved(entry.id)));
            self.remove_bindings_from(&name, effects);
            self.remove_bindings_to(&Destination::Exchange(name).key(), effects, &mut unbound);
        }
    }

    fn find_exchange(&self, actor: &Actor, name: &ShortString, resource: Resource) -> Result<(), ChannelError> {
        if name.is_empty() {
            return Err(ChannelError::DefaultExchange);
        }
        actor.require_any(&resource)?;
        if self.topology.exchange(name.as_bytes()).is_none() {
            return Err(ChannelError::NotFound(resource));
        }
        Ok(())
    }

    fn alternate(
        &self,
        actor: &Actor,
        resource: &Resource,
        arguments: &FieldTable,
    ) -> Result<Option<ShortString>, ChannelError> {
        let Some(value) = arguments.get(ALTERNATE_EXCHANGE) else { return Ok(None) };
        let FieldValue::LongString(name) = value else {
            return Err(ChannelError::ArgumentType {
                found: value.type_name(),
                argument: ALTERNATE_EXCHANGE,
                resource: resource.clone(),
            });
        };
        // A name that no exchange can have leads nowhere, like any alternate exchange that does not exist.
        let Ok(name) = ShortString::new(name) else { return Ok(None) };
        actor.require(Permission::Read, resource)?;
        actor.require(Permission::Write, &Resource::exchange(&name, &self.topology.vhost))?;
        Ok(Some(name))
    }
}

/// An exchange got a queue to keep messages in.
pub(super) fn delay_queue_created(entry: &Arc<QueueEntry>) -> Effect {
    let settings = Settings { hold: Some(Hold::ForExchange), ..Settings::default() };
    Effect::QueueCreated(Arc::clone(entry), settings)
}

/// RabbitMQ keeps the empty name for something else than exchange types.
fn unknown_type(kind: &ShortString) -> ChannelError {
    if kind.is_empty() {
        return ChannelError::InvalidExchangeType(kind.clone());
    }
    ChannelError::UnknownExchangeType(kind.clone())
}

fn check_equivalence(
    resource: &Resource,
    kind: ExchangeType,
    wanted: &ExchangeDeclaration,
    current: &Exchange,
) -> Result<(), ChannelError> {
    check_field("type", resource, &kind.name(), &current.kind.name())?;
    check_field("durable", resource, &wanted.durable, &current.durable)?;
    check_field("auto_delete", resource, &wanted.auto_delete, &current.auto_delete)?;
    check_field("internal", resource, &wanted.internal, &current.internal)?;
    let (received, current) = (wanted.arguments.get(ALTERNATE_EXCHANGE), current.arguments.get(ALTERNATE_EXCHANGE));
    check_argument(ALTERNATE_EXCHANGE, resource, received, current)
}
