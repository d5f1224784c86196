//! The listening side: takes connections up to a number, gives each request a time, and ends in order. Every connection
//! and every request has a bound, so that slow or many clients cost no more than a place.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::patient::Patient;
use super::routes;
use crate::config::Config;
use crate::node::Node;
use crate::serving::{Tasks, listen};

/// Connections at once; a further one is closed at once. Browsers, exporters and scripts need a few each.
const CONNECTIONS: usize = 512;

/// Time for a request's head, and for the next request on a connection that is kept.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);

/// Time in which a client has to take something of an answer.
const READ_PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of a request's head, and of what is read of a body ahead of its use.
const HEAD_LIMIT: usize = 64 * 1024;

/// Time that requests get to end at shutdown.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(1);

/// How often the node looks at how fast queues are emptied: a lock for each.
const OBSERVED_EVERY: Duration = Duration::from_secs(5);

/// How long accepting pauses when the system has no more file descriptors: they come back as connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the API cannot be served.
#[derive(Debug, Error)]
#[error("cannot listen on {address} for the management API: {source}")]
pub struct HttpServerError {
    /// The address as configured.
    address: SocketAddr,
    /// What the system says.
    source: io::Error,
}

/// The API's server with an open listener.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    local_addr: SocketAddr,
    router: Router,
    node: Arc<Node>,
}

/// What every request may look at.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) node: Arc<Node>,
    /// Where AMQP is listened for.
    pub(super) amqp: Vec<SocketAddr>,
    /// Where the API is.
    pub(super) http: SocketAddr,
    /// Memory for bodies, of all requests together; in KiB.
    pub(super) room: Arc<Semaphore>,
    /// Origins whose pages may use the API; `*` is all.
    pub(super) allowed_origins: Vec<String>,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Opens the listener; `None` when the API is turned off. `amqp`: where AMQP is listened for.
///
/// # Errors
/// When the address cannot be bound.
pub fn bind(config: &Config, node: &Arc<Node>, amqp: Vec<SocketAddr>) -> Result<Option<HttpServer>, HttpServerError> {
    let Some(port) = config.management_port else { return Ok(None) };
    let address = SocketAddr::new(config.management_ip, port);
    let failed = |source| HttpServerError { address, source };
    let listener = listen(address, config.tcp_backlog).map_err(failed)?;
    let local_addr = listener.local_addr().map_err(failed)?;
    let room = Arc::new(Semaphore::new(super::body::ROOM_KIB));
    let allowed_origins = config.management_origins.clone();
    let shared = Shared { node: Arc::clone(node), amqp, http: local_addr, room, allowed_origins };
    let node = Arc::clone(node);
    Ok(Some(HttpServer { listener, local_addr, node, router: routes::router(Arc::new(shared)) }))
}

impl HttpServer {
    /// The address as bound.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown` is ready. Then no more requests are taken; those that have not ended a second later are
    /// dropped.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, router, node, .. } = self;
        let (tasks, stop, drop_all) = (Tasks::default(), CancellationToken::new(), CancellationToken::new());
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let accepting = async {
            loop {
                match listener.accept().await {
                    Ok((socket, peer)) => {
                        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                            tracing::warn!(%peer, "more than {CONNECTIONS} connections to the management API");
                            continue;
                        };
                        let served = serve(socket, peer, router.clone(), stop.clone(), place);
                        let drop_all = drop_all.clone();
                        tasks.spawn(async move {
                            tokio::select! {
                                () = served => {}
                                () = drop_all.cancelled() => {}
                            }
                        });
                    }
                    Err(error) => {
                        tracing::error!("cannot accept a connection to the management API: {error}");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accepting => {}
            () = node.keep_leases() => {}
            () = observe(&node) => {}
            () = shutdown => {}
        }
        stop.cancel();
        if tokio::time::timeout(SHUTDOWN_PATIENCE, tasks.ended()).await.is_err() {
            drop_all.cancel();
            tasks.ended().await;
        }
        node.end_leases();
    }
}

/// Looks now and then at how fast queues are emptied.
async fn observe(node: &Node) {
    let mut looks = tokio::time::interval(OBSERVED_EVERY);
    loop {
        looks.tick().await;
        tokio::task::block_in_place(|| node.observe_drains());
    }
}

/// Serves one connection. Whatever is wrong with it ends it and nothing else.
async fn serve(socket: TcpStream, peer: SocketAddr, router: Router, stop: CancellationToken, _: OwnedSemaphorePermit) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%peer, "cannot set TCP_NODELAY: {error}");
    }
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer.ip()));
        let answer = router.call(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE).max_buf_size(HEAD_LIMIT);
    let connection = builder.serve_connection(TokioIo::new(Patient::new(socket, READ_PATIENCE)), service);
    tokio::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, "HTTP connection ended: {error}");
                }
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
