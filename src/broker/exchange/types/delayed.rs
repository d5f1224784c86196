//! x-delayed-message: a message with the header x-delay is kept for so long and then routed as another type does, which
//! the argument x-delayed-type names; others are routed so at once (RabbitMQ plugin). Where messages are kept is not
//! decided here: `vhost::topology` leads them there.

use leveret_protocol::{FieldTable, FieldValue, ShortString};

use super::{Binding, BindingTable, Destination, Envelope, ExchangeType, Routing, TypeRefusal};
use crate::broker::error::ChannelError;
use crate::broker::resource::Resource;

/// The argument with the type by which messages are routed.
const ROUTING_TYPE: &str = "x-delayed-type";

/// The bindings as the other type has them.
#[derive(Clone, Debug)]
pub struct Table {
    routing: Box<BindingTable>,
}

impl Default for Table {
    fn default() -> Self {
        Self::new(&FieldTable::new())
    }
}

impl Routing for Table {
    fn new(arguments: &FieldTable) -> Self {
        let kind = routing_type(arguments).unwrap_or(ExchangeType::Direct);
        Self { routing: Box::new(kind.empty_table(arguments)) }
    }

    fn bind(&mut self, binding: &Binding) {
        self.routing.bind(binding);
    }

    fn unbind(&mut self, binding: &Binding) {
        self.routing.unbind(binding);
    }

    fn route(&self, envelope: &Envelope<'_>, found: &mut dyn FnMut(&Destination)) {
        self.routing.route(envelope, found);
    }

    fn varies(&self) -> bool {
        self.routing.varies()
    }
}

/// What it refuses.
pub(super) struct Rules;

impl super::Rules for Rules {
    fn validate_arguments(arguments: &FieldTable, exchange: &Resource) -> Result<(), ChannelError> {
        let name = arguments.get(ROUTING_TYPE).and_then(FieldValue::as_bytes).ok_or(TypeRefusal::NoDelayedType)?;
        if name == ExchangeType::Delayed.name().as_bytes() {
            return Err(TypeRefusal::DelayedByItself.into());
        }
        match ExchangeType::by_name(name) {
            Some(kind) => kind.validate_arguments(arguments, exchange),
            None => Err(ChannelError::UnknownExchangeType(ShortString::truncated(&String::from_utf8_lossy(name)))),
        }
    }
}

/// The type by which an exchange with these arguments routes; `None`: they are not valid.
pub(in crate::broker::exchange) fn routing_type(arguments: &FieldTable) -> Option<ExchangeType> {
    let kind = ExchangeType::by_name(arguments.get(ROUTING_TYPE)?.as_bytes()?)?;
    (kind != ExchangeType::Delayed).then_some(kind)
}
