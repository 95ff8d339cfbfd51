//! A worker over the real embedded broker in a temporary folder, with native connectors that can be watched and steered.

#![allow(dead_code, reason = "several test binaries share this, and each uses its part")]

pub mod clock;
pub mod disk;
pub mod sink;
pub mod source;
pub mod transformation;

use parking_lot::Mutex;
use sink::{RecordingSink, Target};
use sluice_client::{Append, Broker, FetchPartition, NewTopic, PartitionRecords, TopicPartition};
use sluice_connect_api::{ConfigMap, ConnectorCapabilities, ConnectorKind, PluginRegistry};
use sluice_data::headers::row_headers;
use sluice_data::{ConnectBatch, ConnectorName, SourceOffset, TaskId};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_protocol::{RecordBatchBuilder, batches, inflated};
use sluice_storage::{OFFSET_TOPIC, OffsetBackingStore, PLAN_TOPIC, TopicLog, TopicLogConfig};
use sluice_worker::{
    Clock, ConverterConfig, PlanMode, SystemClock, TargetState, TaskFailure, TaskListener, TaskSpec, Worker,
    WorkerConfig, WorkerContext,
};
use source::{Counter, CountingSource};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Nothing that works takes so long; what does not work ends here instead of hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// A value that tests wait on.
pub struct Watched<T>(watch::Sender<T>);

impl<T: Default> Default for Watched<T> {
    fn default() -> Self {
        Self(watch::channel(T::default()).0)
    }
}

impl<T> Watched<T> {
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut answer = None;
        self.0.send_modify(|value| answer = Some(change(value)));
        answer.expect("send_modify always calls")
    }

    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.0.borrow())
    }

    pub async fn until(&self, what: &str, condition: impl FnMut(&T) -> bool)
    where
        T: std::fmt::Debug,
    {
        let mut receiver = self.0.subscribe();
        let reached = tokio::time::timeout(PATIENCE, receiver.wait_for(condition)).await.is_ok();
        assert!(reached, "waited in vain for {what}; it is {:?}", *self.0.borrow());
    }
}

/// What the listener heard, in order: `startup`, `pause`, `resume`, `shutdown`, `topic x`, `failure …`.
#[derive(Default)]
pub struct Heard(pub Watched<Vec<String>>);

impl TaskListener for Heard {
    fn on_startup(&self, _: &TaskId) {
        self.0.change(|heard| heard.push("startup".into()));
    }
    fn on_pause(&self, _: &TaskId) {
        self.0.change(|heard| heard.push("pause".into()));
    }
    fn on_resume(&self, _: &TaskId) {
        self.0.change(|heard| heard.push("resume".into()));
    }
    fn on_failure(&self, _: &TaskId, failure: TaskFailure) {
        self.0.change(|heard| heard.push(format!("failure {}", failure.message)));
    }
    fn on_shutdown(&self, _: &TaskId) {
        self.0.change(|heard| heard.push("shutdown".into()));
    }
    fn on_topic(&self, _: &TaskId, topic: &str) {
        self.0.change(|heard| heard.push(format!("topic {topic}")));
    }
    fn on_reconfiguration_requested(&self, _: &ConnectorName) {
        self.0.change(|heard| heard.push("reconfiguration".into()));
    }
}

impl Heard {
    pub async fn until(&self, what: &str) {
        self.0.until(what, |heard| heard.iter().any(|heard| heard.starts_with(what))).await;
    }

    pub async fn failure(&self) -> String {
        self.until("failure").await;
        self.0.look(|heard| heard.iter().find(|heard| heard.starts_with("failure")).cloned().unwrap())
    }
}

pub struct Hub {
    pub broker: Arc<dyn Broker>,
    pub worker: Worker,
    pub heard: Arc<Heard>,
    pub offsets: Arc<OffsetBackingStore>,
    pub plans: Arc<TopicLog>,
    pub counter: Arc<Counter>,
    pub target: Arc<Target>,
}

