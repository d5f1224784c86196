//! What kinds of objects a policy is for.

use leveret_protocol::FieldTable;

use crate::broker::queue::arguments;

/// What a policy may apply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// An exchange.
    Exchange,
    /// A classic queue.
    ClassicQueue,
    /// A quorum queue.
    QuorumQueue,
    /// A stream.
    Stream,
}

impl Target {
    /// What a queue with these arguments is.
    #[must_use]
    pub fn of_queue(declared: &FieldTable) -> Self {
        match arguments::type_name(declared) {
            b"quorum" => Self::QuorumQueue,
            b"stream" => Self::Stream,
            _ => Self::ClassicQueue,
        }
    }
}

/// The `apply-to` of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApplyTo {
    /// Queues and exchanges.
    #[default]
    All,
    /// Queues of all types.
    Queues,
    /// Classic queues.
    ClassicQueues,
    /// Quorum queues.
    QuorumQueues,
    /// Streams.
    Streams,
    /// Exchanges.
    Exchanges,
}

/// Each with RabbitMQ's word for it.
const NAMES: [(&str, ApplyTo); 6] = [
    ("all", ApplyTo::All),
    ("queues", ApplyTo::Queues),
    ("classic_queues", ApplyTo::ClassicQueues),
    ("quorum_queues", ApplyTo::QuorumQueues),
    ("streams", ApplyTo::Streams),
    ("exchanges", ApplyTo::Exchanges),
];

impl ApplyTo {
    /// The one of that name.
    #[must_use]
    pub fn by_name(name: &[u8]) -> Option<Self> {
        NAMES.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, apply_to)| *apply_to)
    }

    /// RabbitMQ's word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Queues => "queues",
            Self::ClassicQueues => "classic_queues",
            Self::QuorumQueues => "quorum_queues",
            Self::Streams => "streams",
            Self::Exchanges => "exchanges",
        }
    }

    pub(super) fn covers(self, target: Target) -> bool {
        match self {
            Self::All => true,
            Self::Queues => target != Target::Exchange,
            Self::ClassicQueues => target == Target::ClassicQueue,
            Self::QuorumQueues => target == Target::QuorumQueue,
            Self::Streams => target == Target::Stream,
            Self::Exchanges => target == Target::Exchange,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_there_and_back() {
        for (name, apply_to) in NAMES {
            assert_eq!((ApplyTo::by_name(name.as_bytes()), apply_to.name()), (Some(apply_to), name));
        }
        assert_eq!(ApplyTo::by_name(b"nope"), None);
    }
}
