//! A queue that is declared again with other arguments, where its policy lets that pass (`redeclare`, not in RabbitMQ).

use std::sync::Arc;

use leveret_protocol::{FieldTable, ShortString};

use super::definition::stored_queue;
use super::policies::settings_under;
use super::{Effect, Vhost};
use crate::broker::auth::Actor;
use crate::broker::error::{BrokerError, ChannelError};
use crate::broker::policy::{Redeclare, keys};
use crate::broker::queue::{QueueEntry, arguments};
use crate::broker::resource::Resource;

/// What the log should tell of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RedeclaredQueue {
    /// The queue's name.
    pub name: ShortString,
    /// What a client is told elsewhere: the first difference.
    pub different: ChannelError,
    /// Whether the queue has taken new arguments.
    pub adopted: bool,
}

impl Vhost {
    /// What becomes of a declaration that differs from the queue in its arguments.
    pub(super) fn redeclare_queue(
        &mut self,
        actor: &Actor,
        wanted: FieldTable,
        current: Arc<QueueEntry>,
        different: ChannelError,
        effects: &mut Vec<Effect>,
    ) -> Result<Arc<QueueEntry>, BrokerError> {
        let effective = self.topology.policies_of_queue(&current);
        let mode = effective.users(keys::REDECLARE).and_then(|mode| Redeclare::by_name(mode.as_bytes()?));
        let entry = match mode.unwrap_or_default() {
            Redeclare::Strict => return Err(different.into()),
            Redeclare::Warn => Arc::clone(&current),
            Redeclare::Adopt => self.adopt(actor, wanted, &current, effects)?,
        };
        let adopted = !Arc::ptr_eq(&entry, &current);
        effects.push(Effect::Redeclared(RedeclaredQueue { name: entry.name.clone(), different, adopted }));
        Ok(entry)
    }

    /// Gives a queue new arguments. Those that a running queue cannot change stay as they are.
    fn adopt(
        &mut self,
        actor: &Actor,
        wanted: FieldTable,
        current: &Arc<QueueEntry>,
        effects: &mut Vec<Effect>,
    ) -> Result<Arc<QueueEntry>, BrokerError> {
        let resource = Resource::queue(&current.name, &self.topology.vhost);
        let adopted = arguments::adopted(&current.arguments, wanted);
        self.check_new_arguments(actor, &adopted, &resource)?;
        arguments::require_support(&adopted, &resource)?;
        if adopted == current.arguments {
            return Ok(Arc::clone(current));
        }
        let entry = Arc::new(QueueEntry { arguments: adopted, ..QueueEntry::clone(current) });
        self.topology.queues.insert_mut(entry.name.clone(), Arc::clone(&entry));
        self.changed();
        effects.extend(stored_queue(&entry).map(Effect::Stored));
        let settings = settings_under(&self.topology.policies, &entry);
        if settings != settings_under(&self.topology.policies, current) {
            effects.push(Effect::QueueConfigured(entry.id, settings));
        }
        Ok(entry)
    }
}
