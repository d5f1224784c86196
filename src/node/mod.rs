//! The running broker: registries, locks and the carrying out of what the machines of `broker` decide. Owns no
//! sockets; `net` does.
//!
//! Lock order: a vhost, then one queue, then an outbox. Never two queues at once, never anything under an outbox.

mod cell;
mod clock;
mod outbox;
mod registry;
pub mod session;
mod vhost;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use dashmap::DashMap;
use leveret_protocol::ShortString;
use rand::RngCore;
use thiserror::Error;

pub use self::clock::Clock;
pub use self::outbox::Outbox;
use self::registry::Users;
use self::vhost::RunningVhost;
use crate::broker::auth::sasl::Mechanism;
use crate::broker::auth::{InvalidPattern, Permissions};
use crate::broker::connection::Settings;
use crate::broker::error::ConnectionError;
use crate::broker::ids::{ConnectionId, ConsumerId, QueueId};
use crate::config::Config;

/// Why a node cannot start.
#[derive(Debug, Error)]
pub enum NodeError {
    /// A permission in the configuration is no regular expression.
    #[error("default_permissions: {0}")]
    Permission(#[from] InvalidPattern),
    /// The default vhost's name is longer than a name can be.
    #[error("default_vhost: a name has at most 255 bytes")]
    VhostName,
}

/// Where replies to a direct reply-to token go.
#[derive(Clone, Debug)]
struct Requester {
    outbox: Arc<Outbox>,
    consumer: ConsumerId,
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    /// The node's clock.
    pub clock: Clock,
    /// What connections need to know of the configuration.
    pub settings: Arc<Settings>,
    connection_max: Option<u32>,
    channel_max: Option<u32>,
    channel_count: AtomicU32,
    users: Users,
    vhosts: DashMap<ShortString, Arc<RunningVhost>>,
    outboxes: DashMap<ConnectionId, Arc<Outbox>>,
    requesters: DashMap<Vec<u8>, Requester>,
    last_id: AtomicU64,
}

impl Node {
    /// A node with the configured vhost and user.
    ///
    /// # Errors
    /// When the configuration names what cannot be.
    pub fn new(config: &Config) -> Result<Self, NodeError> {
        let vhost = ShortString::new(config.default_vhost.as_bytes()).map_err(|_| NodeError::VhostName)?;
        let wanted = &config.default_permissions;
        let permissions = Permissions::parse(&wanted.configure, &wanted.write, &wanted.read)?;
        let mut salt = [0; 4];
        rand::rng().fill_bytes(&mut salt);
        let vhosts = DashMap::new();
        vhosts.insert(vhost.clone(), Arc::new(RunningVhost::new(vhost.clone())));
        Ok(Self {
            clock: Clock::start(),
            settings: Arc::new(settings(config)),
            connection_max: config.connection_max,
            channel_max: config.channel_max_per_node,
            channel_count: AtomicU32::new(0),
            users: Users::new(config, vhost, permissions, salt),
            vhosts,
            outboxes: DashMap::new(),
            requesters: DashMap::new(),
            last_id: AtomicU64::new(0),
        })
    }

    /// Asks every connection to close with 320 and this reason.
    pub fn close_all(&self, reason: &str) {
        for outbox in &self.outboxes {
            outbox.force_close(reason);
        }
    }

    /// Takes one of the node's channels.
    fn take_channel(&self) -> Result<(), ConnectionError> {
        let Some(limit) = self.channel_max else { return Ok(()) };
        let one_more = |count: u32| (count < limit).then_some(count + 1);
        match self.channel_count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => Ok(()),
            Err(_) => Err(ConnectionError::NotAllowed(format!(
                "number of channels opened on node '{}' has reached the maximum allowed limit of {limit}",
                self.settings.cluster_name
            ))),
        }
    }

    /// Gives a channel back that was taken.
    fn return_channel(&self) {
        self.channel_count.fetch_sub(1, Ordering::Relaxed);
    }

    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn next_consumer(&self) -> ConsumerId {
        ConsumerId(self.next_id())
    }

    fn next_queue(&self) -> QueueId {
        QueueId(self.next_id())
    }

    fn vhost(&self, name: &ShortString) -> Option<Arc<RunningVhost>> {
        self.vhosts.get(name).map(|vhost| Arc::clone(&vhost))
    }

    /// 22 characters that nobody can guess: 128 random bits in the URL-safe base64 alphabet.
    fn random_name() -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        const LENGTH: usize = 22;
        let mut random = rand::rng();
        (0..LENGTH)
            .filter_map(|_| ALPHABET.get(usize::try_from(random.next_u32() % 64).ok()?))
            .map(|octet| char::from(*octet))
            .collect()
    }
}

fn settings(config: &Config) -> Settings {
    let mechanism = |configured: &crate::config::Mechanism| match configured {
        crate::config::Mechanism::Plain => Mechanism::Plain,
        crate::config::Mechanism::AmqPlain => Mechanism::AmqPlain,
        crate::config::Mechanism::Anonymous => Mechanism::Anonymous,
    };
    Settings {
        mechanisms: config.auth_mechanisms.iter().map(mechanism).collect(),
        product: config.identity_product.clone(),
        version: config.identity_version.clone(),
        cluster_name: config.cluster_name.clone(),
        frame_max: config.frame_max,
        initial_frame_max: config.initial_frame_max,
        channel_max: config.channel_max,
        limits_channels: config.channel_max_per_node.is_some(),
        heartbeat: config.heartbeat,
        handshake_timeout: config.handshake_timeout,
        max_message_size: config.max_message_size,
        consumer_max_per_channel: config.consumer_max_per_channel,
        default_prefetch: config.default_consumer_prefetch,
        qos_dynamic: config.qos_dynamic,
    }
}
