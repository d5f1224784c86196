//! x-message-deduplication: a message goes to every binding, unless one with the same key has come before (the type of a
//! RabbitMQ plugin). What has come is kept outside of the table; see `dedup`.

use leveret_protocol::FieldTable;

use super::{Binding, Destination, Envelope, Routing};
use crate::broker::dedup::Settings;
use crate::broker::error::ChannelError;
use crate::broker::exchange::destinations::Destinations;
use crate::broker::resource::Resource;

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

    fn validate_arguments(arguments: &FieldTable, exchange: &Resource) -> Result<(), ChannelError> {
        Settings::of_type(arguments).map(drop).map_err(|invalid| invalid.of(exchange))
    }
}
