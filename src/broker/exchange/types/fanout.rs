//! fanout: a message goes to every binding; keys are ignored.

use super::{Envelope, Routing};
use crate::broker::exchange::binding::{Binding, Destination};
use crate::broker::exchange::destinations::Destinations;

/// All destinations.
#[derive(Clone, Debug, Default)]
pub struct Table {
    destinations: Destinations,
}

impl Routing for Table {
    fn bind(&mut self, binding: &Binding) {
        self.destinations.add(&binding.destination);
    }

    fn unbind(&mut self, binding: &Binding) {
        self.destinations.remove(&binding.destination);
    }

    fn route(&self, _: &Envelope<'_>, found: &mut dyn FnMut(&Destination)) {
        self.destinations.iter().for_each(found);
    }
}
