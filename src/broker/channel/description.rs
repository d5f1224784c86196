//! What a channel tells of itself to whoever looks at it from outside. Changes nothing.

use super::{Channel, Mode};

/// A channel at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelDescription {
    /// Its number.
    pub number: u16,
    /// RabbitMQ's word for what it does: `running`, or `closing` while the client has not answered channel.close.
    pub state: &'static str,
    /// Whether publishes are confirmed.
    pub confirm: bool,
    /// Whether it is transactional.
    pub transactional: bool,
    /// Prefetch of consumers to come; 0 is no limit.
    pub prefetch: u16,
    /// The limit for all consumers together; 0 is none.
    pub global_prefetch: u16,
    /// Consumers.
    pub consumers: usize,
    /// Deliveries that the client has not settled.
    pub unacked: usize,
    /// Settlings that wait for tx.commit.
    pub uncommitted_settlings: usize,
}

impl Channel {
    /// The channel as it is now.
    pub(in crate::broker) fn describe(&self, number: u16) -> ChannelDescription {
        let uncommitted_settlings = match &self.mode {
            Mode::Transaction { settled } => settled.len(),
            Mode::Plain | Mode::Confirm { .. } => 0,
        };
        ChannelDescription {
            number,
            state: if self.closing { "closing" } else { "running" },
            confirm: matches!(self.mode, Mode::Confirm { .. }),
            transactional: matches!(self.mode, Mode::Transaction { .. }),
            prefetch: self.prefetch,
            global_prefetch: self.shared_limit.as_ref().map_or(0, |shared| shared.limit()),
            consumers: self.consumer_tags.len(),
            unacked: self.unsettled_count(),
            uncommitted_settlings,
        }
    }
}
