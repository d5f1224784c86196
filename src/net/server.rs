//! The listening server: binds the configured addresses, serves what connects, and ends in order.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::connection;

use crate::config::Config;
use crate::node::{Node, NodeError};
use crate::serving::{Tasks, listen};

/// What connections are told at shutdown (RabbitMQ: text must match; clients reconnect on it).
const SHUTDOWN_REASON: &str = "broker forced connection closure with reason 'shutdown'";

/// How long connections get to answer connection.close at shutdown.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// How long the broker itself gets to end connections that have not answered: they wait for nobody any more.
const HANG_UP_PATIENCE: Duration = Duration::from_secs(30);

/// How long accepting pauses when the system has no more file descriptors: they come back as connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a server could not start or had to stop.
#[derive(Debug, Error)]
pub enum ServerError {
    /// An address could not be bound.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address as configured.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The node could not start.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl ServerError {
    /// Whether files of the data directory are not what was written, or are missing.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Node(error) if error.is_damage())
    }
}

/// A server whose listeners are open.
#[derive(Debug)]
pub struct RunningServer {
    node: Arc<Node>,
    nodelay: bool,
    listeners: Vec<TcpListener>,
    local_addrs: Vec<SocketAddr>,
    /// How long connections get to answer connection.close.
    pub(super) patience: Duration,
}

/// Starts the node and opens the listeners.
///
/// # Errors
/// When an address cannot be bound or the configuration names what cannot be.
#[expect(clippy::unused_async, reason = "listeners register with the runtime, so there has to be one")]
pub async fn bind(config: Config) -> Result<RunningServer, ServerError> {
    let node = Arc::new(Node::open(&config)?);
    let mut listeners = Vec::new();
    let mut local_addrs = Vec::new();
    for address in config.listeners {
        let failed = |source| ServerError::Listen { address, source };
        let listener = listen(address, config.tcp_backlog).map_err(failed)?;
        local_addrs.push(listener.local_addr().map_err(failed)?);
        listeners.push(listener);
    }
    let patience = SHUTDOWN_PATIENCE;
    Ok(RunningServer { node, nodelay: config.tcp_nodelay, listeners, local_addrs, patience })
}

impl RunningServer {
    /// The addresses as bound.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// The node, for other front doors.
    #[must_use]
    pub const fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Serves until `shutdown` is ready. Then no more connections are taken, those there are get connection.close
    /// with 320, and those that have not answered five seconds later are hung up on.
    ///
    /// # Errors
    /// None yet.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
        let door =
            Door { node: self.node, nodelay: self.nodelay, tasks: Tasks::default(), hang_up: CancellationToken::new() };
        let stop = CancellationToken::new();
        for listener in self.listeners {
            door.tasks.spawn(accept(listener, door.clone(), stop.clone()));
        }
        shutdown.await;
        stop.cancel();
        door.node.close_all(SHUTDOWN_REASON);
        let mut orderly = tokio::time::timeout(self.patience, door.tasks.ended()).await.is_ok();
        if !orderly {
            tracing::warn!("some connections did not answer connection.close and are dropped");
            door.hang_up.cancel();
            orderly = tokio::time::timeout(HANG_UP_PATIENCE, door.tasks.ended()).await.is_ok();
        }
        door.node.close(orderly);
        Ok(())
    }
}

/// What connections come in through.
#[derive(Clone)]
struct Door {
    node: Arc<Node>,
    nodelay: bool,
    tasks: Tasks,
    /// Connections that are still there end, whatever their peers do.
    hang_up: CancellationToken,
}

async fn accept(listener: TcpListener, door: Door, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => welcome(socket, peer, &door),
            Err(error) => {
                tracing::error!("cannot accept a connection: {error}; raise the limit of open files if it is that");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn welcome(socket: TcpStream, peer: SocketAddr, door: &Door) {
    if let Err(error) = socket.set_nodelay(door.nodelay) {
        tracing::debug!(%peer, "cannot set TCP_NODELAY: {error}");
    }
    tracing::debug!("accepting AMQP connection {peer}");
    // A token of its own, so that connections do not wait for each other when they look at it.
    let hang_up = door.hang_up.child_token();
    door.tasks.spawn(connection::serve(socket, peer, Arc::clone(&door.node), hang_up));
}
