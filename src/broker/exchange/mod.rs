//! Exchanges: what they are, their bindings, and the types that decide where a message goes. Owns no registry of
//! exchanges (`vhost` does) and follows no bindings from exchange to exchange (`vhost::topology` does).

mod binding;
mod destinations;
mod history;
mod memory;
pub mod types;

use std::sync::Arc;

use leveret_protocol::{FieldTable, FieldValue, ShortString};

pub use self::binding::{Binding, Destination, DestinationKey};
pub use self::destinations::Destinations;
pub use self::history::{History, MAX_HISTORY_BYTES, Past};
pub use self::memory::Memory;
pub use self::types::{BindingTable, Envelope, ExchangeType, TypeRefusal};
pub(super) use self::types::{hash, mixed};
use crate::broker::ids::QueueId;
use crate::broker::queue::QueueEntry;

/// An exchange with its bindings. Cloning is cheap: binding tables are persistent (a clone shares them).
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of exchange.declare, and whether it delays")]
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
    /// What is remembered of its messages.
    pub memory: Memory,
    /// Whether it keeps messages that are to be routed later, by type, argument or policy.
    pub delays: bool,
    /// Where they wait; it has the exchange's name, and no client knows it. It stays when a policy stops that: what waits
    /// still has to be routed.
    pub delay_queue: Option<Arc<QueueEntry>>,
    /// Where the keys of messages are kept that it remembers, if it lasts; no client knows it either. It has the exchange's
    /// name and an id of its own, see [`key_queue_of`](crate::broker::dedup::key_queue_of).
    pub key_queue: Option<Arc<QueueEntry>>,
}

impl Exchange {
    /// Whether messages with the same routing key may go different ways.
    #[must_use]
    pub fn varies(&self) -> bool {
        self.bindings.varies() || !self.memory.is_none()
    }
}

/// The argument that names an alternate exchange.
pub const ALTERNATE_EXCHANGE: &str = "alternate-exchange";

/// The argument by which an exchange of any type keeps messages with the header x-delay (as in LavinMQ).
pub const DELAYED_EXCHANGE: &str = "x-delayed-exchange";

/// Whether an exchange of that type with these arguments keeps messages that are to be routed later.
#[must_use]
pub fn delays(kind: ExchangeType, arguments: &FieldTable) -> bool {
    kind == ExchangeType::Delayed || arguments.get(DELAYED_EXCHANGE).and_then(FieldValue::as_bool) == Some(true)
}

/// The queue in which an exchange keeps messages.
#[must_use]
pub fn delay_queue(id: QueueId, exchange: &ShortString, durable: bool) -> Arc<QueueEntry> {
    let (name, arguments) = (exchange.clone(), FieldTable::new());
    Arc::new(QueueEntry { id, name, durable, auto_delete: false, owner: None, arguments })
}

impl Exchange {
    /// The type by which it routes, which binding keys and arguments have to suit.
    #[must_use]
    pub fn routing_type(&self) -> ExchangeType {
        if self.kind == ExchangeType::Delayed {
            return types::delayed::routing_type(&self.arguments).unwrap_or(ExchangeType::Direct);
        }
        self.kind
    }
}
