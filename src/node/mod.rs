//! The running broker: registries, locks and the carrying out of what the machines of `broker` decide. Owns no
//! sockets; `net` does.
//!
//! Lock order: a vhost, then one queue, then an outbox. Never two queues at once, never anything under an outbox.

pub mod admin;
mod alarms;
mod allocator;
mod cell;
pub mod check;
mod clock;
mod dead_letters;
mod definitions;
mod disk_alarm;
mod drain;
mod duplicates;
mod events;
mod fail_stop;
mod finishers;
mod firehose;
mod jobs;
mod keeper;
mod key_records;
mod leases;
mod line;
mod memories;
mod memory;
mod memory_alarm;
mod moves;
mod open;
mod outbox;
mod own_messages;
mod policies;
mod registry;
mod remembered;
mod scheduled;
pub mod session;
mod storage;
mod threads;
mod timers;
mod together;
mod vhost;
mod watermarks;

#[cfg(test)]
mod power_cut_tests;
#[cfg(test)]
mod restart_tests;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use dashmap::DashMap;
use leveret_protocol::ShortString;
use rand::RngCore;
use thiserror::Error;

use self::alarms::{AlarmBoard, Outboxes};
use self::cell::{MakeCell, QueueCell, SharedSettings, Surroundings};
pub use self::clock::Clock;
pub use self::definitions::{Definitions, LoadError, RowError, Stored};
use self::events::Events;
use self::fail_stop::fail_stop;
pub use self::jobs::JobStatus;
use self::leases::Leases;
use self::moves::Jobs;
use self::open::Durable;
pub use self::open::OpenError;
pub use self::outbox::Outbox;
pub use self::policies::PolicyError;
use self::registry::Users;
pub use self::scheduled::{ScheduledMessage, ScheduledPage, Turn, WaitingIn};
use self::storage::Storage;
use self::timers::Timers;
use self::vhost::RunningVhost;
pub use self::watermarks::Levels;
use self::watermarks::Watermarks;
use crate::broker::auth::sasl::Mechanism;
use crate::broker::auth::{InvalidPattern, Permissions};
use crate::broker::connection::{ChannelFlow, Settings};
use crate::broker::error::ConnectionError;
use crate::broker::ids::{ConsumerId, QueueId};
use crate::broker::queue::Bound;
use crate::config::Config;
use crate::store::Position;
use crate::store::meta::CommitError;

/// Why a node cannot start.
#[derive(Debug, Error)]
pub enum NodeError {
    /// A permission in the configuration is no regular expression.
    #[error("default_permissions: {0}")]
    Permission(#[from] InvalidPattern),
    /// The default vhost's name is longer than a name can be.
    #[error("default_vhost: a name has at most 255 bytes")]
    VhostName,
    /// The definitions cannot be read.
    #[error(transparent)]
    Definitions(#[from] LoadError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl NodeError {
    /// Whether files of the data directory are not what was written, or are missing.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Open(error) if error.is_damage())
    }
}

/// Where replies to a direct reply-to token go.
#[derive(Clone, Debug)]
struct Requester {
    outbox: Arc<Outbox>,
    consumer: ConsumerId,
}

/// One of the connections that `connection_max` allows, until it is dropped. Taken when a connection opens its vhost:
/// whoever does not log in takes nobody's place.
#[derive(Debug)]
struct ConnectionSlot(Arc<Node>);

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.0.open_connections.fetch_sub(1, Ordering::Relaxed);
    }
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
    open_connections: AtomicU32,
    users: Users,
    vhosts: DashMap<ShortString, Arc<RunningVhost>>,
    outboxes: Arc<Outboxes>,
    alarms: Arc<AlarmBoard>,
    watermarks: Arc<Watermarks>,
    requesters: DashMap<Vec<u8>, Requester>,
    /// Messages that are lent to clients without a connection.
    leases: Arc<Leases>,
    definitions: Arc<Definitions>,
    events: Arc<Events>,
    moves: Jobs,
    last_id: AtomicU64,
    /// Where what has to survive is kept; `None`: in memory alone.
    storage: Option<Arc<Storage>>,
    durable: Option<Durable>,
}

impl Node {
    /// A node in memory with the configured vhost and user.
    ///
    /// # Errors
    /// When the configuration names what cannot be.
    pub fn new(config: &Config) -> Result<Self, NodeError> {
        Self::restore(config, Clock::start(), Definitions::in_memory(), Stored::default(), None, &mut QueueCell::new)
    }

