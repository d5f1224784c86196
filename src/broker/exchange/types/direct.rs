//! direct: a message goes where a binding key equals one of its routing keys, byte for byte.

use leveret_protocol::ShortString;
use rpds::RedBlackTreeMapSync;

use super::{Envelope, Routing};
use crate::broker::exchange::binding::{Binding, Destination};
use crate::broker::exchange::destinations::Destinations;

/// Destinations by binding key.
#[derive(Clone, Debug, Default)]
pub struct Table {
    keys: RedBlackTreeMapSync<ShortString, Destinations>,
}

impl Routing for Table {
    fn bind(&mut self, binding: &Binding) {
        let mut destinations = self.keys.get(&binding.binding_key).cloned().unwrap_or_default();
        destinations.add(&binding.destination);
        self.keys.insert_mut(binding.binding_key.clone(), destinations);
    }

    fn unbind(&mut self, binding: &Binding) {
        let Some(mut destinations) = self.keys.get(&binding.binding_key).cloned() else { return };
        destinations.remove(&binding.destination);
        if destinations.is_empty() {
            self.keys.remove_mut(&binding.binding_key);
            return;
        }
        self.keys.insert_mut(binding.binding_key.clone(), destinations);
    }

    fn route(&self, envelope: &Envelope<'_>, found: &mut dyn FnMut(&Destination)) {
        for routing_key in envelope.routing_keys {
            if let Some(destinations) = self.keys.get(*routing_key) {
                destinations.iter().for_each(&mut *found);
            }
        }
    }
}
