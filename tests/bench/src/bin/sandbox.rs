//! What the sandbox adds to reading a log file: the connector as a component, and the same loop compiled natively. The claim (5 % of the
//! whole job, file to topic) is about `file-to-topic`; here only the polls run, so that the difference is not lost in it.
//!
//! Both poll the same file to its end and drop the batches. The native loop calls the same host functions as the guest, makes the same
//! calls in the same order and the same offsets; only the sandbox is missing.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use sluice_bench::{Bar, Options, Report, processor_nanoseconds};
use sluice_capability::{Capability, Ceiling, Grants, GuestIdentity, GuestState, Named};
use sluice_capability_file::FileCapability;
use sluice_capability_file::bindings::sluice::file::files::{self, Host as _, HostReader as _, LineOptions};
use sluice_connect_api::connector::TaskRequests;
use sluice_connect_api::{
    ConfigMap, ConnectError, OffsetReader, PluginFactory, PolledBatches, SourceOffsetPair, SourceTask, TaskContext,
};
use sluice_data::{ConnectorName, SourceOffset, SourcePartition, TaskId};
use sluice_plugin_host::{GuestLimits, HostConfig, PluginHost};
use wasmtime::component::Resource;

const LINES: u64 = 2_000_000;
const BATCH_BYTES: u32 = 1 << 20;
const BATCH_LINES: u32 = 65_536;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let lines = options.sized(LINES);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("access.log");
    write_lines(&file, lines)?;
    let config = HostConfig { cache_dir: folder.path().join("cache"), limits: GuestLimits::default() };
    let host = PluginHost::new(config, vec![Box::new(capability())])?;
    let plugin = host.load_file(&component("sluice-source-file")?).await?;
    let (mut sandboxed, mut native, mut differences) = (Cost::default(), Cost::default(), Vec::new());
    for _ in 0..options.runs {
        let mut task = plugin.source_task(context(&file)).await?;
        let through_wasm = sandboxed.measure(&mut *task, lines).await?;
        let direct = native.measure(&mut NativeFileTask::new(&file)?, lines).await?;
        differences.push(through_wasm - direct);
    }
    let mut report = Report::new("sandbox", options);
    report.row("through WebAssembly", "ns/line", &sandboxed.wall, Bar::None);
    report.row("native", "ns/line", &native.wall, Bar::None);
    report.row("through WebAssembly, processor", "ns/line", &sandboxed.cpu, Bar::None);
    report.row("native, processor", "ns/line", &native.cpu, Bar::None);
    report.row("processor, the difference", "ns/line", &differences, Bar::None);
    report.finish()
}

/// Nanoseconds a line, one figure a run.
#[derive(Default)]
struct Cost {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Cost {
    /// One run; answers its processor time.
    async fn measure(&mut self, task: &mut dyn SourceTask, lines: u64) -> Result<f64> {
        let before = processor_nanoseconds()?;
        self.wall.push(nanoseconds(task, lines).await?);
        let cpu = (processor_nanoseconds()? - before) as f64 / lines as f64;
        self.cpu.push(cpu);
        Ok(cpu)
    }
}

async fn nanoseconds(task: &mut dyn SourceTask, lines: u64) -> Result<f64> {
    let begin = Instant::now();
    task.open().await?;
    let mut seen = 0;
    while seen < lines {
        let polled = task.poll().await?;
        seen += polled.batches.iter().map(|batch| batch.len() as u64).sum::<u64>();
    }
    let took = begin.elapsed();
    task.close().await;
    Ok(took.as_nanos() as f64 / lines as f64)
}

fn capability() -> FileCapability {
    FileCapability::new(&Ceiling::default(), Vec::new())
}

/// The connector's loop without a guest.
struct NativeFileTask {
    state: GuestState,
    path: String,
    partition: SourcePartition,
    reader: Option<(u32, String)>,
    position: u64,
}

impl NativeFileTask {
    fn new(path: &Path) -> Result<Self> {
        let path = path.display().to_string();
        let mut state = GuestState::new(GuestIdentity::default(), Box::new(()));
        let named = Named(BTreeMap::from([("path".to_owned(), path.clone())]));
        let grants = Grants { named: BTreeMap::from([("default".to_owned(), named)]) };
        let capability = capability();
        let prepared = capability.prepare(&state.identity, &grants)?;
        state.grant(capability.name(), prepared);
        let partition = SourcePartition::parse(&json!({ "filename": path }).to_string())?;
        Ok(Self { state, path, partition, reader: None, position: 0 })
    }
}

fn host_error(error: impl std::fmt::Debug) -> ConnectError {
    ConnectError::fatal("bench", format!("{error:?}"))
}

#[async_trait::async_trait]
impl SourceTask for NativeFileTask {
    async fn open(&mut self) -> Result<(), ConnectError> {
        let reader = self.state.open_read(self.path.clone()).await.map_err(host_error)?.map_err(host_error)?;
        let rep = reader.rep();
        let info = files::HostReader::info(&mut self.state, Resource::new_borrow(rep)).await;
        let identity = info.map_err(host_error)?.map_err(host_error)?.identity;
        self.reader = Some((rep, identity));
        Ok(())
    }

    async fn poll(&mut self) -> Result<PolledBatches, ConnectError> {
        let Some((rep, identity)) = &self.reader else { return Ok(PolledBatches::default()) };
        let options = LineOptions {
            max_line_bytes: 1 << 20,
            max_lines: BATCH_LINES,
            max_bytes: BATCH_BYTES,
            encoding: "utf8-replace".to_owned(),
        };
        let read = self.state.read_lines(Resource::new_borrow(*rep), "lines".to_owned(), self.position, options).await;
        let read = read.map_err(host_error)?.map_err(host_error)?;
        self.position = read.position;
        let offset = json!({ "position": self.position, "identity": identity }).to_string();
        let offset = serde_json::from_str(&offset).map_err(host_error)?;
        let mut polled = PolledBatches::default();
        if let Some(batch) = read.batch {
            polled.batches.push(self.state.table.delete(batch).map_err(host_error)?.0);
        }
        polled.offsets.push((self.partition.clone(), Some(offset)));
        Ok(polled)
    }

    async fn committed(&mut self, _offsets: Vec<SourceOffsetPair>) -> Result<(), ConnectError> {
        Ok(())
    }

    async fn close(&mut self) {}
}

fn context(file: &Path) -> TaskContext {
    let keys = [("file", file.display().to_string()), ("topic", "lines".to_owned())];
    let config: ConfigMap = keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    TaskContext {
        id: TaskId::new(ConnectorName::new("bench"), 0),
        generation: 1,
        config,
        offsets: Arc::new(Nothing),
        requests: Arc::new(Nothing),
    }
}

struct Nothing;

impl OffsetReader for Nothing {
    fn offset(&self, _partition: &SourcePartition) -> Option<SourceOffset> {
        None
    }

    fn offsets(&self) -> Vec<(SourcePartition, SourceOffset)> {
        Vec::new()
    }
}

impl TaskRequests for Nothing {
    fn request_commit(&self) {}
    fn request_reconfiguration(&self) {}
    fn pause(&self, _duration: Duration) {}
}

fn write_lines(path: &Path, lines: u64) -> Result<()> {
    let mut file = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    for line in 0..lines {
        writeln!(file, "{line:099}")?;
    }
    Ok(file.flush()?)
}

fn component(name: &str) -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let path = target.join("components").join(format!("{name}.wasm"));
    path.exists().then_some(()).with_context(|| format!("{} is missing; run `cargo xtask setup`", path.display()))?;
    Ok(path)
}
