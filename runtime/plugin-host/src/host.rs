//! [`PluginHost`]: loads components and keeps what all of them share.

use crate::abi::{AbiVersion, v0_1};
use crate::cache::{CompileCache, sha256};
use crate::component::{Inspection, check_format, inspect};
use crate::definition::{self, PluginKind};
use crate::engine::GuestEngine;
use crate::error::{HostError, LoadError};
use crate::guest_context::GuestContext;
use crate::limits::GuestLimits;
use crate::plugin::{ComponentSource, Plugin};
use bytes::Bytes;
use serde_json::Value;
use sluice_capability::{Capability, GuestIdentity, GuestState};
use sluice_connect_api::PluginDefinition;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasmtime::component::{Component, InstancePre, Linker};

/// How the host runs.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Compiled components; made when missing, only this user may enter it.
    pub cache_dir: PathBuf,
    pub limits: GuestLimits,
}

/// Loads plugins and runs their guests.
pub struct PluginHost {
    shared: Arc<Shared>,
}

/// What all plugins share.
pub(crate) struct Shared {
    pub(crate) engine: Arc<GuestEngine>,
    linker: Linker<GuestState>,
    pub(crate) capabilities: Vec<Box<dyn Capability>>,
    pub(crate) limits: GuestLimits,
    pub(crate) cache: CompileCache,
}

impl PluginHost {
    /// Starts the engine and the guests' threads.
    ///
    /// # Errors
    /// An unusable cache folder; an engine that does not start.
    pub fn new(config: HostConfig, capabilities: Vec<Box<dyn Capability>>) -> Result<Self, HostError> {
        let engine = GuestEngine::new()?;
        let cache = CompileCache::open(&config.cache_dir, &engine.engine)?;
        let linker =
            linker(&engine, &capabilities).map_err(|error| HostError::Engine { reason: format!("{error:#}") })?;
        let shared = Shared { engine: Arc::new(engine), linker, capabilities, limits: config.limits, cache };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Loads a component: refused, or ready to be registered. With a warm cache nothing is compiled and no guest runs.
    ///
    /// # Errors
    /// Every way in which it is no plugin for this hub; see [`LoadError`].
    pub async fn load_bytes(&self, name: &str, component: impl Into<Bytes>) -> Result<Arc<Plugin>, LoadError> {
        let bytes = component.into();
        self.load(name, &bytes, ComponentSource::Bytes(bytes.clone())).await
    }

    /// Loads one `.wasm` file.
    ///
    /// # Errors
    /// As [`PluginHost::load_bytes`], and when it cannot be read.
    pub async fn load_file(&self, path: &Path) -> Result<Arc<Plugin>, LoadError> {
        let bytes = tokio::fs::read(path).await.map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        self.load(&name, &Bytes::from(bytes), ComponentSource::File(path.to_owned())).await
    }

    /// Loads every `.wasm` file of a folder, by name. What is wrong with one does not touch the others.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub async fn load_dir(
        &self,
        folder: &Path,
    ) -> Result<BTreeMap<PathBuf, Result<Arc<Plugin>, LoadError>>, LoadError> {
        let mut loaded = BTreeMap::new();
        for path in crate::folder::components(folder)? {
            let plugin = self.load_file(&path).await;
            loaded.insert(path, plugin);
        }
        Ok(loaded)
    }

    async fn load(&self, name: &str, bytes: &Bytes, source: ComponentSource) -> Result<Arc<Plugin>, LoadError> {
        check_format(name, bytes)?;
        let digest = sha256(bytes);
        if let Some(plugin) = self.cached(name, &digest, &source) {
            return Ok(plugin);
        }
        let shared = self.shared.clone();
        let (own_name, own_bytes) = (name.to_owned(), bytes.clone());
        let compile = move || shared.compile(&own_name, &own_bytes);
        let compiled = self.shared.engine.handle().spawn_blocking(compile).await;
        let invalid = |reason: String| LoadError::Invalid { name: name.to_owned(), reason };
        let (component, inspection) = compiled.map_err(|error| invalid(error.to_string()))??;

        let Inspection { abi, kind, capabilities } = inspection;
        let undescribed = unnamed_definition(name);
        let plugin = self.make(name, digest.clone(), source.clone(), (abi, kind, undescribed));
        plugin.pre.set(self.shared.link(name, &component)?).ok();
        let described = match abi {
            AbiVersion::V0_1 => v0_1::describe(&plugin).await,
        };
        let described =
            described.map_err(|error| LoadError::Describe { name: name.to_owned(), reason: error.to_string() })?;
        let definition = self.define(name, &described, kind)?;
        if let Some(capability) = capabilities.iter().find(|capability| !definition.capabilities.contains(capability)) {
            return Err(LoadError::UndeclaredCapability { name: name.to_owned(), capability: capability.clone() });
        }
        self.shared.cache.store(&digest, &component, abi.name(), &described);
        let described = self.make(name, digest, source, (abi, kind, definition));
        described.pre.set(self.shared.link(name, &component)?).ok();
        Ok(described)
    }

