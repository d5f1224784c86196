//! direct: a message goes where a binding key equals one of its routing keys, byte for byte.

use leveret_protocol::{FieldTable, ShortString};
use rpds::RedBlackTreeMapSync;

use super::Envelope;
use crate::broker::error::ChannelError;
use crate::broker::exchange::binding::{Binding, Destination};
use crate::broker::exchange::destinations::Destinations;

pub(super) const READS_HEADERS: bool = false;

/// Destinations by binding key.
#[derive(Clone, Debug, Default)]
pub struct Table {
    keys: RedBlackTreeMapSync<ShortString, Destinations>,
}

impl Table {
    pub(super) fn bind(&mut self, binding: &Binding) {
        let mut destinations = self.keys.get(&binding.binding_key).cloned().unwrap_or_default();
        destinations.add(&binding.destination);
        self.keys.insert_mut(binding.binding_key.clone(), destinations);
    }

    pub(super) fn unbind(&mut self, binding: &Binding) {
        let Some(mut destinations) = self.keys.get(&binding.binding_key).cloned() else { return };
        destinations.remove(&binding.destination);
        if destinations.is_empty() {
            self.keys.remove_mut(&binding.binding_key);
            return;
        }
        self.keys.insert_mut(binding.binding_key.clone(), destinations);
    }

    pub(super) fn route(&self, envelope: &Envelope<'_>, found: &mut dyn FnMut(&Destination)) {
        for routing_key in envelope.routing_keys {
            if let Some(destinations) = self.keys.get(*routing_key) {
                destinations.iter().for_each(&mut *found);
            }
        }
    }
}

pub(super) fn validate_binding(_: &ShortString, _: &FieldTable) -> Result<(), ChannelError> {
    Ok(())
}
