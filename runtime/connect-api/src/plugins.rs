//! The registry: from a class name to what makes connectors, converters and transformations.

use crate::config_def::{ConfigDef, ConfigMap};
use crate::connector::{Connector, ConnectorContext, ConnectorKind, PluginDefinition, TaskContext};
use crate::converter::{Converter, ConverterFactory, ConverterKind, ConverterRole};
use crate::error::ConnectError;
use crate::plugin_version::{VersionRange, compare};
use crate::predicate::{Predicate, PredicateFactory};
use crate::sink::SinkTask;
use crate::source::SourceTask;
use crate::transformation::{Transformation, TransformationFactory};
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    #[error("no plugin has the class {class:?}{}", nearest_hint(.nearest))]
    UnknownClass { class: String, nearest: Option<String> },
    #[error("{class} is a {found}, not a {expected}")]
    WrongKind { class: String, expected: &'static str, found: &'static str },
    #[error("{class} is not installed in a version within {wanted}; there is {}", .available.join(", "))]
    UnknownVersion { class: String, wanted: String, available: Vec<String> },
    #[error("{class} refused its configuration: {reason}")]
    Config { class: String, reason: String },
}

fn nearest_hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!("; the nearest installed is {name}"))
}

/// Makes the parts of one connector plugin. Native and WASM plugins are both behind it.
#[async_trait::async_trait]
pub trait PluginFactory: Send + Sync {
    fn definition(&self) -> &PluginDefinition;
    fn kind(&self) -> ConnectorKind;

    /// # Errors
    /// When the plugin cannot be instantiated, or wants what is not granted.
    async fn connector(&self, context: &ConnectorContext) -> Result<Box<dyn Connector>, ConnectError>;

    /// # Errors
    /// As [`PluginFactory::connector`]; fatal when this is no source.
    async fn source_task(&self, context: TaskContext) -> Result<Box<dyn SourceTask>, ConnectError>;

    /// # Errors
    /// As [`PluginFactory::connector`]; fatal when this is no sink.
    async fn sink_task(&self, context: TaskContext) -> Result<Box<dyn SinkTask>, ConnectError>;
}

/// A transformation that lives in a plugin.
#[async_trait::async_trait]
pub trait TransformationPlugin: Send + Sync {
    fn definition(&self) -> &PluginDefinition;

    /// # Errors
    /// When it cannot be instantiated or refuses its config.
    async fn transformation(&self, config: &ConfigMap) -> Result<Box<dyn Transformation>, ConnectError>;
}

