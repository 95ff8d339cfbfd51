//! A hub on a real embedded log, with native connectors whose behaviour a test can change.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use async_trait::async_trait;
use sluice_client::Broker;
use sluice_connect_api::config_def::Default as KeyDefault;
use sluice_connect_api::connector::ConnectorContext;
use sluice_connect_api::sink::PartitionOffset;
use sluice_connect_api::*;
use sluice_data::{ConnectBatch, SourceOffset, SourcePartition};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_herder::*;
use sluice_storage::*;
use sluice_worker::{SystemClock, Worker, WorkerConfig, WorkerContext};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const SOURCE: &str = "org.example.TestSourceConnector";
pub const SINK: &str = "org.example.TestSinkConnector";

/// What the test connectors do, and what they saw.
#[derive(Default)]
pub struct Behaviour {
    pub tasks_fail: AtomicBool,
    pub configs_fail: AtomicBool,
    pub check_hangs: AtomicBool,
    pub task_count: AtomicU32,
    pub starts: AtomicU32,
    /// Values of the password key that tasks were given.
    pub secrets: Mutex<BTreeSet<String>>,
    pub generations: Mutex<Vec<u64>>,
    /// What references in configs stand for.
    pub values: Mutex<BTreeMap<String, String>>,
}

/// `${test:KEY}` is what [`Behaviour::values`] says.
struct TestProvider(Arc<Behaviour>);

impl ConfigProvider for TestProvider {
    fn get(&self, _: &str, keys: &BTreeSet<String>) -> Result<BTreeMap<String, String>, ConfigProviderError> {
        let values = self.0.values.lock().unwrap();
        Ok(keys.iter().filter_map(|key| Some((key.clone(), values.get(key)?.clone()))).collect())
    }
}

pub struct TestFactory {
    kind: ConnectorKind,
    definition: PluginDefinition,
    behaviour: Arc<Behaviour>,
}

impl TestFactory {
    fn new(kind: ConnectorKind, behaviour: &Arc<Behaviour>) -> Arc<Self> {
        Self::of_version("1.2.3", kind, behaviour)
    }

    /// Another version of the source, which does what its own behaviour says.
    pub fn source(version: &str, behaviour: &Arc<Behaviour>) -> Arc<Self> {
        Self::of_version(version, ConnectorKind::Source, behaviour)
    }

    fn of_version(version: &str, kind: ConnectorKind, behaviour: &Arc<Behaviour>) -> Arc<Self> {
        let optional = |name: &str, kind| ConfigKey::new(name, kind, KeyDefault::Unset, Importance::High, "For tests.");
        let config = ConfigDef::default()
            .define(optional("topic", ConfigType::String))
            .define(optional("batch.size", ConfigType::Int))
            .define(optional("connection.password", ConfigType::Password))
            .define(optional("connection.url", ConfigType::String));
        let class = if kind == ConnectorKind::Source { SOURCE } else { SINK };
        let definition = PluginDefinition {
            class: class.to_owned(),
            aliases: Vec::new(),
            version: version.to_owned(),
            documentation: String::new(),
            config,
            capabilities: Vec::new(),
            attributes: BTreeMap::new(),
        };
        Arc::new(Self { kind, definition, behaviour: Arc::clone(behaviour) })
    }

    fn starts(&self, context: &TaskContext) -> Result<TestTask, ConnectError> {
        self.behaviour.starts.fetch_add(1, Ordering::SeqCst);
        self.behaviour.generations.lock().unwrap().push(context.generation);
        let secret = context.config.get("connection.password").cloned();
        self.behaviour.secrets.lock().unwrap().extend(secret);
        if self.behaviour.tasks_fail.load(Ordering::SeqCst) {
            return Err(ConnectError::fatal("broken", "the task is broken on purpose"));
        }
        Ok(TestTask)
    }
}

#[async_trait]
impl PluginFactory for TestFactory {
    fn definition(&self) -> &PluginDefinition {
        &self.definition
    }

    fn kind(&self) -> ConnectorKind {
        self.kind
    }

    async fn connector(&self, _: &ConnectorContext) -> Result<Box<dyn Connector>, ConnectError> {
        Ok(Box::new(TestConnector { behaviour: Arc::clone(&self.behaviour) }))
    }

    async fn source_task(&self, context: TaskContext) -> Result<Box<dyn SourceTask>, ConnectError> {
        Ok(Box::new(self.starts(&context)?))
    }

    async fn sink_task(&self, context: TaskContext) -> Result<Box<dyn SinkTask>, ConnectError> {
        Ok(Box::new(self.starts(&context)?))
    }
}

struct TestConnector {
    behaviour: Arc<Behaviour>,
}

#[async_trait]
impl Connector for TestConnector {
    async fn validate(&self, config: &ConfigMap) -> Result<Vec<(String, String)>, ConnectError> {
        let is_wrong = config.get("topic").is_some_and(|topic| topic == "wrong");
        Ok(is_wrong.then(|| ("topic".to_owned(), "topic must not be wrong".to_owned())).into_iter().collect())
    }

    async fn check(&self, _: &ConfigMap) -> Result<Vec<(String, String)>, ConnectError> {
        if self.behaviour.check_hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(Vec::new())
    }

    async fn task_configs(&self, config: &ConfigMap, max_tasks: u32) -> Result<TaskConfigs, ConnectError> {
        if self.behaviour.configs_fail.load(Ordering::SeqCst) {
            return Err(ConnectError::retriable("down", "the server is down"));
        }
        let wanted = self.behaviour.task_count.load(Ordering::SeqCst);
        let count = if wanted == 0 { max_tasks } else { wanted };
        Ok(TaskConfigs { tasks: vec![config.clone(); count as usize], refresh: None })
    }

