//! A binding and where it leads. Owns the identity of bindings: same source, destination, binding key and arguments
//! are one binding.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::BytesMut;
use leveret_protocol::{FieldTable, ShortString};

use crate::broker::queue::QueueEntry;
use crate::broker::resource::ResourceKind;

/// Where a binding leads to.
#[derive(Clone, Debug)]
pub enum Destination {
    /// A queue, held by its entry so that routing needs no look-up. The binding goes when the queue goes.
    Queue(Arc<QueueEntry>),
    /// An exchange, by name, because its bindings change.
    Exchange(ShortString),
}

/// A destination's kind and name: what identifies it within a vhost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DestinationKey {
    /// Exchange or queue.
    pub kind: ResourceKind,
    /// Its name.
    pub name: ShortString,
}

impl Destination {
    /// Its kind and name.
    #[must_use]
    pub fn key(&self) -> DestinationKey {
        match self {
            Self::Queue(entry) => DestinationKey { kind: ResourceKind::Queue, name: entry.name.clone() },
            Self::Exchange(name) => DestinationKey { kind: ResourceKind::Exchange, name: name.clone() },
        }
    }

    fn rank(&self) -> (ResourceKind, &ShortString) {
        match self {
            Self::Queue(entry) => (ResourceKind::Queue, &entry.name),
            Self::Exchange(name) => (ResourceKind::Exchange, name),
        }
    }
}

impl PartialEq for Destination {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Destination {}

impl PartialOrd for Destination {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Destination {
    fn cmp(&self, other: &Self) -> Ordering {
        // Where many bindings lead to the same queue, their order is looked for among bindings to that queue.
        if let (Self::Queue(entry), Self::Queue(other)) = (self, other)
            && Arc::ptr_eq(entry, other)
        {
            return Ordering::Equal;
        }
        self.rank().cmp(&other.rank())
    }
}

/// A binding from an exchange to a queue or exchange.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The exchange it leads from.
    pub source: ShortString,
    /// Where it leads.
    pub destination: Destination,
    /// What the exchange's type matches routing keys with.
    pub binding_key: ShortString,
    /// As given. Only headers exchanges read them; elsewhere they just tell bindings apart.
    pub arguments: FieldTable,
    /// Survives a restart: both ends do. No part of its identity.
    pub durable: bool,
    identity: Box<[u8]>,
}

impl Binding {
    /// A binding that is not durable; arguments in another order are the same binding.
    #[must_use]
    pub fn new(source: ShortString, destination: Destination, binding_key: ShortString, arguments: FieldTable) -> Self {
        let identity = canonical(&arguments);
        Self { source, destination, binding_key, arguments, durable: false, identity }
    }

    /// The same binding, durable or not.
    #[must_use]
    pub fn durable(self, durable: bool) -> Self {
        Self { durable, ..self }
    }

    /// The arguments as they count for the binding's identity: bytes that are the same in whatever order they were given.
    #[must_use]
    pub fn canonical_arguments(&self) -> &[u8] {
        &self.identity
    }

    fn rank(&self) -> (&ShortString, &Destination, &ShortString, &[u8]) {
        (&self.source, &self.destination, &self.binding_key, &self.identity)
    }
}

/// The arguments' bytes with entries sorted by name, so that they compare as a set.
fn canonical(arguments: &FieldTable) -> Box<[u8]> {
    if arguments.is_empty() {
        return Box::default();
    }
    let mut entries: Vec<_> = arguments.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    let sorted: FieldTable = entries.into_iter().collect();
    let mut bytes = BytesMut::new();
    sorted.encode(&mut bytes);
    bytes.to_vec().into_boxed_slice()
}

impl PartialEq for Binding {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Binding {}

impl PartialOrd for Binding {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Binding {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}
