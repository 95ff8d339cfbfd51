//! What the data path itself costs: lines that are there already → topic → a sink that only counts, all native, on the
//! real log. `cargo run --release -p sluice-worker --example throughput [MILLIONS]`

use arrow_array::StringArray;
use arrow_schema::{DataType, Field};
use sluice_client::Broker;
use sluice_connect_api::connector::ConnectorContext;
use sluice_connect_api::sink::PartitionOffset;
use sluice_connect_api::{
    ConfigDef, ConfigMap, ConnectError, Connector, ConnectorCapabilities, ConnectorKind, Delivery, PluginDefinition,
    PluginFactory, PluginRegistry, PolledBatches, RecordFailure, SinkTask, SourceOffsetPair, SourceTask, TaskContext,
};
use sluice_data::{ConnectBatch, ConnectorName, SourcePartition, TaskId};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_storage::{OFFSET_TOPIC, OffsetBackingStore, PLAN_TOPIC, TopicLog, TopicLogConfig};
use sluice_worker::{
    ConverterConfig, SystemClock, TargetState, TaskFailure, TaskListener, TaskSpec, Worker, WorkerConfig, WorkerContext,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::Notify;

const LINES_PER_POLL: u64 = 10_000;

#[derive(Default)]
struct Progress {
    total: u64,
    committed: AtomicU64,
    stored: AtomicU64,
    done: Notify,
}

struct Native {
    definition: PluginDefinition,
    kind: ConnectorKind,
    progress: Arc<Progress>,
}

#[async_trait::async_trait]
impl PluginFactory for Native {
    fn definition(&self) -> &PluginDefinition {
        &self.definition
    }
    fn kind(&self) -> ConnectorKind {
        self.kind
    }
    async fn connector(&self, _: &ConnectorContext) -> Result<Box<dyn Connector>, ConnectError> {
        Err(ConnectError::fatal("bench", "not needed"))
    }
    async fn source_task(&self, _: TaskContext) -> Result<Box<dyn SourceTask>, ConnectError> {
        let line =
            |number: u64| format!("{number:010} {}", "GET /index.html HTTP/1.1 200 4711 ".repeat(3)[..88].to_owned());
        let lines = StringArray::from((0..LINES_PER_POLL.min(self.progress.total)).map(line).collect::<Vec<_>>());
        let field = Field::new("value", DataType::Utf8, false);
        let batch = ConnectBatch::builder("lines", &field, Arc::new(lines)).build();
        let batch = batch.map_err(|error| ConnectError::fatal("bench", error.to_string()))?;
        Ok(Box::new(Lines { batch, given: 0, progress: Arc::clone(&self.progress) }))
    }
    async fn sink_task(&self, _: TaskContext) -> Result<Box<dyn SinkTask>, ConnectError> {
        Ok(Box::new(Count { progress: Arc::clone(&self.progress) }))
    }
}

struct Lines {
    batch: ConnectBatch,
    given: u64,
    progress: Arc<Progress>,
}

#[async_trait::async_trait]
impl SourceTask for Lines {
    async fn open(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }
    async fn poll(&mut self) -> Result<PolledBatches, ConnectError> {
        if self.given >= self.progress.total {
            return Ok(PolledBatches::default());
        }
        self.given += LINES_PER_POLL;
        let partition = SourcePartition::parse("{}").expect("an object");
        let offset = serde_json::json!({ "line": self.given }).as_object().cloned();
        Ok(PolledBatches { batches: vec![self.batch.clone()], offsets: vec![(partition, offset)], rejected: vec![] })
    }
    async fn committed(&mut self, offsets: Vec<SourceOffsetPair>) -> Result<(), ConnectError> {
        let line = offsets.iter().filter_map(|(_, offset)| offset.as_ref()?["line"].as_u64()).max().unwrap_or(0);
        self.progress.committed.store(line, Ordering::Relaxed);
        if line >= self.progress.total {
            self.progress.done.notify_one();
        }
        Ok(())
    }
    async fn close(&mut self) {}
}

struct Count {
    progress: Arc<Progress>,
}

#[async_trait::async_trait]
impl SinkTask for Count {
    async fn open(&mut self, _: &[(String, i32)]) -> Result<(), ConnectError> {
        Ok(())
    }
    async fn put(&mut self, _: &Delivery, batches: &[ConnectBatch]) -> Result<Vec<RecordFailure>, ConnectError> {
        let rows: usize = batches.iter().map(ConnectBatch::len).sum();
        if self.progress.stored.fetch_add(rows as u64, Ordering::Relaxed) + rows as u64 >= self.progress.total {
            self.progress.done.notify_one();
        }
        Ok(Vec::new())
    }
    async fn pre_commit(&mut self, offsets: &[PartitionOffset]) -> Result<Vec<PartitionOffset>, ConnectError> {
        Ok(offsets.to_vec())
    }
    async fn close(&mut self) {}
}

struct Loud;

impl TaskListener for Loud {
    fn on_startup(&self, _: &TaskId) {}
    fn on_pause(&self, _: &TaskId) {}
    fn on_resume(&self, _: &TaskId) {}
    fn on_failure(&self, id: &TaskId, failure: TaskFailure) {
        eprintln!("{id}: {}", failure.trace);
        std::process::exit(1);
    }
    fn on_shutdown(&self, _: &TaskId) {}
    fn on_topic(&self, _: &TaskId, _: &str) {}
    fn on_reconfiguration_requested(&self, _: &ConnectorName) {}
}

/// User and system time of this process, seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = fields.iter().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn status(name: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
}

