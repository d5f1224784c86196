//! A vhost: the one place where exchanges, bindings and queues come and go. Owns names and bindings; the content of
//! queues is theirs (`queue`). Changes are made one at a time and published as a new [`Topology`].

mod definition;
pub(in crate::broker) mod equivalence;
mod exchanges;
mod links;
mod policies;
mod queues;
mod redeclared;
mod take_back;
mod topology;
mod watch;

#[cfg(test)]
mod delayed_tests;
#[cfg(test)]
mod durable_tests;
#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use leveret_protocol::{FieldTable, ShortString};

pub use self::definition::{Definition, ExchangeDefinition, Restored};
pub use self::exchanges::ExchangeDeclaration;
pub use self::links::Link;
pub use self::policies::QueueIds;
pub use self::queues::QueueDeclaration;
pub use self::redeclared::RedeclaredQueue;
pub use self::topology::{Route, Topology};
pub use self::watch::Change;
use self::watch::Watch;
use crate::broker::exchange::{Binding, Destination, DestinationKey, Exchange, ExchangeType, Memory};
use crate::broker::ids::{ConnectionId, QueueId};
use crate::broker::queue::{QueueEntry, Settings};
use rpds::RedBlackTreeMapSync;

/// Names that begin so are the broker's (AMQP 0-9-1, exchange.declare and queue.declare).
const RESERVED_PREFIX: &str = "amq.";

/// The exchanges every vhost has from its start: name, type, internal.
const PREDECLARED: [(&str, ExchangeType, bool); 7] = [
    ("", ExchangeType::Direct, false),
    ("amq.direct", ExchangeType::Direct, false),
    ("amq.fanout", ExchangeType::Fanout, false),
    ("amq.topic", ExchangeType::Topic, false),
    ("amq.match", ExchangeType::Headers, false),
    ("amq.headers", ExchangeType::Headers, false),
    (TRACE_EXCHANGE, ExchangeType::Topic, true),
];

/// The exchange that the broker tells its events to. One vhost has it.
pub const EVENT_EXCHANGE: &str = "amq.rabbitmq.event";

/// The exchange that copies of messages go to where a vhost is traced.
pub const TRACE_EXCHANGE: &str = "amq.rabbitmq.trace";

/// What a change of the vhost asks of its surroundings.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A queue came into being; its machine is to be started with these settings.
    QueueCreated(Arc<QueueEntry>, Settings),
    /// A queue's name is gone; its machine is to be ended, where it has not been.
    QueueRemoved(QueueId),
    /// A queue that runs is to keep to these settings from now on.
    QueueConfigured(QueueId, Settings),
    /// A queue was declared again with other arguments, and its policy lets that pass: the log should tell.
    Redeclared(RedeclaredQueue),
    /// Something durable came into being; it is to be on disk before the client is answered.
    Stored(Definition),
    /// Something durable is gone; so is it to be on disk.
    Forgotten(Definition),
    /// An exchange came into being that remembers something of its messages.
    MemoryCreated {
        /// Its name.
        exchange: ShortString,
        /// What it remembers.
        memory: Memory,
    },
    /// Such an exchange is gone.
    MemoryRemoved(ShortString),
    /// There is a new binding: it is to be given the history of its source before any other message.
    Replay {
        /// The exchange that has a history.
        source: ShortString,
        /// Where the binding leads.
        destination: Destination,
    },
}

/// A vhost's state: the current topology and what is needed to change it.
#[derive(Debug)]
pub struct Vhost {
    topology: Topology,
    by_source: BTreeMap<ShortString, BTreeSet<Arc<Binding>>>,
    by_destination: BTreeMap<DestinationKey, BTreeSet<Arc<Binding>>>,
    exclusive: BTreeMap<ConnectionId, BTreeSet<ShortString>>,
    /// The id of the next queue that an exchange keeps messages or keys in.
    spare_queue: Option<QueueId>,
    watch: Watch,
}

impl Vhost {
    /// A vhost with the predeclared exchanges.
    #[must_use]
    pub fn new(name: ShortString) -> Self {
        let mut exchanges = RedBlackTreeMapSync::default();
        for (exchange, kind, internal) in PREDECLARED {
            let name = ShortString::from_static(exchange);
            exchanges.insert_mut(name.clone(), Arc::new(predeclared(name, kind, internal)));
        }
        Self {
            topology: Topology {
                number: 0,
                vhost: name,
                exchanges,
                queues: RedBlackTreeMapSync::default(),
                policies: Arc::default(),
            },
            by_source: BTreeMap::new(),
            by_destination: BTreeMap::new(),
            exclusive: BTreeMap::new(),
            spare_queue: None,
            watch: Watch::default(),
        }
    }

    /// The vhost with the exchange that the broker tells its events to.
    #[must_use]
    pub fn with_events(mut self) -> Self {
        let name = ShortString::from_static(EVENT_EXCHANGE);
        self.topology.exchanges.insert_mut(name.clone(), Arc::new(predeclared(name, ExchangeType::Topic, true)));
        self
    }

    /// Whether it wants an id that no queue has had, for an exchange that may have to keep something: see `provide`.
    #[must_use]
    pub const fn wants_queue_id(&self) -> bool {
        self.spare_queue.is_none()
    }

    /// An id that no queue has had. Without one, exchanges that are declared keep nothing.
    pub const fn provide(&mut self, id: QueueId) {
        self.spare_queue = Some(id);
    }

    /// The vhost as it is now.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    fn changed(&mut self) {
        self.topology.number = self.topology.number.wrapping_add(1);
    }

    fn change_exchange(&mut self, name: &ShortString, change: impl FnOnce(&mut Exchange)) {
        if let Some(exchange) = self.topology.exchanges.get(name) {
            let mut exchange = Exchange::clone(exchange);
            change(&mut exchange);
            self.topology.exchanges.insert_mut(name.clone(), Arc::new(exchange));
        }
    }
}

fn is_predeclared(name: &ShortString) -> bool {
    name == EVENT_EXCHANGE || PREDECLARED.iter().any(|(predeclared, _, _)| name == predeclared)
}

fn predeclared(name: ShortString, kind: ExchangeType, internal: bool) -> Exchange {
    Exchange {
        name,
        kind,
        durable: true,
        auto_delete: false,
        internal,
        arguments: FieldTable::default(),
        alternate: None,
        bindings: kind.empty_table(&FieldTable::new()),
        memory: Memory::default(),
        delays: false,
        delay_queue: None,
        key_queue: None,
    }
}

/// A name as RabbitMQ takes it in declare, delete, bind and unbind: without line ends.
#[must_use]
pub fn cleaned(name: &ShortString) -> ShortString {
    if !name.as_bytes().iter().any(|octet| matches!(octet, b'\r' | b'\n')) {
        return name.clone();
    }
    let kept: Vec<u8> = name.as_bytes().iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect();
    ShortString::new(kept).unwrap_or_default()
}
