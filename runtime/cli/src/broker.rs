//! `sluice broker start`: the broker alone, in the foreground, until a signal ends it.

use crate::args::{BrokerCommand, BrokerStartOptions};
use crate::broker_config::{BrokerConfig, KAFKA_LISTEN};
use crate::broker_http;
use crate::exit::{Exit, chain};
use crate::start::{DRAIN_TIMEOUT, Signals};
use crate::worker_config::home;
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_log::{Durability, FailPoints, OpenError};
use sluice_server::{Endpoint, Listener, Server, ServerConfig, ServerError};
use sluice_telemetry::{LogFormat, fail_point};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub fn run(command: &BrokerCommand) -> Result<(), Exit> {
    let BrokerCommand::Start(options) = command;
    crate::allocator::limit_arenas();
    let config = BrokerConfig::load(options).map_err(|error| Exit::Usage { message: error.to_string() })?;
    let level = config.log_level.clone().unwrap_or_else(|| "info".to_owned());
    let filter = std::env::var("RUST_LOG").unwrap_or(level);
    sluice_telemetry::init_tracing(&filter, config.log_format.unwrap_or(LogFormat::Text))
        .map_err(|error| Exit::Usage { message: error.to_string() })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("sluice").enable_all().build();
    let runtime = runtime.map_err(|error| Exit::failed(&error))?;
    let ended = runtime.block_on(serve(config, options));
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

async fn serve(config: BrokerConfig, options: &BrokerStartOptions) -> Result<(), Exit> {
    let mut signals = Signals::listen().map_err(|error| Exit::failed(&error))?;
    if !config.ignored.is_empty() {
        tracing::warn!(keys = config.ignored.join(", "), "keys of the broker config that have no effect here");
    }
    let data_dir = config.data_dir.clone().unwrap_or_else(|| home("XDG_DATA_HOME", ".local/share"));
    let data_dir = std::path::absolute(&data_dir).unwrap_or(data_dir);
    let http = match options.metrics_listen {
        Some(address) => Some(bind_http(address).await?),
        None => None,
    };
    let broker = open(config.embedded(data_dir.clone())).await?;
    let listeners = config.listeners.clone().unwrap_or_else(default_listeners);
    let server = match bind(config.server(listeners, &data_dir), &broker).await {
        Ok(server) => server,
        Err(error) => {
            close(broker).await;
            return Err(error);
        }
    };
    let addresses = say_where(&server);
    println!("sluice {} serves kafka clients at {addresses} from {}", env!("CARGO_PKG_VERSION"), data_dir.display());
    let stop = CancellationToken::new();
    let http = http.map(|listener| {
        let router = broker_http::router(broker.clone(), server.metrics());
        tokio::spawn(sluice_rest::serve(listener, router, stop.clone().cancelled_owned()))
    });
    let signal = signals.next().await;
    tracing::info!(signal, "stopping: requests under way are answered, the log is closed");
    tokio::select! {
        () = server.shutdown(DRAIN_TIMEOUT) => {}
        signal = signals.next() => {
            tracing::warn!(signal, "a second signal: ending at once");
            std::process::exit(130);
        }
    }
    stop.cancel();
    if let Some(http) = http {
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, http).await;
    }
    close(broker).await;
    tracing::info!("broker stopped");
    Ok(())
}

/// Opens the log in a data directory that nobody else uses.
pub async fn open(config: EmbeddedConfig) -> Result<Arc<EmbeddedBroker>, Exit> {
    let config = EmbeddedConfig { fail_points: FailPoints::new(fail_point::hit), ..config };
    if config.durability == Durability::Os {
        tracing::warn!("log.durability=os: what is acknowledged survives a crash of this process, not of the machine");
    }
    let opened = tokio::task::spawn_blocking(|| EmbeddedBroker::open(config)).await;
    match opened.map_err(|error| Exit::failed(&error))? {
        Ok(broker) => Ok(broker),
        Err(error @ (OpenError::Locked { .. } | OpenError::NewerFormat { .. } | OpenError::Foreign { .. })) => {
            Err(Exit::DataDir { message: chain(&error) })
        }
        Err(error) => Err(Exit::failed(&error)),
    }
}

async fn close(broker: Arc<EmbeddedBroker>) {
    // It waits for the log's threads.
    let _ = tokio::task::spawn_blocking(move || broker.close()).await;
}

/// Where Kafka's own broker listens, on the loopback.
pub fn default_listeners() -> Vec<Listener> {
    vec![Listener::new(KAFKA_LISTEN.parse::<Endpoint>().expect("the default address is one"))]
}

/// # Errors
/// One line that says what to do about the address.
pub async fn bind(config: ServerConfig, broker: &Arc<EmbeddedBroker>) -> Result<Server, Exit> {
    let bound = Server::bind(config, Arc::clone(broker)).await;
    bound.map_err(|ServerError::Bind { address, source }| match source.kind() {
        io::ErrorKind::AddrInUse => Exit::PortInUse { address, flag: "kafka-listen" },
        _ => Exit::Failed { message: format!("cannot listen on {address}: {source}") },
    })
}

/// Logs where Kafka clients are served, and returns it as one text.
pub fn say_where(server: &Server) -> String {
    for address in server.local_addrs() {
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "the Kafka listener can be reached from other machines and has neither TLS nor passwords yet");
        }
    }
    let addresses: Vec<String> = server.local_addrs().iter().map(SocketAddr::to_string).collect();
    let addresses = addresses.join(", ");
    tracing::info!(addresses, "kafka clients are served");
    addresses
}

async fn bind_http(address: SocketAddr) -> Result<TcpListener, Exit> {
    let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Exit::PortInUse { address: address.to_string(), flag: "metrics-listen" },
        _ => Exit::Failed { message: format!("cannot listen on {address}: {error}") },
    })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(metrics = %format!("http://{address}/metrics"), "metrics are served");
    }
    Ok(listener)
}

/// The address is taken and the user did not ask for it: a hub goes on without.
pub async fn bind_by_default(
    server: ServerConfig,
    broker: &Arc<EmbeddedBroker>,
    data_dir: &Path,
) -> Result<Option<Server>, Exit> {
    match bind(server, broker).await {
        Ok(server) => Ok(Some(server)),
        Err(Exit::PortInUse { address, .. }) => {
            tracing::warn!(
                address,
                data = %data_dir.display(),
                "the address is in use by another process, so Kafka clients are not served here; stop it, name a free \
                 address with --kafka-listen HOST:PORT, or turn this off with --kafka-listen off"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fail_point_of_the_log_can_be_armed() {
        for point in FailPoints::ALL {
            assert!(fail_point::NAMES.contains(&point), "{point} is unknown to SLUICE_FAIL_POINT");
        }
    }
}
