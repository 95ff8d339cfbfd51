//! `sluice start`: the hub in the foreground, until a signal ends it.

use crate::NativeConnectors;
use crate::args::{KafkaListen, StartOptions};
use crate::broker;
use crate::broker_config::listeners;
use crate::client::install_tls;
use crate::connector_files::{ConnectorFile, read_connector_file};
use crate::exit::{Exit, chain};
use crate::standalone::Standalone;
use crate::worker_config::HubConfig;
use serde_json::Value;
use sluice_embedded::EmbeddedBroker;
use sluice_herder::{GivenConfig, Herder};
use sluice_server::Server;
use sluice_telemetry::{Loggers, fail_point};
use sluice_worker::PlanMode;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// These drive tasks, short calls of guests, and REST; one more than needed even on one core, so that none holds up the others.
const WORKER_THREADS_MIN: usize = 2;
/// Each sink that waits for records of an Apache Kafka holds one.
const BLOCKING_THREADS_MAX: usize = 4_096;
/// How long answers under way may take once the hub stops.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

pub fn run(options: &StartOptions, native: NativeConnectors) -> Result<(), Exit> {
    crate::allocator::limit_arenas();
    let mut config = HubConfig::load(options).map_err(|error| Exit::Usage { message: error.to_string() })?;
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| config.log_level.clone());
    let loggers = sluice_telemetry::init_tracing(&filter, config.log_format)
        .map_err(|error| Exit::Usage { message: error.to_string() })?;
    if let Ok(spec) = std::env::var("SLUICE_FAIL_POINT") {
        fail_point::arm(&spec, fail_point::Action::Abort)
            .map_err(|error| Exit::Usage { message: error.to_string() })?;
        tracing::warn!(fail_point = spec, "this hub will end itself at a fail point");
    }
    if std::env::var("SLUICE_PLAN").is_ok_and(|mode| mode == "off") {
        config.worker.plan_mode = PlanMode::Off;
        tracing::warn!("SLUICE_PLAN=off: deliveries are not journalled, and a crash repeats them under other names");
    }
    install_tls();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.max(WORKER_THREADS_MIN))
        .thread_name("sluice")
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .enable_all()
        .build()
        .map_err(|error| Exit::failed(&error))?;
    let ended = runtime.block_on(serve(config, options, native, Arc::new(loggers)));
    // A guest that does not end must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

async fn serve(
    mut config: HubConfig,
    options: &StartOptions,
    native: NativeConnectors,
    loggers: Arc<Loggers>,
) -> Result<(), Exit> {
    let mut signals = Signals::listen().map_err(|error| Exit::failed(&error))?;
    let connectors = read_connectors(options)?;
    // First of all: a second hub by mistake ends here, before it waits for anything.
    let listener = bind(config.rest_listen).await?;
    let address = listener.local_addr().map_err(|error| Exit::failed(&error))?;
    if !config.is_advertised {
        config.herder.worker_id = address.to_string();
    }
    say_what_is_ignored(&config);
    let hub = Standalone::start(&config, native, loggers).await?;
    // Before REST answers: who waits for that finds everything there.
    let kafka = match serve_kafka(&config, options, hub.log.embedded()).await {
        Ok(kafka) => kafka,
        Err(error) => {
            hub.herder.shutdown().await;
            return Err(error);
        }
    };
    if let Some(kafka) = &kafka {
        let _ = hub.kafka_metrics.set(Box::new(kafka.metrics()));
    }
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    let mut rest = tokio::spawn(sluice_rest::serve(listener, hub.router.clone(), stopped));
    tracing::info!(rest = %format!("http://{address}"), data = %config.data_dir.display(), "hub started");
    println!("sluice {} serves http://{address} from {}", env!("CARGO_PKG_VERSION"), where_the_log_is(&config));
    deploy(&hub.herder, connectors).await;

    let ended = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "stopping: sources end, planned batches finish, offsets are committed");
            Ok(())
        }
        ended = &mut rest => Err(Exit::Failed { message: format!("the REST server ended: {ended:?}") }),
    };
    tokio::select! {
        () = hub.herder.shutdown() => {}
        name = signals.next() => {
            tracing::warn!(signal = name, "a second signal: ending at once");
            std::process::exit(130);
        }
    }
    stop.cancel();
    if let Some(kafka) = kafka {
        kafka.shutdown(DRAIN_TIMEOUT).await;
    }
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, rest).await;
    tracing::info!("hub stopped");
    ended
}

