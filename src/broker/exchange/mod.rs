//! Exchanges: what they are, their bindings, and the types that decide where a message goes. Owns no registry of
//! exchanges (`vhost` does) and follows no bindings from exchange to exchange (`vhost::topology` does).

mod binding;
mod destinations;
pub mod types;

use leveret_protocol::{FieldTable, ShortString};

pub use self::binding::{Binding, Destination, DestinationKey};
pub use self::destinations::Destinations;
pub(super) use self::types::mixed;
pub use self::types::{BindingTable, Envelope, ExchangeType, TypeRefusal};

/// An exchange with its bindings. Cloning is cheap: binding tables are persistent (a clone shares them).
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its name; empty for the default exchange.
    pub name: ShortString,
    /// Its type.
    pub kind: ExchangeType,
    /// Survives a restart.
    pub durable: bool,
    /// Goes when the last binding goes of which it is the source (RabbitMQ extension).
    pub auto_delete: bool,
    /// Takes no messages from clients, from other exchanges alone (RabbitMQ extension).
    pub internal: bool,
    /// As declared.
    pub arguments: FieldTable,
    /// Where messages go that this exchange cannot route (RabbitMQ extension). Need not exist.
    pub alternate: Option<ShortString>,
    /// The bindings of which it is the source, in the form that its type needs.
    pub bindings: BindingTable,
}

/// The argument that names an alternate exchange.
pub const ALTERNATE_EXCHANGE: &str = "alternate-exchange";
