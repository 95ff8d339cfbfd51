//! What the tests of the plugin host share: components that `cargo xtask setup` built, a host, a task's context.
#![allow(dead_code)]

use sluice_capability::{Capability, Ceiling};
use sluice_connect_api::connector::ConnectorContext;
use sluice_connect_api::connector::TaskRequests;
use sluice_connect_api::{ConfigMap, OffsetReader, SourceTask, TaskContext};
use sluice_data::{ConnectorName, SourceOffset, SourcePartition, TaskId};
use sluice_plugin_host::{GuestLimits, HostConfig, Plugin, PluginHost};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A component that `cargo xtask setup` built.
pub fn component(name: &str) -> Vec<u8> {
    let path = component_path(name);
    std::fs::read(&path).unwrap_or_else(|_| panic!("{} is missing; run `cargo xtask setup`", path.display()))
}

pub fn component_path(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's target folder");
    target.join("components").join(format!("{name}.wasm"))
}

/// A host with short limits and a cache of its own.
pub struct TestHost {
    pub host: Arc<PluginHost>,
    pub folder: tempfile::TempDir,
}

impl TestHost {
    pub fn new() -> Self {
        Self::with(short_limits())
    }

    pub fn with(limits: GuestLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Arc::new(new_host(folder.path(), limits));
        Self { host, folder }
    }

    pub async fn plugin(&self, name: &str) -> Arc<Plugin> {
        self.host.load_bytes(name, component(name)).await.unwrap()
    }
}

pub fn new_host(folder: &Path, limits: GuestLimits) -> PluginHost {
    let file = sluice_capability_file::FileCapability::new(&Ceiling::default(), Vec::new());
    // The loopback is private: a test that grants an endpoint there needs it open.
    let private = Ceiling([("allow-private-addresses".to_owned(), vec!["true".to_owned()])].into_iter().collect());
    let http = sluice_capability_http::HttpCapability::new(&private);
    let capabilities: Vec<Box<dyn Capability>> = vec![Box::new(file), Box::new(http)];
    PluginHost::new(HostConfig { cache_dir: folder.join("cache"), limits }, capabilities).unwrap()
}

pub fn short_limits() -> GuestLimits {
    GuestLimits {
        memory_bytes: 32 << 20,
        deadline: Duration::from_millis(200),
        call: Duration::from_secs(20),
        output_bytes: 4 << 20,
        handles: 1_000,
        ..GuestLimits::default()
    }
}

pub fn config(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub fn connector_context(config: &ConfigMap) -> ConnectorContext {
    ConnectorContext { name: ConnectorName::new("hostile"), config: config.clone() }
}

/// Stored offsets that a test sets.
#[derive(Default)]
pub struct Offsets(pub BTreeMap<SourcePartition, SourceOffset>);

impl OffsetReader for Offsets {
    fn offset(&self, partition: &SourcePartition) -> Option<SourceOffset> {
        self.0.get(partition).cloned()
    }

    fn offsets(&self) -> Vec<(SourcePartition, SourceOffset)> {
        self.0.clone().into_iter().collect()
    }
}

struct NoRequests;

impl TaskRequests for NoRequests {
    fn request_commit(&self) {}
    fn request_reconfiguration(&self) {}
    fn pause(&self, _duration: Duration) {}
    fn poll_on(&self, _event: Pin<Box<dyn Future<Output = ()> + Send>>) {}
}

pub fn task_context(config: ConfigMap, offsets: Offsets) -> TaskContext {
    TaskContext {
        id: TaskId::new(ConnectorName::new("hostile"), 0),
        generation: 1,
        config,
        offsets: Arc::new(offsets),
        requests: Arc::new(NoRequests),
    }
}

/// An opened source task.
pub async fn open_source(plugin: &Plugin, config: ConfigMap, offsets: Offsets) -> Box<dyn SourceTask> {
    use sluice_connect_api::PluginFactory;
    let mut task = plugin.source_task(task_context(config, offsets)).await.unwrap();
    task.open().await.unwrap();
    task
}
