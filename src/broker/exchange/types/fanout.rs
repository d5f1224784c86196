//! fanout: a message goes to every binding; keys are ignored.

use leveret_protocol::{FieldTable, ShortString};

use super::Envelope;
use crate::broker::error::ChannelError;
use crate::broker::exchange::binding::{Binding, Destination};
use crate::broker::exchange::destinations::Destinations;

pub(super) const READS_HEADERS: bool = false;

/// All destinations.
#[derive(Clone, Debug, Default)]
pub struct Table {
    destinations: Destinations,
}

impl Table {
    pub(super) fn bind(&mut self, binding: &Binding) {
        self.destinations.add(&binding.destination);
    }

    pub(super) fn unbind(&mut self, binding: &Binding) {
        self.destinations.remove(&binding.destination);
    }

    pub(super) fn route(&self, _: &Envelope<'_>, found: &mut dyn FnMut(&Destination)) {
        self.destinations.iter().for_each(found);
    }
}

pub(super) fn validate_binding(_: &ShortString, _: &FieldTable) -> Result<(), ChannelError> {
    Ok(())
}