#[derive(Clone)]
enum Plugin {
    Connector(Arc<dyn PluginFactory>),
    Converter { class: &'static str, kind: ConverterKind, config: fn() -> ConfigDef, make: ConverterFactory },
    Predicate { class: &'static str, config: fn() -> ConfigDef, make: PredicateFactory },
    NativeTransformation { class: &'static str, config: fn() -> ConfigDef, make: TransformationFactory },
    Transformation(Arc<dyn TransformationPlugin>),
}

/// One row of `GET /connector-plugins`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginInfo {
    pub class: String,
    /// `sink`, `source`, `transformation`, `predicate`, `converter`, `header_converter`.
    pub kind: &'static str,
    pub version: String,
}

/// Every plugin this hub has. Cheap to read; plugins come and go while it runs.
///
/// Of a class from a plugin file there may be several versions side by side. Who does not say which gets the newest; of one
/// version that is there twice the later one.
#[derive(Default)]
pub struct PluginRegistry {
    /// By class, in the order in which they came.
    plugins: RwLock<BTreeMap<String, Vec<Plugin>>>,
    /// Counts changes of the versions that are there.
    changes: watch::Sender<u64>,
}

impl PluginRegistry {
    /// Adds a version of a connector plugin under its class name.
    pub fn add_connector(&self, factory: Arc<dyn PluginFactory>) {
        let class = factory.definition().class.clone();
        self.add_version(class, Plugin::Connector(factory));
    }

    /// Adds a version of a transformation.
    pub fn add_transformation(&self, plugin: Arc<dyn TransformationPlugin>) {
        let class = plugin.definition().class.clone();
        self.add_version(class, Plugin::Transformation(plugin));
    }

    fn add_version(&self, class: String, plugin: Plugin) {
        self.plugins.write().entry(class).or_default().push(plugin);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Takes out what was added, and leaves other versions of its class. Running tasks keep the plugin they were made from.
    pub fn remove_connector(&self, factory: &Arc<dyn PluginFactory>) {
        let class = &factory.definition().class;
        let is_it = |plugin: &Plugin| matches!(plugin, Plugin::Connector(one) if is_same(one, factory));
        self.remove_where(class, is_it);
    }

    /// As [`PluginRegistry::remove_connector`].
    pub fn remove_transformation(&self, plugin: &Arc<dyn TransformationPlugin>) {
        let class = &plugin.definition().class;
        let is_it = |other: &Plugin| matches!(other, Plugin::Transformation(one) if is_same(one, plugin));
        self.remove_where(class, is_it);
    }

    fn remove_where(&self, class: &str, is_it: impl Fn(&Plugin) -> bool) {
        let mut plugins = self.plugins.write();
        if let Some(versions) = plugins.get_mut(class) {
            versions.retain(|plugin| !is_it(plugin));
            if versions.is_empty() {
                plugins.remove(class);
            }
        }
        drop(plugins);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Tells of every change of the versions that are there.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A converter of keys, values and headers.
    pub fn add_converter(
        &self,
        class: &'static str,
        config: fn() -> ConfigDef,
        make: impl Fn(ConverterRole, &ConfigMap) -> Result<Box<dyn Converter>, String> + Send + Sync + 'static,
    ) {
        self.add_converter_of(ConverterKind::Both, class, config, make);
    }

    pub fn add_converter_of(
        &self,
        kind: ConverterKind,
        class: &'static str,
        config: fn() -> ConfigDef,
        make: impl Fn(ConverterRole, &ConfigMap) -> Result<Box<dyn Converter>, String> + Send + Sync + 'static,
    ) {
        let make: ConverterFactory = Arc::new(make);
        self.put(class, Plugin::Converter { class, kind, config, make });
    }

    pub fn add_predicate(&self, class: &'static str, config: fn() -> ConfigDef, make: PredicateFactory) {
        self.put(class, Plugin::Predicate { class, config, make });
    }

    pub fn add_native_transformation(
        &self,
        class: &'static str,
        config: fn() -> ConfigDef,
        make: TransformationFactory,
    ) {
        self.put(class, Plugin::NativeTransformation { class, config, make });
    }

    /// Adds or replaces what is native: of it there is one version.
    fn put(&self, class: &str, plugin: Plugin) {
        self.plugins.write().insert(class.to_owned(), vec![plugin]);
    }

    /// Sinks, sources, then the rest, each by class name and version. A class of two kinds has a row for each.
    #[must_use]
    pub fn list(&self) -> Vec<PluginInfo> {
        let mut rows: Vec<PluginInfo> = self.plugins.read().values().flatten().flat_map(Plugin::infos).collect();
        let rank = |row: &PluginInfo| match row.kind {
            "sink" => 0,
            "source" => 1,
            "transformation" => 2,
            "predicate" => 3,
            "converter" => 4,
            _ => 5,
        };
        let order = |one: &PluginInfo, two: &PluginInfo| {
            let by_class = rank(one).cmp(&rank(two)).then_with(|| one.class.cmp(&two.class));
            by_class.then_with(|| compare(&one.version, &two.version))
        };
        rows.sort_by(order);
        rows.dedup();
        rows
    }

    /// # Errors
    /// [`PluginError::UnknownClass`] with the nearest name, [`PluginError::WrongKind`].
    pub fn connector(&self, class: &str) -> Result<Arc<dyn PluginFactory>, PluginError> {
        match self.find(class)? {
            Plugin::Connector(factory) => Ok(factory),
            other => Err(other.wrong_kind(class, "connector")),
        }
    }

    /// The newest version within `wanted` that is not among `rejected`.
    ///
    /// # Errors
    /// As [`PluginRegistry::connector`], and [`PluginError::UnknownVersion`].
    pub fn connector_version(
        &self,
        class: &str,
        wanted: &VersionRange,
        rejected: &BTreeSet<String>,
    ) -> Result<Arc<dyn PluginFactory>, PluginError> {
        let newest = self.connector(class)?;
        let plugins = self.plugins.read();
        let versions = plugins.get(&newest.definition().class).map_or(&[][..], Vec::as_slice);
        let is_wanted = |plugin: &&Plugin| {
            let version = plugin.info().version;
            wanted.contains(&version) && !rejected.contains(&version)
        };
        if let Some(Plugin::Connector(factory)) = newest_of(versions.iter().filter(is_wanted)) {
            return Ok(Arc::clone(factory));
        }
        let available = versions.iter().map(|plugin| plugin.info().version).collect();
        Err(PluginError::UnknownVersion { class: class.to_owned(), wanted: wanted.to_string(), available })
    }

    /// # Errors
    /// As [`PluginRegistry::connector`], and [`PluginError::Config`].
    pub fn converter(
        &self,
        class: &str,
        role: ConverterRole,
        config: &ConfigMap,
    ) -> Result<Box<dyn Converter>, PluginError> {
        match self.find(class)? {
            Plugin::Converter { make, kind, .. } if kind.takes(role) => {
                make(role, config).map_err(|reason| PluginError::Config { class: class.to_owned(), reason })
            }
            other if role == ConverterRole::Header => Err(other.wrong_kind(class, "header_converter")),
            other => Err(other.wrong_kind(class, "converter")),
        }
    }

    /// # Errors
    /// As [`PluginRegistry::connector`], and [`PluginError::Config`].
    pub fn predicate(&self, class: &str, config: &ConfigMap) -> Result<Box<dyn Predicate>, PluginError> {
        match self.find(class)? {
            Plugin::Predicate { make, .. } => {
                make(config).map_err(|reason| PluginError::Config { class: class.to_owned(), reason })
            }
            other => Err(other.wrong_kind(class, "predicate")),
        }
    }

    /// # Errors
    /// As [`PluginRegistry::connector`], and [`PluginError::Config`].
    pub async fn transformation(
        &self,
        class: &str,
        config: &ConfigMap,
    ) -> Result<Box<dyn Transformation>, PluginError> {
        let refuse = |reason: String| PluginError::Config { class: class.to_owned(), reason };
        let plugin = self.find(class)?;
        match plugin {
            Plugin::NativeTransformation { make, .. } => make(config).map_err(refuse),
            Plugin::Transformation(plugin) => {
                plugin.transformation(config).await.map_err(|error| refuse(error.to_string()))
            }
            other => Err(other.wrong_kind(class, "transformation")),
        }
    }

    /// The config keys of any plugin, and its full class name.
    ///
    /// # Errors
    /// [`PluginError::UnknownClass`].
    pub fn config_def(&self, class: &str) -> Result<(String, ConfigDef), PluginError> {
        let plugin = self.find(class)?;
        let def = match &plugin {
            Plugin::Connector(factory) => factory.definition().config.clone(),
            Plugin::Transformation(plugin) => plugin.definition().config.clone(),
            Plugin::Converter { config, .. }
            | Plugin::Predicate { config, .. }
            | Plugin::NativeTransformation { config, .. } => config(),
        };
        Ok((plugin.info().class, def))
    }

    /// What a class name, simple name or alias stands for.
    #[must_use]
    pub fn described(&self, class: &str) -> Option<PluginInfo> {
        self.find(class).ok().map(|plugin| plugin.info())
    }

    /// The class that a simple name or an alias stands for; `class` itself when it is not known.
    #[must_use]
    pub fn full_name(&self, class: &str) -> String {
        self.described(class).map_or_else(|| class.to_owned(), |info| info.class)
    }

    /// Exact class or alias first; else the simple name, with or without `Connector`.
    fn find(&self, class: &str) -> Result<Plugin, PluginError> {
        let plugins = self.plugins.read();
        if let Some(plugin) = plugins.get(class).and_then(newest_of) {
            return Ok(plugin.clone());
        }
        // Of two with one simple name Kafka's is meant: configs that say no more were written for it.
        let is_ours = |plugin: &&Plugin| !plugin.info().class.starts_with("org.apache.kafka.");
        if let Some(plugin) =
            plugins.values().filter_map(newest_of).filter(|plugin| plugin.answers_to(class)).min_by_key(is_ours)
        {
            return Ok(plugin.clone());
        }
        let names = plugins.values().flatten().flat_map(Plugin::names);
        let nearest = nearest_name(class, names);
        Err(PluginError::UnknownClass { class: class.to_owned(), nearest })
    }
}

/// The last one of the greatest version.
fn newest_of<'a>(versions: impl IntoIterator<Item = &'a Plugin>) -> Option<&'a Plugin> {
    versions.into_iter().max_by(|one, two| compare(&one.info().version, &two.info().version))
}

fn is_same<T: ?Sized>(one: &Arc<T>, other: &Arc<T>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

impl Plugin {
    fn names(&self) -> Vec<String> {
        match self {
            Self::Connector(factory) => definition_names(factory.definition()),
            Self::Transformation(plugin) => definition_names(plugin.definition()),
            Self::Converter { class, .. }
            | Self::Predicate { class, .. }
            | Self::NativeTransformation { class, .. } => {
                vec![(*class).to_owned()]
            }
        }
    }

    fn answers_to(&self, class: &str) -> bool {
        self.names().iter().any(|name| {
            let simple = simple_name(name);
            name == class || simple == class || simple.strip_suffix("Connector") == Some(class)
        })
    }

    fn info(&self) -> PluginInfo {
        match self {
            Self::Connector(factory) => {
                let definition = factory.definition();
                let kind = match factory.kind() {
                    ConnectorKind::Source => "source",
                    ConnectorKind::Sink => "sink",
                };
                PluginInfo { class: definition.class.clone(), kind, version: definition.version.clone() }
            }
            Self::Transformation(plugin) => {
                let definition = plugin.definition();
                let (class, version) = (definition.class.clone(), definition.version.clone());
                PluginInfo { class, kind: "transformation", version }
            }
            Self::NativeTransformation { class, .. } => {
                PluginInfo { class: (*class).to_owned(), kind: "transformation", version: own_version() }
            }
            Self::Predicate { class, .. } => {
                PluginInfo { class: (*class).to_owned(), kind: "predicate", version: own_version() }
            }
            Self::Converter { class, kind, .. } => {
                let kind = if *kind == ConverterKind::Headers { "header_converter" } else { "converter" };
                PluginInfo { class: (*class).to_owned(), kind, version: own_version() }
            }
        }
    }

    fn infos(&self) -> Vec<PluginInfo> {
        let info = self.info();
        match self {
            Self::Converter { kind: ConverterKind::Both, .. } => {
                let also = PluginInfo { kind: "header_converter", ..info.clone() };
                vec![info, also]
            }
            _ => vec![info],
        }
    }

    fn wrong_kind(&self, class: &str, expected: &'static str) -> PluginError {
        PluginError::WrongKind { class: class.to_owned(), expected, found: self.info().kind }
    }
}

fn own_version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

fn definition_names(definition: &PluginDefinition) -> Vec<String> {
    std::iter::once(&definition.class).chain(&definition.aliases).cloned().collect()
}

/// Behind the last `.`; inner classes keep their `Outer$Inner`.
fn simple_name(class: &str) -> &str {
    class.rsplit('.').next().unwrap_or(class)
}

/// The name with the smallest edit distance between simple names, when it is near enough to be a slip.
fn nearest_name(class: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let wanted = simple_name(class).to_lowercase();
    let distances = names.map(|name| (edit_distance(&wanted, &simple_name(&name).to_lowercase()), name));
    let (distance, name) = distances.min()?;
    (distance <= wanted.chars().count().div_ceil(2)).then_some(name)
}

/// Levenshtein.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, character) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(character != *other);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
