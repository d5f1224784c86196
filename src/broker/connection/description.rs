//! What a connection tells of itself to whoever looks at it from outside. Changes nothing.

use leveret_protocol::{FieldTable, ShortString};

use super::{Connection, State};
use crate::broker::channel::ChannelDescription;
use crate::broker::ids::{ConsumerId, QueueId};

/// A connection at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// RabbitMQ's word for what it does.
    pub state: &'static str,
    /// The vhost it is in.
    pub vhost: ShortString,
    /// The SASL mechanism that it logged in by.
    pub mechanism: &'static str,
    /// What the client told of itself.
    pub client_properties: FieldTable,
    /// Largest frame in bytes; 0 is no limit.
    pub frame_max: u32,
    /// Most channels; 0 is no limit but the protocol's.
    pub channel_max: u16,
    /// Heartbeat interval in seconds; 0 is none.
    pub heartbeat: u64,
    /// Its channels, by number.
    pub channels: Vec<ChannelDescription>,
    /// Its consumers, oldest first.
    pub consumers: Vec<ConsumerDescription>,
}

/// A consumer as its connection knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerDescription {
    /// Its id.
    pub consumer: ConsumerId,
    /// Its channel.
    pub channel: u16,
    /// Its tag.
    pub consumer_tag: ShortString,
    /// Its queue; none for direct reply-to.
    pub queue: Option<QueueId>,
    /// Whether deliveries are settled when sent.
    pub no_ack: bool,
}

impl Connection {
    /// The connection as it is now.
    #[must_use]
    pub fn describe(&self) -> Description {
        let consumers = self.consumers.iter().map(|(&consumer, record)| ConsumerDescription {
            consumer,
            channel: record.channel,
            consumer_tag: record.consumer_tag.clone(),
            queue: record.queue,
            no_ack: record.no_ack,
        });
        Description {
            state: self.state_name(),
            vhost: self.vhost.clone(),
            mechanism: self.mechanism.map_or("", crate::broker::auth::sasl::Mechanism::name),
            client_properties: self.client_properties.clone(),
            frame_max: self.frame_max,
            channel_max: self.channel_max,
            heartbeat: self.heartbeat.as_ref().map_or(0, |heartbeat| heartbeat.interval().as_secs()),
            channels: self.channels.iter().map(|(&number, channel)| channel.describe(number)).collect(),
            consumers: consumers.collect(),
        }
    }

    const fn state_name(&self) -> &'static str {
        match self.state {
            State::Header | State::Starting | State::Authenticating => "starting",
            State::Tuning => "tuning",
            State::Opening | State::Entering => "opening",
            State::Running if self.blocking.is_blocked() => "blocked",
            State::Running => "running",
            State::Closing(_) | State::Silent(_) => "closing",
            State::Closed => "closed",
        }
    }
}
