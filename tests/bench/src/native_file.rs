//! FileStreamSource compiled natively behind the same trait: what the sandbox is compared with.
//!
//! It does what the component does while a file is read through, and nothing more: it does not follow and does not resume.

use anyhow::{Context, Result};
use serde_json::json;
use sluice_capability::{Capability, Ceiling, Grants, GuestIdentity, GuestState, Named};
use sluice_capability_file::FileCapability;
use sluice_capability_file::bindings::sluice::file::files::{self, Host as _, HostReader as _, LineOptions};
use sluice_connect_api::connector::ConnectorContext;
use sluice_connect_api::{
    ConnectError, Connector, ConnectorKind, PluginDefinition, PluginFactory, PluginRegistry, PolledBatches, SinkTask,
    SourceOffsetPair, SourceTask, TaskContext,
};
use sluice_data::SourcePartition;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::component::Resource;

const COMPONENT: &str = "FileStreamSource";
/// The class name of the native one.
pub const NATIVE_CLASS: &str = "NativeFileStreamSource";
const BATCH_BYTES: u32 = 1 << 20;
const BATCH_LINES: u32 = 65_536;

/// Adds the native connector to a hub that has the component.
pub fn register_native(plugins: &PluginRegistry) {
    let component = plugins.connector(COMPONENT).expect("the hub carries its connectors");
    let definition =
        PluginDefinition { class: NATIVE_CLASS.to_owned(), aliases: Vec::new(), ..component.definition().clone() };
    plugins.add_connector(Arc::new(NativeFileSource { component, definition }));
}

/// Keys, validation and task configs are the component's: only the task is compiled natively.
struct NativeFileSource {
    component: Arc<dyn PluginFactory>,
    definition: PluginDefinition,
}

#[async_trait::async_trait]
impl PluginFactory for NativeFileSource {
    fn definition(&self) -> &PluginDefinition {
        &self.definition
    }

    fn kind(&self) -> ConnectorKind {
        ConnectorKind::Source
    }

    async fn connector(&self, context: &ConnectorContext) -> Result<Box<dyn Connector>, ConnectError> {
        self.component.connector(context).await
    }

    async fn source_task(&self, context: TaskContext) -> Result<Box<dyn SourceTask>, ConnectError> {
        Ok(Box::new(NativeFileTask::new(&context).map_err(host_error)?))
    }

    async fn sink_task(&self, _context: TaskContext) -> Result<Box<dyn SinkTask>, ConnectError> {
        Err(ConnectError::fatal("bench", format!("{NATIVE_CLASS} is a source")))
    }
}

/// Files as the hub grants them, without a ceiling.
#[must_use]
pub fn file_capability() -> FileCapability {
    FileCapability::new(&Ceiling::default(), Vec::new())
}

/// The connector's loop without a guest: the same host functions in the same order, the same offsets.
pub struct NativeFileTask {
    state: GuestState,
    path: String,
    topic: String,
    partition: SourcePartition,
    reader: Option<(u32, String)>,
    position: u64,
}

impl NativeFileTask {
    /// # Errors
    /// A config without `file` or `topic`.
    pub fn new(context: &TaskContext) -> Result<Self> {
        let key = |name: &str| context.config.get(name).cloned().with_context(|| format!("{name} is missing"));
        let (path, topic) = (key("file")?, key("topic")?);
        let mut state = GuestState::new(GuestIdentity::default(), Box::new(()));
        let named = Named(BTreeMap::from([("path".to_owned(), path.clone())]));
        let grants = Grants { named: BTreeMap::from([("default".to_owned(), named)]) };
        let capability = file_capability();
        let prepared = capability.prepare(&state.identity, &grants)?;
        state.grant(capability.name(), prepared);
        let partition = SourcePartition::parse(&json!({ "filename": path }).to_string())?;
        Ok(Self { state, path, topic, partition, reader: None, position: 0 })
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
        let read = self.state.read_lines(Resource::new_borrow(*rep), self.topic.clone(), self.position, options).await;
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
