//! x-modulus-hash: a message goes to one of the bindings, by a hash of its routing key. Messages with the same key go the
//! same way until a binding comes or goes; then most keys move. Binding keys are ignored.

use super::choices::Choices;
use super::hash::{hash, mixed};
use super::{Binding, Destination, Envelope, Routing};

/// All bindings.
#[derive(Clone, Debug, Default)]
pub struct Table {
    choices: Choices,
}

impl Routing for Table {
    fn bind(&mut self, binding: &Binding) {
        self.choices.add(&binding.destination);
    }

    fn unbind(&mut self, binding: &Binding) {
        self.choices.remove(&binding.destination);
    }

    fn route(&self, envelope: &Envelope<'_>, found: &mut dyn FnMut(&Destination)) {
        // RabbitMQ hashes CC and BCC with the routing key.
        let number = envelope.routing_keys.iter().fold(0, |number, key| mixed(number ^ hash(key)));
        self.choices.pick(number).into_iter().for_each(found);
    }
}