pub fn open_broker(folder: &std::path::Path) -> Arc<dyn Broker> {
    EmbeddedBroker::open(EmbeddedConfig::new(folder)).unwrap()
}

pub fn worker_config() -> WorkerConfig {
    let string = ConverterConfig::new("org.apache.kafka.connect.storage.StringConverter");
    WorkerConfig { key_converter: string.clone(), value_converter: string, ..WorkerConfig::default() }
}

impl Hub {
    /// A worker over this broker, as a process that starts.
    pub async fn start(broker: &Arc<dyn Broker>) -> Self {
        Self::start_with(broker, worker_config(), Arc::new(SystemClock::default())).await
    }

    pub async fn start_with(broker: &Arc<dyn Broker>, config: WorkerConfig, clock: Arc<dyn Clock>) -> Self {
        let offsets = OffsetBackingStore::open(&**broker, TopicLogConfig::new(OFFSET_TOPIC, 1)).await.unwrap();
        let plans = TopicLog::open(&**broker, TopicLogConfig::new(PLAN_TOPIC, 1)).await.unwrap();
        let (offsets, plans) = (Arc::new(offsets), Arc::new(plans));
        let (heard, counter, target) = (Arc::<Heard>::default(), Arc::<Counter>::default(), Arc::<Target>::default());
        let plugins = PluginRegistry::default();
        sluice_converters::register(&plugins);
        sluice_transforms::register(&plugins);
        transformation::register(&plugins);
        plugins.add_connector(Arc::new(CountingSource::new(Arc::clone(&counter))));
        plugins.add_connector(Arc::new(RecordingSink::new(Arc::clone(&target))));
        let worker = Worker::new(WorkerContext {
            broker: Arc::clone(broker),
            plugins: Arc::new(plugins),
            config,
            listener: Arc::clone(&heard) as Arc<dyn TaskListener>,
            offsets: Arc::clone(&offsets),
            plans: Arc::clone(&plans),
            clock,
        });
        Self { broker: Arc::clone(broker), worker, heard, offsets, plans, counter, target }
    }

    /// The next life of the hub: everything in memory is new, but what the target has stays.
    pub async fn restarted(self) -> Self {
        let Self { broker, worker, target, counter, .. } = self;
        worker.shutdown().await;
        drop(worker);
        let next = Self::start(&broker).await;
        target.0.look(|from| next.target.0.change(|to| to.clone_from(from)));
        counter.0.look(|from| next.counter.0.change(|to| to.clone_from(from)));
        next
    }

    pub async fn run(&self, spec: TaskSpec) -> TaskId {
        let id = spec.id.clone();
        self.worker.start_task(spec).await.unwrap();
        id
    }

    pub async fn create_topic(&self, name: &str, partitions: i32) {
        let topic = NewTopic { name: name.into(), partitions, config: Default::default() };
        self.broker.admin().create_topic(topic).await.unwrap();
    }

    /// Appends values, one record batch for all, without keys.
    pub async fn produce(&self, topic: &str, values: &[&str]) {
        let mut builder = RecordBatchBuilder::new(1 << 20);
        for value in values {
            builder.push(1_000, None, Some(value.as_bytes())).unwrap();
        }
        let records = vec![PartitionRecords { topic: topic.into(), partition: 0, records: builder.finish() }];
        let producer = self.broker.producer("test").await.unwrap();
        let append = Append { records, group_offsets: Vec::new() };
        producer.send(append).await.unwrap().await.unwrap();
    }

