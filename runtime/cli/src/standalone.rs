//! The hub in one process: log, plugins, worker, herder and REST, put together.

use crate::NativeConnectors;
use crate::capabilities::capabilities;
use crate::components::COMPONENTS;
use crate::config_providers;
use crate::exit::{Exit, chain};
use crate::log::{Log, State, schemas_topic};
use crate::worker_config::HubConfig;
use axum::Router;
use sluice_connect_api::{ConfigMap, PluginRegistry, SchemaRegistry};
use sluice_converters_registry::RegistryProvider;
use sluice_herder::{Herder, HerderConfig, HerderContext};
use sluice_log::RETENTION_MS_DEFAULT;
use sluice_plugin_host::{GuestLimits, HostConfig, PluginFolder, PluginHost};
use sluice_rest::{RestConfig, RestContext, router, schema_registry_router};
use sluice_schema_registry::{EmbeddedRegistry, HttpRegistry};
use sluice_server::broker_metrics;
use sluice_storage::Secrets;
use sluice_telemetry::Loggers;
use sluice_worker::{SystemClock, Worker, WorkerContext};
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A part of `/metrics`.
pub type Render = Box<dyn Fn() -> String + Send + Sync>;

/// A running hub, without its listener.
pub struct Standalone {
    pub herder: Herder,
    pub router: Router,
    pub log: Log,
    /// Renders what the Kafka listeners count, once there are any.
    pub kafka_metrics: Arc<OnceLock<Render>>,
    /// Looks after plugin folders and a log that is elsewhere; dropping it ends that.
    _watchers: JoinSet<()>,
    /// Keeps the guests' threads.
    _plugin_host: Arc<PluginHost>,
}

impl Standalone {
    /// Opens the log, loads the plugins, restores connectors and starts those that are to run.
    ///
    /// # Errors
    /// One line that says what stands in the way.
    pub async fn start(config: &HubConfig, native: NativeConnectors, loggers: Arc<Loggers>) -> Result<Self, Exit> {
        let failed = |error: &(dyn std::error::Error + 'static)| Exit::failed(error);
        let log = Log::open(config).await?;
        let broker = log.broker();
        let secrets = Secrets::open(&config.data_dir.join("secret.key")).map_err(|error| failed(&error))?;
        let host = HostConfig { cache_dir: config.cache_dir.join("components"), limits: GuestLimits::default() };
        let host = PluginHost::new(host, capabilities(config)).map_err(|error| failed(&error))?;
        let (host, plugins) = (Arc::new(host), Arc::new(PluginRegistry::default()));
        let schemas = EmbeddedRegistry::open_config(&*broker, schemas_topic(config)).await;
        let schemas = Arc::new(schemas.map_err(|error| failed(&error))?);
        sluice_converters::register(&plugins);
        sluice_converters_registry::register(&plugins, registry_provider(Arc::clone(&schemas)));
        sluice_transforms::register(&plugins);
        load_components(&host, &plugins).await;
        native(&plugins);
        let mut watchers = watch_folders(config, &host, &plugins).await;

        let State { configs, statuses, offsets, plans } = State::read(&log, config, secrets).await?;
        let offsets = Arc::new(offsets);
        let context = HerderContext {
            broker: Arc::clone(&broker),
            plugins: Arc::clone(&plugins),
            configs,
            statuses,
            offsets: Arc::clone(&offsets),
            transformer: config_providers::of_connectors(&config.providers, &config.data_dir)
                .map_err(|error| failed(&error))?,
            config: HerderConfig {
                // Of an Apache Kafka it is the brokers' business, and only what a topic says itself is known.
                retention_ms: log.embedded().map(|_| RETENTION_MS_DEFAULT),
                ..config.herder.clone()
            },
        };
        let worker_config = config.worker.clone();
        let herder = Herder::start(context, move |listener| {
            let (config, clock) = (worker_config, Arc::new(SystemClock::default()));
            Worker::new(WorkerContext { broker, plugins, config, listener, offsets, plans: Arc::new(plans), clock })
        });
        let kafka_metrics: Arc<OnceLock<Render>> = Arc::default();
        let (of, kafka) = (log.embedded().cloned(), kafka_metrics.clone());
        let render = move || {
            let server = kafka.get().map(|render| render()).unwrap_or_default();
            sluice_telemetry::render() + &server + &of.as_ref().map(|broker| broker_metrics(broker)).unwrap_or_default()
        };
        if let Some(kafka) = &config.kafka {
            let (told, problem) = watch::channel(None);
            herder.watch_log(problem);
            watchers.spawn(log.clone().watch(kafka.configs.topic.clone(), told));
        }
        let router = router(RestContext {
            herder: herder.clone(),
            config: Arc::new(RestConfig {
                commit: commit(),
                headers: config.answer_headers.clone(),
                has_admin: config.has_admin,
                ..RestConfig::default()
            }),
            loggers,
            metrics: Arc::new(render),
        });
        let router = router.merge(schema_registry_router(schemas));
        Ok(Self { herder, router, log, kafka_metrics, _watchers: watchers, _plugin_host: host })
    }
}

/// A converter that names a registry uses that; any other the one in this process.
fn registry_provider(embedded: Arc<EmbeddedRegistry>) -> RegistryProvider {
    Arc::new(move |config: &ConfigMap| match config.get("schema.registry.url").filter(|url| !url.is_empty()) {
        Some(_) => Ok(Arc::new(HttpRegistry::new(config)?) as Arc<dyn SchemaRegistry>),
        None => Ok(Arc::clone(&embedded) as Arc<dyn SchemaRegistry>),
    })
}

/// The commit this was built from.
fn commit() -> String {
    option_env!("SLUICE_COMMIT").unwrap_or("unknown").to_owned()
}

pub(crate) async fn load_components(host: &Arc<PluginHost>, plugins: &Arc<PluginRegistry>) {
    if COMPONENTS.is_empty() {
        tracing::warn!(
            "this binary carries no connectors; run cargo xtask setup and build again, or set plugin.path to a folder with .wasm plugins"
        );
    }
    let mut loading = JoinSet::new();
    for (name, bytes) in COMPONENTS {
        let host = Arc::clone(host);
        loading.spawn(async move { host.load_bytes(name, bytes::Bytes::from_static(bytes)).await });
    }
    while let Some(loaded) = loading.join_next().await {
        match loaded {
            Ok(Ok(plugin)) => plugin.register(plugins),
            // Never silently: CI fails a release whose own connectors do not load.
            Ok(Err(error)) => tracing::error!(error = chain(&error), "a built-in connector cannot be used"),
            Err(error) => tracing::error!(%error, "a built-in connector cannot be used"),
        }
    }
}

/// Loads what the folders hold before any connector starts, and then keeps looking.
async fn watch_folders(config: &HubConfig, host: &Arc<PluginHost>, plugins: &Arc<PluginRegistry>) -> JoinSet<()> {
    let mut watchers = JoinSet::new();
    for path in &config.plugin_path {
        let mut folder = PluginFolder::new(Arc::clone(host), Arc::clone(plugins), path.clone());
        match folder.refresh().await {
            Ok(refused) => {
                for (path, error) in refused {
                    tracing::warn!(file = %path.display(), error = chain(&error), "a plugin was refused");
                }
            }
            Err(error) => {
                tracing::warn!(folder = %path.display(), error = chain(&error), "plugin.path cannot be listed")
            }
        }
        watchers.spawn(folder.watch());
    }
    watchers
}