fn definition(class: &str) -> PluginDefinition {
    PluginDefinition {
        class: class.to_owned(),
        aliases: Vec::new(),
        version: "1".to_owned(),
        documentation: String::new(),
        config: ConfigDef::default(),
        capabilities: Vec::new(),
        attributes: Default::default(),
    }
}

fn spec(name: &str, kind: ConnectorKind) -> TaskSpec {
    TaskSpec {
        id: TaskId::new(ConnectorName::new(name), 0),
        class: name.to_owned(),
        version: "1".to_owned(),
        kind,
        connector_config: ConfigMap::from([("topics".to_owned(), "lines".to_owned())]),
        task_config: ConfigMap::new(),
        capabilities: ConnectorCapabilities::default(),
        task_count: 1,
        generation: 1,
        offsets_generation: 0,
        initial_state: TargetState::Started,
        hidden: sluice_worker::Hidden::default(),
    }
}

async fn measured(
    what: &str,
    worker: &Worker,
    spec: TaskSpec,
    progress: &Progress,
) -> Result<(), Box<dyn std::error::Error>> {
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let id = spec.id.clone();
    worker.start_task(spec).await?;
    progress.done.notified().await;
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    worker.stop_task(&id).await;
    let millions = progress.total as f64 / 1e6;
    println!(
        "{what:<16} {:>6.2} M lines/s {:>6.2} CPU-s per M lines   peak {}",
        millions / seconds,
        cpu / millions,
        status("VmHWM:")
    );
    Ok(())
}

/// What one idle task holds: a thousand sources that have nothing to give.
async fn idle(worker: &Worker) -> Result<(), Box<dyn std::error::Error>> {
    let before = status("VmRSS:");
    for number in 0..1_000 {
        let mut spec = spec("Nothing", ConnectorKind::Source);
        spec.id = TaskId::new(ConnectorName::new(format!("idle-{number}")), 0);
        worker.start_task(spec).await?;
    }
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let cpu = cpu_seconds();
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let percent = (cpu_seconds() - cpu) / 5.0 * 100.0;
    println!("1,000 idle tasks RSS {before} -> {}, {percent:.1} % of a core", status("VmRSS:"));
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let millions: u64 = std::env::args().nth(1).map_or(Ok(5), |millions| millions.parse())?;
    let folder = tempfile::tempdir()?;
    let broker: Arc<dyn Broker> = EmbeddedBroker::open(EmbeddedConfig::new(folder.path()))?;
    let offsets = Arc::new(OffsetBackingStore::open(&*broker, TopicLogConfig::new(OFFSET_TOPIC, 1)).await?);
    let plans = Arc::new(TopicLog::open(&*broker, TopicLogConfig::new(PLAN_TOPIC, 1)).await?);
    let plugins = PluginRegistry::default();
    sluice_converters::register(&plugins);
    let progress = |total| Arc::new(Progress { total, ..Progress::default() });
    let (source, sink, nothing) = (progress(millions * 1_000_000), progress(millions * 1_000_000), progress(0));
    for (class, kind, progress) in [
        ("Lines", ConnectorKind::Source, &source),
        ("Count", ConnectorKind::Sink, &sink),
        ("Nothing", ConnectorKind::Source, &nothing),
    ] {
        plugins.add_connector(Arc::new(Native { definition: definition(class), kind, progress: Arc::clone(progress) }));
    }
    let string = ConverterConfig::new("org.apache.kafka.connect.storage.StringConverter");
    let config = WorkerConfig { key_converter: string.clone(), value_converter: string, ..WorkerConfig::default() };
    let (plugins, listener) = (Arc::new(plugins), Arc::new(Loud));
    let clock = Arc::new(SystemClock::default());
    let worker = Worker::new(WorkerContext { broker, plugins, config, listener, offsets, plans, clock });
    measured("lines -> topic", &worker, spec("Lines", ConnectorKind::Source), &source).await?;
    measured("topic -> sink", &worker, spec("Count", ConnectorKind::Sink), &sink).await?;
    idle(&worker).await?;
    worker.shutdown().await;
    Ok(())
}
