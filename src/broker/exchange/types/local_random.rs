//! x-local-random: a message goes to one queue of the publisher's node, each as likely as any other. All queues are on
//! this node: it routes as x-random does. Only classic queues can be bound, without a binding key.

use leveret_protocol::{FieldTable, ShortString};

use super::{Destination, TypeRefusal};
use crate::broker::queue::arguments::{QueueType, queue_type};

/// What it refuses.
pub(super) struct Rules;

impl super::Rules for Rules {
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
        match queue_type(&entry.arguments) {
            QueueType::Classic => Ok(()),
            other @ (QueueType::Quorum | QueueType::Stream) => Err(TypeRefusal::QueueType(other.module())),
        }
    }
}