    /// A node with the vhosts that were stored, and the configured vhost and user; `cell` makes a queue run.
    fn restore(
        config: &Config,
        clock: Clock,
        definitions: Definitions,
        stored: Stored,
        storage: Option<Arc<Storage>>,
        cell: &mut MakeCell<'_>,
    ) -> Result<Self, NodeError> {
        let vhost = ShortString::new(config.default_vhost.as_bytes()).map_err(|_| NodeError::VhostName)?;
        let wanted = &config.default_permissions;
        let permissions = Permissions::parse(&wanted.configure, &wanted.write, &wanted.read)?;
        let mut salt = [0; 4];
        rand::rng().fill_bytes(&mut salt);
        let definitions = Arc::new(definitions);
        let told_in = config.event_exchange.then(|| vhost.clone());
        let events = Arc::new(Events::new(told_in, &config.cluster_name, clock));
        let surroundings = Surroundings {
            storage: storage.clone(),
            events: Arc::clone(&events),
            timers: Arc::new(Timers::new(clock)),
            bound: bound(config),
            home: Weak::new(),
            settings: SharedSettings::default(),
            consumer_timeout: config.consumer_timeout,
        };
        let watermarks = match &storage {
            Some(storage) => Arc::clone(&storage.watermarks),
            None => Arc::new(Watermarks::new(config)),
        };
        let vhosts = restored(&definitions, stored, &vhost, &surroundings, cell)?;
        let outboxes = Arc::new(Outboxes::new());
        Ok(Self {
            clock,
            settings: Arc::new(settings(config)),
            connection_max: config.connection_max,
            channel_max: config.channel_max_per_node,
            channel_count: AtomicU32::new(0),
            open_connections: AtomicU32::new(0),
            users: Users::new(config, vhost, permissions, salt),
            vhosts,
            alarms: Arc::new(AlarmBoard::new(&outboxes, &events)),
            outboxes,
            watermarks,
            requesters: DashMap::new(),
            leases: Arc::default(),
            definitions,
            events,
            moves: Jobs::default(),
            last_id: AtomicU64::new(0),
            storage,
            durable: None,
        })
    }

    /// Up to where the log is on disk.
    fn durable(&self) -> Position {
        self.storage.as_ref().map(|storage| storage.log.durable()).unwrap_or_default()
    }

    /// Looks at how fast all queues are emptied, so that it is known when somebody asks.
    pub fn observe_drains(&self) {
        let now = self.clock.now();
        for vhost in &self.vhosts {
            vhost.each_cell(|cell| {
                cell.drain_rate(now);
            });
        }
    }

    /// Asks every connection to close with 320 and this reason.
    pub fn close_all(&self, reason: &str) {
        for outbox in self.outboxes.iter() {
            outbox.force_close(reason);
        }
    }

    /// Bytes of memory that the process has in RAM; `None` where that cannot be found out.
    #[must_use]
    pub fn resident() -> Option<u64> {
        memory::resident()
    }

    /// A place for one more connection, or else how many there may be.
    fn take_slot(node: &Arc<Self>) -> Result<ConnectionSlot, u32> {
        let limit = node.connection_max.unwrap_or(u32::MAX);
        node.open_connections
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| (open < limit).then_some(open + 1))
            .map(|_| ConnectionSlot(Arc::clone(node)))
            .map_err(|_| limit)
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

    fn next_queue(&self) -> Result<QueueId, ConnectionError> {
        match self.definitions.next_queue() {
            Ok(id) => Ok(id),
            Err(CommitError::NoSpace) => Err(ConnectionError::NoSpace),
            Err(CommitError::Fatal(error)) => fail_stop(&error),
        }
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

/// The vhosts that were stored, and the configured one, which is there from the first start on.
fn restored(
    definitions: &Arc<Definitions>,
    mut stored: Stored,
    configured: &ShortString,
    surroundings: &Surroundings,
    cell: &mut MakeCell<'_>,
) -> Result<DashMap<ShortString, Arc<RunningVhost>>, NodeError> {
    if !stored.vhosts.contains_key(configured) {
        definitions.keep_vhost(configured).map_err(LoadError::from)?;
        stored.vhosts.insert(configured.clone(), Vec::new());
    }
    let running = stored.vhosts.into_iter().map(|(name, stored)| {
        let surroundings = |home| Surroundings { home, ..surroundings.clone() };
        let vhost = RunningVhost::restore(name.clone(), Arc::clone(definitions), surroundings, stored, cell);
        (name, vhost)
    });
    Ok(running.collect())
}

fn bound(config: &Config) -> Bound {
    let bound = config.default_queue_bound;
    Bound { length: bound.messages, length_bytes: bound.bytes }
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
        channel_flow: match config.channel_flow {
            crate::config::ChannelFlow::Auto => ChannelFlow::Auto,
            crate::config::ChannelFlow::Always => ChannelFlow::Always,
            crate::config::ChannelFlow::Never => ChannelFlow::Never,
        },
    }
}
