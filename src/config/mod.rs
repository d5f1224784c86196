//! The broker's configuration: plain data with RabbitMQ's defaults, loaded from rabbitmq.conf files, the environment
//! and the command line. Owns what a key means; does not read files by itself and knows nothing of who uses a value.

mod defaults;
mod draft;
mod environment;
mod error;
mod file;
mod key;
mod keys;
mod limits;
mod load;
mod nearest;
mod pattern;
mod rabbitmq;
mod secret;
mod values;

#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

pub use self::{
    error::{ConfigError, Place},
    key::Key,
    keys::KEYS,
    limits::{DiskFreeLimit, MemoryLimit},
    load::{Loaded, SourceFile, Sources},
    secret::Secret,
    values::{ChannelFlow, LogFormat, LogLevel, Mechanism, Share, Times},
};

/// Everything that a user may set, with the names of RabbitMQ's keys.
///
/// Each field names its key in rabbitmq.conf. Defaults are RabbitMQ's unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own, as rabbitmq.conf has them")]
pub struct Config {
    /// Addresses to listen on for AMQP. An unspecified IPv6 address stands for both IPv6 and IPv4; port 0 lets the
    /// system choose; empty means no plain listener. Default `[::]:5672`. Keys `listeners.tcp.NAME`, `listeners.tcp`.
    pub listeners: Vec<SocketAddr>,
    /// Port of the management API; 0 lets the system choose; `None` turns it off. Default 15672. Key
    /// `management.tcp.port`.
    pub management_port: Option<u16>,
    /// Address of the management API. An unspecified IPv6 address stands for both IPv6 and IPv4. Default `::`. Key
    /// `management.tcp.ip`.
    pub management_ip: IpAddr,
    /// Origins such as `https://console.example` whose pages may use the management API from a browser; `*` is all. Default
    /// none. Keys `management.cors.allow_origins.NAME`, `management.cors.allow_origins`.
    pub management_origins: Vec<String>,
    /// Connections that the kernel may hold before they are accepted. Default 128. Key `tcp_listen_options.backlog`.
    pub tcp_backlog: u32,
    /// Whether sockets send small packets at once. Default true. Key `tcp_listen_options.nodelay`.
    pub tcp_nodelay: bool,
    /// Time from accepting a socket to `connection.open-ok`. Default 10 s. Key `handshake_timeout` (milliseconds).
    pub handshake_timeout: Duration,
    /// Heartbeat offered to clients, in seconds; 0 offers none. Default 60. Key `heartbeat`.
    pub heartbeat: u16,
    /// Largest frame offered to clients, in bytes, at least 8192; 0 means no limit. Default 131072. Key `frame_max`.
    pub frame_max: u32,
    /// Largest frame taken before tuning, in bytes, where `frame_max` is smaller. Default 8192. Key `initial_frame_max`.
    pub initial_frame_max: u32,
    /// Channels offered to each connection; 0 means no limit but the protocol's. Default 2047. Key `channel_max`.
    pub channel_max: u16,
    /// Open connections in this node; `None` is no limit. Default `None`. Key `connection_max`.
    pub connection_max: Option<u32>,
    /// Open channels in this node; `None` is no limit. Default `None`. Key `channel_max_per_node`.
    pub channel_max_per_node: Option<u32>,
    /// Consumers on one channel; `None` is no limit. Default `None`. Key `consumer_max_per_channel`.
    pub consumer_max_per_channel: Option<u32>,
    /// How long a delivery may stay unacked; zero is for ever; `None` is half an hour in quorum queues and for ever in
    /// others. Default `None`. Key `consumer_timeout` (milliseconds).
    pub consumer_timeout: Option<Duration>,
    /// Largest message body taken, in bytes, at most 512 MiB. Default 16 MiB. Key `max_message_size`.
    pub max_message_size: u64,
    /// How long a queue may become that has no bound of its own, before publishers wait for it. Default 10,000,000
    /// messages and 16 GiB. Own keys `default_queue.max_length`, `default_queue.max_length_bytes`.
    pub default_queue_bound: DefaultQueueBound,
    /// Free space on the disk below which publishers are blocked. Default 1 GiB (RabbitMQ: 50 MB). Keys
    /// `disk_free_limit.absolute`, `disk_free_limit.relative`.
    pub disk_free_limit: DiskFreeLimit,
    /// Memory that the process may use before publishers are blocked. Default 0.6 of what there is. Keys
    /// `vm_memory_high_watermark.relative`, `vm_memory_high_watermark.absolute`.
    pub memory_limit: MemoryLimit,
    /// Bytes of memory there are; `None` is what the machine has, or the control group. Default `None`. Key
    /// `total_memory_available_override_value`.
    pub memory_total: Option<u64>,
    /// How often memory is looked at. Default 100 ms (RabbitMQ: 2.5 s). Key `memory_monitor_interval` (milliseconds).
    pub memory_monitor_interval: Duration,
    /// Name of the user that a new node is created with. Default `guest`. Key `default_user`.
    pub default_user: String,
    /// Password of that user. Default `guest`. Key `default_pass`.
    pub default_pass: Secret,
    /// Whether events are told to `amq.rabbitmq.event` in the default virtual host. Default `true`. Key
    /// `event_exchange.enabled`.
    pub event_exchange: bool,
    /// Virtual host that a new node is created with. Default `/`. Key `default_vhost`.
    pub default_vhost: String,
    /// What the default user may do in the default vhost. Default `.*` for all three. Keys `default_permissions.*`.
    pub default_permissions: DefaultPermissions,
    /// Users that may log in from this machine only, in the order of their names. Default `guest`. Keys
    /// `loopback_users.NAME`, `loopback_users`.
    pub loopback_users: Vec<String>,
    /// Ways to log in, in the order offered. Default PLAIN, AMQPLAIN (RabbitMQ 4 adds ANONYMOUS). Keys
    /// `auth_mechanisms.N`.
    pub auth_mechanisms: Vec<Mechanism>,
    /// User that ANONYMOUS logs in as. Default `guest`. Key `anonymous_login_user`.
    pub anonymous_login_user: String,
    /// Prefetch of a consumer whose channel sets none, in messages; 0 is no limit. Default 0. Key
    /// `default_consumer_prefetch.count`.
    pub default_consumer_prefetch: u16,
    /// Whether `basic.qos` with global=false also acts on consumers that already run. Default false, as RabbitMQ does
    /// it; py-amqp and kombu clients always get it. Own key `qos.dynamic`.
    pub qos_dynamic: bool,
    /// Which clients are asked to pause by channel.flow. Default auto. Own key `channel_flow`.
    pub channel_flow: ChannelFlow,
    /// `product` in the server properties. Default `Leveret`. Own key `identity.product`.
    pub identity_product: String,
    /// `version` in the server properties. Default this program's version. Own key `identity.version`.
    pub identity_version: String,
    /// `cluster_name` in the server properties. Default `leveret@localhost`. Key `cluster_name`.
    pub cluster_name: String,
    /// Least severe message that is logged. Default info. Key `log.console.level`.
    pub log_level: LogLevel,
    /// How a log line is written. Default plain text. Key `log.console.formatter`.
    pub log_format: LogFormat,
    /// Directory of everything that outlives a restart. Default `leveret-data` in the working directory. Own key
    /// `data_dir`.
    pub data_dir: PathBuf,
    /// Whether to start without what is damaged in the data directory. Default false. No key: it is asked for at one
    /// start, on the command line.
    pub salvage: bool,
    /// Threads that run connections; `None` is one for each core. Default `None`. Own key `runtime.worker_threads`.
    pub worker_threads: Option<usize>,
}

/// How long a queue may become that has no bound of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultQueueBound {
    /// Ready messages; `None` is no bound. Key `default_queue.max_length`.
    pub messages: Option<u64>,
    /// Bytes of their bodies; `None` is no bound. Key `default_queue.max_length_bytes`.
    pub bytes: Option<u64>,
}

/// What the default user may do in the default vhost: a regular expression over names for each kind of operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultPermissions {
    /// Which exchanges and queues may be declared and deleted. Default `.*`. Key `default_permissions.configure`.
    pub configure: String,
    /// What may be published to and bound. Default `.*`. Key `default_permissions.write`.
    pub write: String,
    /// What may be consumed from, read and purged. Default `.*`. Key `default_permissions.read`.
    pub read: String,
}

impl Config {
    /// Puts the sources together: `--set` over `RABBITMQ_DEFAULT_*` over files (a later one over an earlier one) over
    /// the other `RABBITMQ_*` variables over the defaults.
    ///
    /// # Errors
    /// The first line that cannot be understood, with its place and what would be.
    pub fn load(sources: &Sources<'_>) -> Result<Loaded, ConfigError> {
        load::load(sources)
    }
}
