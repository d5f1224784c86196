//! x-local-random: a message goes to one queue of the publisher's node, each as likely as any other. All queues are on
//! this node. Only classic queues can be bound, without a binding key.

use leveret_protocol::{FieldTable, ShortString};

use super::choices::Choices;
use super::{Binding, Destination, Envelope, Routing, TypeRefusal};
use crate::broker::queue::arguments::other_queue_type;

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
        self.choices.pick(envelope.random).into_iter().for_each(found);
    }

    fn varies(&self) -> bool {
        true
    }

    fn validate_binding(
        binding_key: &ShortString,
        _: &FieldTable,
        destination: &Destination,
    ) -> Result<(), TypeRefusal> {
        if !binding_key.is_empty() {
            // RabbitMQ prints the octets one by one here.
            let latin_1 = binding_key.as_bytes().iter().map(|octet| char::from(*octet)).collect();
            return Err(TypeRefusal::BindingKeyNotEmpty(latin_1));
        }
        let Destination::Queue(entry) = destination else { return Err(TypeRefusal::NoQueue) };
        other_queue_type(&entry.arguments).map_or(Ok(()), |module| Err(TypeRefusal::QueueType(module)))
    }
}