    /// The plugin from what the cache says of it; its code is read when it is first used.
    fn cached(&self, name: &str, digest: &str, source: &ComponentSource) -> Option<Arc<Plugin>> {
        let entry = self.shared.cache.entry(digest)?;
        let abi = Some(AbiVersion::V0_1).filter(|abi| abi.name() == entry.abi)?;
        let kind = match entry.described["kind"].as_str()? {
            "source" => PluginKind::Source,
            "sink" => PluginKind::Sink,
            _ => PluginKind::Transformation,
        };
        let definition = self.define(name, &entry.described, kind).ok()?;
        Some(self.make(name, digest.to_owned(), source.clone(), (abi, kind, definition)))
    }

    fn define(&self, name: &str, described: &Value, kind: PluginKind) -> Result<PluginDefinition, LoadError> {
        let definition = definition::parse(described, kind)
            .map_err(|reason| LoadError::Definition { name: name.to_owned(), reason })?;
        let offered = self.shared.offered();
        match definition.capabilities.iter().find(|wanted| !offered.contains(&wanted.as_str())) {
            None => Ok(definition),
            Some(wanted) => Err(LoadError::UnknownCapability {
                name: name.to_owned(),
                capability: wanted.clone(),
                offered: if offered.is_empty() { "none".to_owned() } else { offered.join(", ") },
            }),
        }
    }

    fn make(
        &self,
        name: &str,
        digest: String,
        source: ComponentSource,
        (abi, kind, definition): (AbiVersion, PluginKind, PluginDefinition),
    ) -> Arc<Plugin> {
        let label = format!("{} {}", definition.class, definition.version);
        Arc::new_cyclic(|this| Plugin {
            shared: self.shared.clone(),
            name: name.to_owned(),
            label: label.trim().into(),
            source,
            digest,
            abi,
            kind,
            definition,
            pre: tokio::sync::OnceCell::new(),
            this: this.clone(),
        })
    }
}

/// What stands for a definition while the plugin is asked for it.
fn unnamed_definition(name: &str) -> PluginDefinition {
    PluginDefinition {
        class: name.to_owned(),
        aliases: Vec::new(),
        version: String::new(),
        documentation: String::new(),
        config: sluice_connect_api::ConfigDef::default(),
        capabilities: Vec::new(),
        attributes: BTreeMap::new(),
    }
}

fn linker(engine: &GuestEngine, capabilities: &[Box<dyn Capability>]) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = Linker::new(&engine.engine);
    sluice_capability::add_to_linker(&mut linker)?;
    v0_1::add_to_linker(&mut linker)?;
    for capability in capabilities {
        capability.link(&mut linker)?;
    }
    Ok(linker)
}

impl Shared {
    fn offered(&self) -> Vec<&'static str> {
        self.capabilities.iter().map(|capability| capability.name()).collect()
    }

    fn compile(&self, name: &str, bytes: &[u8]) -> Result<(Component, Inspection), LoadError> {
        let engine = &self.engine.engine;
        let component = Component::from_binary(engine, bytes)
            .map_err(|error| LoadError::Invalid { name: name.to_owned(), reason: format!("{error:#}") })?;
        let inspection = inspect(name, &component, engine, &self.offered())?;
        Ok((component, inspection))
    }

    /// For a cache entry that went missing or was damaged while the hub runs.
    pub(crate) fn recompile(&self, plugin: &Plugin) -> Result<Component, LoadError> {
        let bytes = match &plugin.source {
            ComponentSource::Bytes(bytes) => bytes.clone(),
            ComponentSource::File(path) => {
                let read = std::fs::read(path).map_err(|source| LoadError::Read { path: path.clone(), source });
                Bytes::from(read?)
            }
        };
        if sha256(&bytes) != plugin.digest {
            let reason = "the file changed since it was loaded".to_owned();
            return Err(LoadError::Invalid { name: plugin.name.clone(), reason });
        }
        let (component, _) = self.compile(&plugin.name, &bytes)?;
        if let Some(entry) = self.cache.entry(&plugin.digest) {
            self.cache.store(&plugin.digest, &component, plugin.abi.name(), &entry.described);
        }
        Ok(component)
    }

    /// Checks that every import is there. WASI functions are linked to traps: nothing of WASI is granted.
    pub(crate) fn link(&self, name: &str, component: &Component) -> Result<InstancePre<GuestState>, LoadError> {
        let missing =
            |error: wasmtime::Error| LoadError::UnknownImport { name: name.to_owned(), imports: format!("{error:#}") };
        let has_wasi =
            component.component_type().imports(&self.engine.engine).any(|(name, _)| name.starts_with("wasi:"));
        if !has_wasi {
            return self.linker.instantiate_pre(component).map_err(missing);
        }
        let mut linker = self.linker.clone();
        linker.define_unknown_imports_as_traps(component).map_err(missing)?;
        linker.instantiate_pre(component).map_err(missing)
    }

    pub(crate) fn new_state(&self, identity: GuestIdentity, context: GuestContext) -> GuestState {
        let mut state = GuestState::new(identity, Box::new(context));
        state.table.set_max_capacity(self.limits.handles);
        state
    }
}
