//! What the sandbox adds to reading a log file: the connector as a component, and the same loop compiled natively. The claim (5 % of the
//! whole job, file to topic) is about `file-to-topic`; here only the polls run, so that the difference is not lost in it.
//!
//! Both poll the same file to its end and drop the batches. The native loop calls the same host functions as the guest, makes the same
//! calls in the same order and the same offsets; only the sandbox is missing.

use std::io::Write as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use sluice_bench::{Bar, NativeFileTask, Options, Report, component, file_capability, processor_nanoseconds};
use sluice_connect_api::connector::TaskRequests;
use sluice_connect_api::{ConfigMap, OffsetReader, PluginFactory, SourceTask, TaskContext};
use sluice_data::{ConnectorName, SourceOffset, SourcePartition, TaskId};
use sluice_plugin_host::{GuestLimits, HostConfig, PluginHost};

const LINES: u64 = 2_000_000;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let lines = options.sized(LINES);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("access.log");
    write_lines(&file, lines)?;
    let config = HostConfig { cache_dir: folder.path().join("cache"), limits: GuestLimits::default() };
    let host = PluginHost::new(config, vec![Box::new(file_capability())])?;
    let plugin = host.load_file(&component("sluice-source-file")?).await?;
    let (mut sandboxed, mut native, mut differences) = (Cost::default(), Cost::default(), Vec::new());
    for _ in 0..options.runs {
        let mut task = plugin.source_task(context(&file)).await?;
        let through_wasm = sandboxed.measure(&mut *task, lines).await?;
        let direct = native.measure(&mut NativeFileTask::new(&context(&file))?, lines).await?;
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
    fn poll_on(&self, _event: Pin<Box<dyn Future<Output = ()> + Send>>) {}
}

fn write_lines(path: &Path, lines: u64) -> Result<()> {
    let mut file = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    for line in 0..lines {
        writeln!(file, "{line:099}")?;
    }
    Ok(file.flush()?)
}
