//! One loaded plugin: its definition at hand, its code read when the first instance is made.

use crate::abi::{AbiVersion, v0_1};
use crate::definition::PluginKind;
use crate::error::LoadError;
use crate::guest_context::GuestContext;
use crate::host::Shared;
use crate::instance::{GuestHandle, GuestParts};
use crate::limits::GuestLimits;
use crate::secrets;
use bytes::Bytes;
use sluice_capability::{Grants, GuestIdentity, GuestState};
use sluice_connect_api::connector::ConnectorContext;
use sluice_connect_api::plugins::TransformationPlugin;
use sluice_connect_api::{
    ConfigMap, ConnectError, Connector, ConnectorKind, PluginDefinition, PluginFactory, PluginRegistry, SinkTask,
    SourceTask, TaskContext, Transformation,
};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

/// Where the component's bytes are, for when it has to be compiled again.
#[derive(Debug, Clone)]
pub(crate) enum ComponentSource {
    Bytes(Bytes),
    File(PathBuf),
}

/// Whether an instance gets the capabilities that its config grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    Nothing,
    Config,
}

/// A plugin of one class and version.
pub struct Plugin {
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: String,
    pub(crate) label: Arc<str>,
    pub(crate) source: ComponentSource,
    /// SHA-256 of the component.
    pub(crate) digest: String,
    pub(crate) abi: AbiVersion,
    pub(crate) kind: PluginKind,
    pub(crate) definition: PluginDefinition,
    pub(crate) pre: tokio::sync::OnceCell<InstancePre<GuestState>>,
    /// Tasks outlive the registry entry they were made from.
    pub(crate) this: Weak<Plugin>,
}

impl Plugin {
    #[must_use]
    pub fn definition(&self) -> &PluginDefinition {
        &self.definition
    }

    #[must_use]
    pub fn kind(&self) -> PluginKind {
        self.kind
    }

    /// The file or the name it was loaded under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the component, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// `sluice:connector` version it was built for.
    #[must_use]
    pub fn abi(&self) -> &'static str {
        self.abi.name()
    }

    /// Class and version, for messages.
    pub(crate) fn label(&self) -> &Arc<str> {
        &self.label
    }

    pub(crate) fn limits(&self) -> &GuestLimits {
        &self.shared.limits
    }

    /// Puts it into the registry under its class.
    pub fn register(&self, registry: &PluginRegistry) {
        let this = self.arc();
        match self.kind {
            PluginKind::Source | PluginKind::Sink => registry.add_connector(this),
            PluginKind::Transformation => registry.add_transformation(this),
        }
    }

    /// Takes it out again; tasks that were made from it go on.
    pub fn unregister(&self, registry: &PluginRegistry) {
        match self.kind {
            PluginKind::Source | PluginKind::Sink => registry.remove_connector(&(self.arc() as Arc<dyn PluginFactory>)),
            PluginKind::Transformation => {
                registry.remove_transformation(&(self.arc() as Arc<dyn TransformationPlugin>));
            }
        }
    }

    fn arc(&self) -> Arc<Self> {
        self.this.upgrade().expect("a plugin is only made inside an Arc")
    }

    /// Compiled code, ready to instantiate: from the cache when it is there and whole.
    async fn code(&self) -> Result<&InstancePre<GuestState>, ConnectError> {
        let load = || async {
            let this = self.arc();
            let loaded = self.shared.engine.handle().spawn_blocking(move || this.load_code()).await;
            let loaded = loaded.map_err(|error| ConnectError::fatal("plugin.host", error.to_string()))?;
            loaded.map_err(|error| ConnectError::fatal("plugin.load", error.to_string()))
        };
        self.pre.get_or_try_init(load).await
    }

    fn load_code(&self) -> Result<InstancePre<GuestState>, LoadError> {
        let shared = &self.shared;
        let cached = shared.cache.entry(&self.digest);
        let component = cached.and_then(|entry| shared.cache.load(&shared.engine.engine, &self.digest, &entry));
        let component = match component {
            Some(component) => component,
            None => shared.recompile(self)?,
        };
        shared.link(&self.name, &component)
    }

    /// The state of an instance that belongs to nobody and gets nothing.
    pub(crate) fn bare_state(&self) -> GuestState {
        let identity = GuestIdentity { connector: String::new(), task: None, plugin: self.label.to_string() };
        self.shared.new_state(identity, GuestContext::new(&self.shared.limits, None, ConfigMap::new()))
    }

    /// The state of a task's instance.
    pub(crate) fn task_state(&self, context: &TaskContext) -> Result<GuestState, ConnectError> {
        let identity = GuestIdentity {
            connector: context.id.connector.as_str().to_owned(),
            task: Some(context.id.index),
            plugin: self.label.to_string(),
        };
        self.state(identity, &context.config, Some(context.clone()), Grant::Config)
    }

    /// The state of an instance: what it may see of `config`, and the declared capabilities with what `config` grants.
    pub(crate) fn state(
        &self,
        identity: GuestIdentity,
        config: &ConfigMap,
        task: Option<TaskContext>,
        grant: Grant,
    ) -> Result<GuestState, ConnectError> {
        let seen = secrets::visible(&self.definition.config, config);
        let mut state = self.shared.new_state(identity, GuestContext::new(&self.shared.limits, task, seen));
        if grant == Grant::Nothing {
            return Ok(state);
        }
        let granted = secrets::grants(&self.definition.config, config);
        let nothing = Grants::default();
        for capability in &self.shared.capabilities {
            if !self.definition.capabilities.iter().any(|declared| declared == capability.name()) {
                continue;
            }
            let grants = granted.get(capability.name()).unwrap_or(&nothing);
            let prepared = capability.prepare(&state.identity, grants);
            let prepared = prepared.map_err(|error| ConnectError::fatal("not-granted", error.to_string()))?;
            state.grant(capability.name(), prepared);
        }
        Ok(state)
    }

    pub(crate) async fn instantiate<E: Send + 'static>(
        &self,
        state: GuestState,
        bind: fn(&mut Store<GuestState>, &Instance) -> wasmtime::Result<E>,
    ) -> Result<GuestHandle<E>, ConnectError> {
        let parts = GuestParts { pre: self.code().await?.clone(), state, bind };
        GuestHandle::new(&self.shared.engine, &self.shared.limits, self.label.clone(), parts).await
    }

    fn wrong_kind(&self, wanted: &str) -> ConnectError {
        let message = format!("{} is a {}, not a {wanted}", self.definition.class, self.kind.name());
        ConnectError::fatal("plugin.kind", message)
    }
}