fn where_the_log_is(config: &HubConfig) -> String {
    match &config.kafka {
        Some(kafka) => format!("Apache Kafka at {}", kafka.cluster.bootstrap_servers),
        None => config.data_dir.display().to_string(),
    }
}

fn read_connectors(options: &StartOptions) -> Result<Vec<ConnectorFile>, Exit> {
    options.connectors.iter().map(|path| read_connector_file(path)).collect()
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Exit> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Exit::PortInUse { address: address.to_string(), flag: "rest-listen" },
        _ => Exit::Failed { message: format!("cannot listen on {address}: {error}") },
    })
}

/// Kafka's wire protocol: where it was asked for, else where Kafka's own broker listens when that is free.
async fn serve_kafka(
    config: &HubConfig,
    options: &StartOptions,
    broker: Option<&Arc<EmbeddedBroker>>,
) -> Result<Option<Server>, Exit> {
    // A log that is elsewhere serves its clients itself.
    let Some(broker) = broker else { return Ok(None) };
    let usage = |message: String| Exit::Usage { message };
    let named = match &options.kafka_listen {
        Some(KafkaListen::Off) => return Ok(None),
        Some(KafkaListen::At(addresses)) => listeners(addresses, &options.kafka_advertise).map_err(usage)?,
        None => config.broker.listeners.clone(),
    };
    let server = match named {
        Some(named) => Some(broker::bind(config.broker.server(named, &config.data_dir), broker).await?),
        None => {
            let server = config.broker.server(broker::default_listeners(), &config.data_dir);
            broker::bind_by_default(server, broker, &config.data_dir).await?
        }
    };
    if let Some(server) = &server {
        println!("kafka clients are served at {}", broker::say_where(server));
    }
    Ok(server)
}

fn say_what_is_ignored(config: &HubConfig) {
    let of_broker = config.broker.ignored.iter().map(|key| format!("broker.{key}"));
    let ignored: Vec<String> = config.ignored.iter().cloned().chain(of_broker).collect();
    if !ignored.is_empty() {
        tracing::warn!(keys = ignored.join(", "), "keys of the worker config that have no effect here");
    }
    if !config.rest_listen.ip().is_loopback() {
        tracing::warn!(
            address = %config.rest_listen,
            "REST can be reached from other machines and asks for no password; plugins reach only the folders in capabilities.file.roots"
        );
    }
}

/// One bad connector keeps neither the others nor the hub from running.
async fn deploy(herder: &Herder, connectors: Vec<ConnectorFile>) {
    for connector in connectors {
        let name = connector.name;
        let deployed = match given(connector.config) {
            Ok(config) => herder.put_config(&name, config).await.map_err(|error| chain(&error)),
            Err(key) => Err(format!("the value of {key} is an object or an array; give text")),
        };
        match deployed {
            Ok((_, is_new, _)) => tracing::info!(connector = name, is_new, "connector deployed"),
            Err(error) => tracing::error!(connector = name, error, "connector refused"),
        }
    }
}

fn given(config: serde_json::Map<String, Value>) -> Result<GivenConfig, String> {
    let text = |(key, value): (String, Value)| match value {
        Value::Null => Ok((key, None)),
        Value::String(text) => Ok((key, Some(text))),
        Value::Bool(_) | Value::Number(_) => Ok((key, Some(value.to_string()))),
        Value::Array(_) | Value::Object(_) => Err(key),
    };
    config.into_iter().map(text).collect()
}

/// The signals that end a hub.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