    /// Every record of a partition as (offset, key, value, headers).
    pub async fn read(&self, topic: &str, partition: i32) -> Vec<Record> {
        let partition = TopicPartition::new(topic, partition);
        let consumer = self.broker.consumer();
        let mut offset = consumer.beginning_offset(&partition).await.unwrap();
        let mut records = Vec::new();
        while offset < consumer.end_offset(&partition).await.unwrap() {
            let request = FetchPartition { partition: partition.clone(), offset, max_bytes: 1 << 20 };
            let fetched = consumer.fetch(&[request], Duration::ZERO).await.pop().unwrap().unwrap();
            for batch in batches(&inflated(&fetched.records).unwrap()) {
                let batch = batch.unwrap();
                offset = batch.last_offset() + 1;
                records.extend(batch.records().unwrap().map(|record| Record::new(&record.unwrap())));
            }
        }
        records
    }

    pub async fn committed(&self, connector: &str, topic: &str) -> Option<i64> {
        let offsets = self.broker.admin().group_offsets(&format!("connect-{connector}")).await.unwrap();
        offsets.get(&TopicPartition::new(topic, 0)).map(|committed| committed.offset)
    }

    pub fn source_offset(&self, connector: &str) -> Option<SourceOffset> {
        self.offsets.offset(&ConnectorName::new(connector), &source::partition())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<String>,
    pub value: Option<String>,
    pub headers: Vec<(String, String)>,
}

impl Record {
    fn new(record: &sluice_protocol::RecordRef<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = record.headers.clone();
        Self {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(text),
            value: record.value.map(text),
            headers: headers.map(|header| (text(header.key), text(header.value.unwrap_or_default()))).collect(),
        }
    }
}

/// A header as it stands in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchHeader {
    pub name: String,
    pub value: Option<Vec<u8>>,
    pub schema: Option<String>,
}

impl BatchHeader {
    pub fn new(name: &str, value: Option<&[u8]>, schema: Option<&str>) -> Self {
        Self { name: name.to_owned(), value: value.map(<[u8]>::to_vec), schema: schema.map(str::to_owned) }
    }

    pub fn of_row(batch: &ConnectBatch, row: usize) -> Vec<Self> {
        let headers = batch.headers().into_iter().flat_map(|headers| row_headers(headers, row));
        headers.map(|header| Self::new(header.name, header.value, header.schema)).collect()
    }
}

pub fn values(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| record.value.clone().unwrap_or_default()).collect()
}

pub fn config(entries: &[(&str, &str)]) -> ConfigMap {
    entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub fn capabilities(entries: &[(&str, &str)]) -> ConnectorCapabilities {
    ConnectorCapabilities(config(entries))
}

fn spec(kind: ConnectorKind, class: &str, entries: &[(&str, &str)]) -> TaskSpec {
    TaskSpec {
        id: TaskId::new(ConnectorName::new("numbers"), 0),
        class: class.to_owned(),
        version: "1".to_owned(),
        kind,
        connector_config: config(entries),
        task_config: config(entries),
        capabilities: ConnectorCapabilities::default(),
        task_count: 1,
        generation: 1,
        offsets_generation: 0,
        initial_state: TargetState::Started,
        hidden: sluice_worker::Hidden::default(),
    }
}

/// A task of [`CountingSource`] into topic `numbers`.
pub fn source_spec(entries: &[(&str, &str)]) -> TaskSpec {
    spec(ConnectorKind::Source, source::CLASS, entries)
}

/// A task of [`RecordingSink`] from topic `numbers`.
pub fn sink_spec(entries: &[(&str, &str)], rotation: &[(&str, &str)]) -> TaskSpec {
    let mut spec = spec(ConnectorKind::Sink, sink::CLASS, entries);
    spec.connector_config.entry("topics".to_owned()).or_insert_with(|| "numbers".to_owned());
    spec.capabilities = capabilities(rotation);
    spec
}

/// What a sink says that keeps its offsets with its rows.
pub const OWN_OFFSETS: [(&str, &str); 2] = [("exactly-once", "supported"), ("delivery-plan", "none")];

pub fn plan_off() -> WorkerConfig {
    WorkerConfig { plan_mode: PlanMode::Off, ..worker_config() }
}

/// Tests that arm fail points take turns: a process has one set of them.
pub static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
