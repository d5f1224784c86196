//! How exchanges and queues are named in reply texts. Clients match on these texts.

use std::fmt;

use leveret_protocol::ShortString;

/// What kind of thing a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceKind {
    /// An exchange.
    Exchange,
    /// A queue.
    Queue,
}

/// An exchange or queue of a vhost, rendered as RabbitMQ renders it: `queue 'q' in vhost 'v'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Exchange or queue.
    pub kind: ResourceKind,
    /// Its name; empty for the default exchange.
    pub name: ShortString,
    /// The vhost that holds it.
    pub vhost: ShortString,
}

impl Resource {
    /// The queue of that name.
    #[must_use]
    pub fn queue(name: &ShortString, vhost: &ShortString) -> Self {
        Self { kind: ResourceKind::Queue, name: name.clone(), vhost: vhost.clone() }
    }

    /// The exchange of that name.
    #[must_use]
    pub fn exchange(name: &ShortString, vhost: &ShortString) -> Self {
        Self { kind: ResourceKind::Exchange, name: name.clone(), vhost: vhost.clone() }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ResourceKind::Exchange => "exchange",
            ResourceKind::Queue => "queue",
        };
        write!(f, "{kind} '{}' in vhost '{}'", self.name, self.vhost)
    }
}
