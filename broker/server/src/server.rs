//! The listeners, and what all connections share.

use crate::config::{Endpoint, ServerConfig};
use crate::connection::{self, Peer};
use crate::memory::MemoryPool;
use crate::metrics::{ServerMetrics, server_metrics};
use crate::pacing::Pacing;
use sluice_client::Broker;
use sluice_embedded::EmbeddedBroker;
use sluice_log::TopicInfo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// When nothing can be accepted (no file descriptor is free), it is tried again after this time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot listen on {address}; choose a free address with --kafka-listen")]
    Bind { address: String, source: std::io::Error },
}

/// What every connection and handler shares.
pub(crate) struct Shared {
    pub config: ServerConfig,
    pub broker: Arc<EmbeddedBroker>,
    pub cluster_id: String,
    pub request_memory: MemoryPool,
    pub response_memory: MemoryPool,
    pub metrics: ServerMetrics,
    /// Ends connections in the middle of what they do.
    pub abort: CancellationToken,
}

impl Shared {
    /// Whether a topic belongs to the hub itself.
    pub(crate) fn is_internal(name: &str) -> bool {
        name.starts_with("__") || name.starts_with("_sluice")
    }

    /// Whether clients may see the topic at all.
    pub(crate) fn is_readable(&self, name: &str) -> bool {
        !Self::is_internal(name) || self.config.readable_internal_topics.iter().any(|readable| readable == name)
    }

    /// The topics that clients may see, by name.
    pub(crate) fn readable_topics(&self) -> impl Iterator<Item = TopicInfo> {
        self.broker.topics().into_iter().filter(|topic| self.is_readable(&topic.name))
    }
}

/// A running server. Dropping it stops it without waiting.
pub struct Server {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    stop: CancellationToken,
    abort: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    /// Listens on every listener and serves from now on.
    ///
    /// # Errors
    /// [`ServerError::Bind`]; then nothing listens.
    pub async fn bind(config: ServerConfig, broker: Arc<EmbeddedBroker>) -> Result<Self, ServerError> {
        let mut bound = Vec::new();
        for listener in &config.listeners {
            let Endpoint { host, port } = &listener.bind;
            let failed = |source| ServerError::Bind { address: listener.bind.to_string(), source };
            let socket = TcpListener::bind((host.as_str(), *port)).await.map_err(failed)?;
            let address = socket.local_addr().map_err(failed)?;
            bound.push((socket, address, listener.advertised.clone()));
        }
        let (stop, abort, tasks) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        let connections = Arc::new(Semaphore::new(config.limits.connections_max));
        let shared = Arc::new(Shared {
            cluster_id: broker.cluster_id(),
            request_memory: MemoryPool::new(config.limits.request_memory_bytes),
            response_memory: MemoryPool::new(config.limits.response_memory_bytes),
            metrics: ServerMetrics::default(),
            abort: abort.clone(),
            config,
            broker,
        });
        let (keeper, stopped) = (shared.clone(), stop.clone());
        tasks.spawn(async move {
            let _ = stopped.run_until_cancelled(keeper.broker.keep_time()).await;
        });
        let addresses = bound.iter().map(|(_, address, _)| *address).collect();
        for (socket, _, advertised) in bound {
            let acceptor = Acceptor {
                shared: shared.clone(),
                advertised,
                pacing: Pacing::of(&socket),
                connections: connections.clone(),
                stop: stop.clone(),
                tasks: tasks.clone(),
            };
            tasks.spawn(acceptor.run(socket));
        }
        Ok(Self { shared, addresses, stop, abort, tasks })
    }

    /// The address of each listener, in the order of the config.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What renders this server's part of `/metrics`, for as long as it is asked.
    pub fn metrics(&self) -> impl Fn() -> String + Send + Sync + 'static + use<> {
        let shared = self.shared.clone();
        move || server_metrics(&shared.metrics, &shared.request_memory, &shared.response_memory)
    }

    /// Accepts nothing more and lets each connection finish the requests that it has taken. Those that have not after
    /// `patience`, such as a join that waits for other members, are cut off.
    pub async fn shutdown(&self, patience: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            tracing::info!(connections = self.tasks.len(), "kafka connections cut off at shutdown");
            self.abort.cancel();
            self.tasks.wait().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.abort.cancel();
    }
}

/// One connection in the gauge, for as long as it lives.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.metrics.connections.fetch_add(1, Ordering::Relaxed);
        Self(shared.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.metrics.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Acceptor {
    shared: Arc<Shared>,
    advertised: Option<Endpoint>,
    pacing: Pacing,
    connections: Arc<Semaphore>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Acceptor {
    async fn run(self, socket: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => self.serve(stream, address),
                Err(error) => {
                    tracing::warn!(%error, "a kafka connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, address: SocketAddr) {
        let Ok(permit) = self.connections.clone().try_acquire_owned() else {
            self.shared.metrics.connections_refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%address, limit = self.shared.config.limits.connections_max, "kafka connection refused");
            return;
        };
        // Answers are written whole; small ones must not wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let reached = stream.local_addr().ok();
        self.pacing.apply(&stream, reached.is_some_and(|reached| reached.ip() == address.ip()));
        let advertised = self.advertised.clone().or_else(|| {
            reached.map(|reached| Endpoint { host: reached.ip().to_canonical().to_string(), port: reached.port() })
        });
        let Some(advertised) = advertised else { return };
        let peer = Peer { address, advertised };
        let (shared, stop) = (self.shared.clone(), self.stop.clone());
        shared.metrics.connections_accepted.fetch_add(1, Ordering::Relaxed);
        self.tasks.spawn(async move {
            let _counted = Counted::new(&shared);
            connection::serve(shared.clone(), stream, peer, stop).await;
            drop(permit);
        });
    }
}