    async fn capabilities(&self, _: &ConfigMap) -> Result<ConnectorCapabilities, ConnectError> {
        Ok(ConnectorCapabilities::default())
    }

    async fn alter_offsets(
        &self,
        _: &ConfigMap,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool, ConnectError> {
        let bad =
            offsets.iter().any(|(_, offset)| offset.as_ref().is_some_and(|offset| !offset.contains_key("position")));
        if bad { Err(ConnectError::rejected("offset", "an offset must hold position")) } else { Ok(true) }
    }
}

struct TestTask;

#[async_trait]
impl SourceTask for TestTask {
    async fn open(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    async fn poll(&mut self) -> Result<PolledBatches, ConnectError> {
        std::future::pending().await
    }

    async fn committed(&mut self, _: Vec<SourceOffsetPair>) -> Result<(), ConnectError> {
        Ok(())
    }

    async fn close(&mut self) {}
}

#[async_trait]
impl SinkTask for TestTask {
    async fn open(&mut self, _: &[(String, i32)]) -> Result<(), ConnectError> {
        Ok(())
    }

    async fn put(&mut self, _: &Delivery, _: &[ConnectBatch]) -> Result<Vec<RecordFailure>, ConnectError> {
        Ok(Vec::new())
    }

    async fn pre_commit(&mut self, offsets: &[PartitionOffset]) -> Result<Vec<PartitionOffset>, ConnectError> {
        Ok(offsets.to_vec())
    }

    async fn close(&mut self) {}
}

/// A running hub in this process.
pub struct Hub {
    pub herder: Herder,
    pub plugins: Arc<PluginRegistry>,
    pub broker: Arc<dyn Broker>,
    pub behaviour: Arc<Behaviour>,
}

impl Hub {
    pub async fn start(folder: &Path) -> Self {
        let mut config = HerderConfig::new("127.0.0.1:8083");
        config.restart.backoff = Duration::from_millis(1);
        config.restart.attempts_max = 3;
        config.check_timeout = Duration::from_millis(200);
        config.reload_interval = Duration::from_millis(5);
        config.upgrade_probation = Duration::from_millis(20);
        Self::start_with(folder, config).await
    }

    pub async fn start_with(folder: &Path, config: HerderConfig) -> Self {
        let broker: Arc<dyn Broker> = EmbeddedBroker::open(EmbeddedConfig::new(folder.join("data"))).unwrap();
        let plugins = Arc::new(PluginRegistry::default());
        let registry = Arc::clone(&plugins);
        let behaviour = Arc::new(Behaviour::default());
        sluice_converters::register(&plugins);
        plugins.add_connector(TestFactory::new(ConnectorKind::Source, &behaviour));
        plugins.add_connector(TestFactory::new(ConnectorKind::Sink, &behaviour));
        let secrets = Secrets::open(&folder.join("secret.key")).unwrap();
        let offsets = OffsetBackingStore::open(&*broker, TopicLogConfig::new(OFFSET_TOPIC, 1)).await.unwrap();
        let offsets = Arc::new(offsets);
        let plans = Arc::new(TopicLog::open(&*broker, TopicLogConfig::new(PLAN_TOPIC, 1)).await.unwrap());
        let provider: Box<dyn ConfigProvider> = Box::new(TestProvider(Arc::clone(&behaviour)));
        let providers = BTreeMap::from([("test".to_owned(), provider)]);
        let context = HerderContext {
            broker: Arc::clone(&broker),
            plugins: Arc::clone(&plugins),
            configs: ConfigBackingStore::open(&*broker, secrets).await.unwrap(),
            statuses: StatusBackingStore::open(&*broker).await.unwrap(),
            offsets: Arc::clone(&offsets),
            transformer: ConfigTransformer::new(providers),
            config,
        };
        let worker_broker = Arc::clone(&broker);
        let herder = Herder::start(context, move |listener| {
            Worker::new(WorkerContext {
                broker: worker_broker,
                plugins,
                config: WorkerConfig::default(),
                listener,
                offsets,
                plans,
                clock: Arc::new(SystemClock::default()),
            })
        });
        Self { herder, plugins: registry, broker, behaviour }
    }

    pub async fn create(&self, name: &str, pairs: &[(&str, &str)]) -> ConnectorInfo {
        let create = Create { name: name.to_owned(), config: config(pairs), initial_state: None };
        self.herder.create(create).await.unwrap().0
    }

    /// Waits until the connector's status is as wanted.
    pub async fn until(&self, name: &str, wanted: impl Fn(&ConnectorStatus) -> bool) -> ConnectorStatus {
        let mut changes = self.herder.changes();
        let waiting = async {
            loop {
                if let Ok(status) = self.herder.status(name).await
                    && wanted(&status)
                {
                    return status;
                }
                changes.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(Duration::from_secs(20), waiting).await {
            Ok(status) => status,
            Err(_) => panic!("{name} never got there: {:#?}", self.herder.status(name).await),
        }
    }

    pub async fn until_running(&self, name: &str, tasks: usize) -> ConnectorStatus {
        let is_running = |status: &ConnectorStatus| {
            status.connector.state == State::Running
                && status.tasks.len() == tasks
                && status.tasks.iter().all(|(_, task)| task.state == State::Running)
        };
        self.until(name, is_running).await
    }

    /// Stops it as SIGTERM does; the folder can be opened again.
    pub async fn stop(self) {
        self.herder.shutdown().await;
    }
}

pub fn config(pairs: &[(&str, &str)]) -> GivenConfig {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
}

pub const A_SOURCE: [(&str, &str); 2] = [("connector.class", SOURCE), ("topic", "lines")];
pub const A_SINK: [(&str, &str); 2] = [("connector.class", SINK), ("topics", "lines")];
