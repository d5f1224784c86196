//! What a connection needs to know of the node's configuration.

use std::time::Duration;

use leveret_protocol::{FieldTable, FieldValue};

use crate::broker::auth::sasl::Mechanism;

/// The node's settings that concern connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Ways to log in, in the order offered.
    pub mechanisms: Vec<Mechanism>,
    /// `product` in the server properties.
    pub product: String,
    /// `version` in the server properties.
    pub version: String,
    /// `cluster_name` in the server properties.
    pub cluster_name: String,
    /// Largest frame offered, in bytes; 0 is no limit.
    pub frame_max: u32,
    /// Largest frame taken before tuning, in bytes, unless `frame_max` is larger.
    pub initial_frame_max: u32,
    /// Channels offered; 0 is no limit.
    pub channel_max: u16,
    /// Whether the node limits the channels of all connections together, so that it is asked for each.
    pub limits_channels: bool,
    /// Heartbeat offered, in seconds; 0 is none.
    pub heartbeat: u16,
    /// From the socket's opening until connection.open-ok.
    pub handshake_timeout: Duration,
    /// Largest body taken, in bytes.
    pub max_message_size: u64,
    /// Consumers on one channel; `None` is no limit.
    pub consumer_max_per_channel: Option<u32>,
    /// Prefetch where a channel sets none; 0 is no limit.
    pub default_prefetch: u16,
    /// basic.qos acts on running consumers, whatever its `global` flag.
    pub qos_dynamic: bool,
    /// Which clients are asked to pause by channel.flow.
    pub channel_flow: ChannelFlow,
}

/// Which clients are asked to pause by channel.flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelFlow {
    /// Those that are known to pause and to go on: Java and .NET; and those with the capability `channel_flow`.
    #[default]
    Auto,
    /// All.
    Always,
    /// None.
    Never,
}

/// What RabbitMQ's clients look for before they use an extension.
const CAPABILITIES: [&str; 9] = [
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
    "direct_reply_to",
];

impl Settings {
    /// connection.start's server-properties, sorted by name.
    pub(super) fn server_properties(&self) -> FieldTable {
        let mut capabilities = FieldTable::default();
        for name in CAPABILITIES {
            capabilities.insert(name, FieldValue::Bool(true));
        }
        let mut properties = FieldTable::default();
        let mut add = |name: &str, value| properties.insert(name, value);
        add("capabilities", FieldValue::Table(capabilities));
        add("cluster_name", FieldValue::text(&self.cluster_name));
        add("copyright", FieldValue::text("Copyright the Leveret authors"));
        add("information", FieldValue::text("Licensed under the Apache License 2.0"));
        add("platform", FieldValue::text("Rust"));
        add("product", FieldValue::text(&self.product));
        add("version", FieldValue::text(&self.version));
        properties
    }
}
