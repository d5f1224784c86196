//! The listening server: binds the configured addresses and runs until it is told to stop.

use std::{future::Future, io, net::SocketAddr};

use thiserror::Error;
use tokio::net::TcpListener;

use crate::config::Config;

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
}

/// A server whose listeners are open.
#[derive(Debug)]
pub struct RunningServer {
    listeners: Vec<TcpListener>,
    local_addrs: Vec<SocketAddr>,
}

/// Opens the listeners.
///
/// # Errors
/// When an address cannot be bound.
pub async fn bind(config: Config) -> Result<RunningServer, ServerError> {
    let mut server = RunningServer { listeners: Vec::new(), local_addrs: Vec::new() };
    for address in config.listeners {
        let failed = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        server.local_addrs.push(listener.local_addr().map_err(failed)?);
        server.listeners.push(listener);
    }
    Ok(server)
}

impl RunningServer {
    /// The addresses as bound.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// Serves until `shutdown` is ready, then closes in order.
    ///
    /// # Errors
    /// None yet.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
        shutdown.await;
        drop(self.listeners);
        Ok(())
    }
}
