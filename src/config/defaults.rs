//! The configuration of a node that nobody configured. The key table repeats these values as text; a test compares.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::{
    ChannelFlow, Config, DefaultPermissions, DefaultQueueBound, DiskFreeLimit, LogFormat, LogLevel, Mechanism,
    MemoryLimit, Secret,
};

impl Default for Config {
    fn default() -> Self {
        Self {
            listeners: vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, 5672))],
            management_port: Some(15672),
            management_ip: IpAddr::from(Ipv6Addr::UNSPECIFIED),
            management_origins: Vec::new(),
            tcp_backlog: 128,
            tcp_nodelay: true,
            handshake_timeout: Duration::from_secs(10),
            heartbeat: 60,
            frame_max: 131_072,
            initial_frame_max: 8192,
            channel_max: 2047,
            connection_max: None,
            channel_max_per_node: None,
            consumer_max_per_channel: None,
            consumer_timeout: None,
            max_message_size: 16 * 1024 * 1024,
            default_queue_bound: DefaultQueueBound::default(),
            disk_free_limit: DiskFreeLimit::default(),
            memory_limit: MemoryLimit::default(),
            memory_total: None,
            memory_monitor_interval: Duration::from_millis(100),
            default_user: "guest".to_owned(),
            default_pass: Secret::new("guest"),
            event_exchange: true,
            default_vhost: "/".to_owned(),
            default_permissions: DefaultPermissions::default(),
            loopback_users: vec!["guest".to_owned()],
            auth_mechanisms: vec![Mechanism::Plain, Mechanism::AmqPlain],
            anonymous_login_user: "guest".to_owned(),
            default_consumer_prefetch: 0,
            qos_dynamic: false,
            channel_flow: ChannelFlow::Auto,
            identity_product: "Leveret".to_owned(),
            identity_version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster_name: "leveret@localhost".to_owned(),
            log_level: LogLevel::Info,
            log_format: LogFormat::Plaintext,
            data_dir: PathBuf::from("leveret-data"),
            salvage: false,
            worker_threads: None,
        }
    }
}

impl Default for DefaultQueueBound {
    fn default() -> Self {
        Self { messages: Some(10_000_000), bytes: Some(16 << 30) }
    }
}

impl Default for DefaultPermissions {
    fn default() -> Self {
        Self { configure: ".*".to_owned(), write: ".*".to_owned(), read: ".*".to_owned() }
    }
}