#[async_trait::async_trait]
impl PluginFactory for Plugin {
    fn definition(&self) -> &PluginDefinition {
        &self.definition
    }

    fn kind(&self) -> ConnectorKind {
        if self.kind == PluginKind::Source { ConnectorKind::Source } else { ConnectorKind::Sink }
    }

    async fn connector(&self, context: &ConnectorContext) -> Result<Box<dyn Connector>, ConnectError> {
        match self.abi {
            AbiVersion::V0_1 => Ok(Box::new(v0_1::WasmConnector { plugin: self.arc(), context: context.clone() })),
        }
    }

    async fn source_task(&self, context: TaskContext) -> Result<Box<dyn SourceTask>, ConnectError> {
        match (self.abi, self.kind) {
            (AbiVersion::V0_1, PluginKind::Source) => Ok(Box::new(v0_1::WasmSourceTask::new(self.arc(), context))),
            _ => Err(self.wrong_kind("source")),
        }
    }

    async fn sink_task(&self, context: TaskContext) -> Result<Box<dyn SinkTask>, ConnectError> {
        match (self.abi, self.kind) {
            (AbiVersion::V0_1, PluginKind::Sink) => Ok(Box::new(v0_1::WasmSinkTask::new(self.arc(), context))),
            _ => Err(self.wrong_kind("sink")),
        }
    }
}

#[async_trait::async_trait]
impl TransformationPlugin for Plugin {
    fn definition(&self) -> &PluginDefinition {
        &self.definition
    }

    async fn transformation(&self, config: &ConfigMap) -> Result<Box<dyn Transformation>, ConnectError> {
        let parsed = self.definition.config.parse(config);
        parsed.map_err(|errors| ConnectError::fatal("config.invalid", errors.join("; ")))?;
        match self.abi {
            AbiVersion::V0_1 => v0_1::open_transformation(self, config).await,
        }
    }
}
