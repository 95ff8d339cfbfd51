//! Everything wrong with a connector config, at once. Source: Kafka `AbstractHerder.validateConnectorConfig`.

mod aliases;
mod ask;
mod converters;
mod ignored;
mod sink;
mod topic_creation;

use crate::client_overrides::{ClientConfigOverridePolicy, PREFIXES};
use crate::common_keys::{self, CONNECTOR_CLASS, CONNECTOR_VERSION, DLQ_TOPIC};
use crate::config_provider::Resolved;
use crate::error::HerderError;
use crate::secret_keys::{masked, secret_keys};
use sluice_connect_api::config_def::{Default, Recommender};
use sluice_connect_api::connector::ConnectorKind;
use sluice_connect_api::plugin_version::VersionRange;
use sluice_connect_api::plugins::{PluginFactory, PluginInfo};
use sluice_connect_api::{ConfigDef, ConfigKey, ConfigMap, ConfigValue, PluginError, PluginRegistry};
use sluice_storage::MASK;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use converters::with_converter_type;

/// Whether servers are asked too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// For at most so long.
    Check {
        timeout: Duration,
    },
    Skip,
}

/// What the worker's own config says that connectors are held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerDefaults {
    /// `group.id`
    pub group_id: Option<String>,
    pub override_policy: ClientConfigOverridePolicy,
    /// The classes of `key.converter`, `value.converter`, `header.converter`.
    pub converters: [String; 3],
}

impl std::default::Default for WorkerDefaults {
    fn default() -> Self {
        let json = "org.apache.kafka.connect.json.JsonConverter".to_owned();
        let header = "org.apache.kafka.connect.storage.SimpleHeaderConverter".to_owned();
        Self {
            group_id: None,
            override_policy: ClientConfigOverridePolicy::default(),
            converters: [json.clone(), json, header],
        }
    }
}

/// One key: its definition (none for a key that only an error names) and its value.
#[derive(Debug, Clone)]
pub struct ConfigInfo {
    pub definition: Option<ConfigKey>,
    pub value: ConfigValue,
}

/// The outcome of a validation.
#[derive(Debug, Clone)]
pub struct ConfigInfos {
    /// `connector.class` as sent.
    pub class: String,
    pub kind: ConnectorKind,
    pub groups: Vec<String>,
    pub configs: Vec<ConfigInfo>,
    /// Keys that are accepted and have no effect, with the reason.
    pub ignored: Vec<String>,
}

impl ConfigInfos {
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.configs.iter().map(|config| config.value.errors.len()).sum()
    }

    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        self.configs.iter().flat_map(|config| config.value.errors.iter().cloned()).collect()
    }

    fn add_error(&mut self, key: &str, message: String) {
        if let Some(config) = self.configs.iter_mut().find(|config| config.value.name == key) {
            if !config.value.errors.contains(&message) {
                config.value.errors.push(message);
            }
            return;
        }
        self.configs.push(ConfigInfo { definition: None, value: ConfigValue::new(key, None, vec![message]) });
    }

    fn add(&mut self, def: &ConfigDef, values: Vec<ConfigValue>) {
        for value in values {
            self.configs.push(ConfigInfo { definition: def.get(&value.name).cloned(), value });
        }
    }

    /// Nobody sees what a reference stands for: not as a value, and not in what is said of it.
    fn hide(&mut self, raw: &ConfigMap, resolved: &Resolved) {
        if resolved.keys.is_empty() {
            return;
        }
        for value in self.configs.iter_mut().map(|config| &mut config.value) {
            if let Some(reference) = raw.get(&value.name).filter(|_| resolved.keys.contains(&value.name)) {
                value.value = value.value.is_some().then(|| reference.clone());
            }
            for error in &mut value.errors {
                *error = resolved.hidden(raw, error);
            }
        }
    }
}

/// What is found beside what the definitions find.
#[derive(Default)]
pub(crate) struct Problems {
    errors: Vec<(String, String)>,
    /// Values that are shown otherwise than they parse: the full name of a class, nothing where there is none.
    values: BTreeMap<String, Option<String>>,
}

impl Problems {
    fn add(&mut self, key: &str, message: String) {
        self.errors.push((key.to_owned(), message));
    }

    fn invalid(&mut self, key: &str, value: &str, reason: &str) {
        self.add(key, format!("Invalid value {value} for configuration {key}: {reason}"));
    }

    /// The plugin that a key of type CLASS names, if it is of one of these kinds. `interface` is Kafka's name of that.
    fn class(
        &mut self,
        registry: &PluginRegistry,
        key: &str,
        class: &str,
        interface: &str,
        kinds: &[&str],
    ) -> Option<PluginInfo> {
        let Some(plugin) = registry.described(class) else {
            self.values.insert(key.to_owned(), None);
            let nearest = registry.config_def(class).err().and_then(|error| match error {
                PluginError::UnknownClass { nearest, .. } => nearest,
                PluginError::WrongKind { .. } | PluginError::UnknownVersion { .. } | PluginError::Config { .. } => None,
            });
            let hint = nearest.map(|name| format!(" The nearest installed is {name}.")).unwrap_or_default();
            self.invalid(key, class, &format!("Class {class} could not be found.{hint}"));
            return None;
        };
        self.values.insert(key.to_owned(), Some(plugin.class.clone()));
        // A converter may be a header converter too.
        let is_also = || registry.list().iter().any(|also| also.class == plugin.class && kinds.contains(&also.kind));
        if kinds.contains(&plugin.kind) || is_also() {
            return Some(plugin);
        }
        self.add(key, format!("Class class {} does not implement the {interface} interface", plugin.class));
        None
    }

    /// Whether the plugin is there in the version that its key asks for. Kafka says it of both keys.
    fn version(&mut self, class_key: &str, version_key: &str, plugin: &PluginInfo, wanted: Option<&String>) {
        match check_version(plugin, wanted.map(String::as_str)) {
            Ok(()) => {}
            Err(message) => {
                self.add(class_key, message.clone());
                self.add(version_key, message);
            }
        }
    }
}

/// # Errors
/// Kafka's text: what was wanted and what is there.
pub(crate) fn check_version(plugin: &PluginInfo, wanted: Option<&str>) -> Result<(), String> {
    let range = VersionRange::parse(wanted).map_err(|error| error.to_string())?;
    if range.contains(&plugin.version) {
        return Ok(());
    }
    let PluginInfo { class, version, .. } = plugin;
    Err(format!("Plugin {class} not found that matches the version range {range}, available versions: [{version}]"))
}

/// The classes of all plugins of these kinds.
fn classes_of(registry: &PluginRegistry, kinds: &[&str]) -> Vec<String> {
    registry.list().into_iter().filter(|plugin| kinds.contains(&plugin.kind)).map(|plugin| plugin.class).collect()
}

/// What is to be validated.
pub(crate) struct Subject<'a> {
    /// As it was given; `None` stands for a JSON null.
    pub given: &'a BTreeMap<String, Option<String>>,
    /// Without the nulls.
    pub raw: &'a ConfigMap,
    pub resolved: &'a Resolved,
}

/// # Errors
/// [`HerderError::BadRequest`] when there is no usable `connector.class`, [`HerderError::Plugin`] when the plugin fails.
pub(crate) async fn validate(
    registry: &PluginRegistry,
    worker: &WorkerDefaults,
    subject: Subject<'_>,
    live: Live,
) -> Result<ConfigInfos, HerderError> {
    let config = &subject.resolved.config;
    let factory = find_connector(registry, config)?;
    let mut problems = Problems::default();
    let mut infos = define(registry, worker, &*factory, config, &mut problems);
    converters::add(registry, config, &mut infos, &mut problems);
    add_overrides(worker, &*factory, config, &mut infos);
    match factory.kind() {
        ConnectorKind::Sink => {
            sink::check_topics(config, &mut problems);
            sink::check_group(config, worker.group_id.as_deref(), &mut problems);
        }
        ConnectorKind::Source => topic_creation::check(config, &mut problems),
    }
    check_masks(config, &mut problems);
    for value in infos.configs.iter_mut().map(|config| &mut config.value) {
        if let Some(shown) = problems.values.remove(&value.name) {
            value.value = shown;
        }
    }
    for (key, message) in problems.errors {
        infos.add_error(&key, message);
    }
    for (key, _) in subject.given.iter().filter(|(_, value)| value.is_none()) {
        // That it is missing is no news then.
        if let Some(info) = infos.configs.iter_mut().find(|info| info.value.name == *key) {
            info.value.errors.clear();
        }
        infos.add_error(key, "Null value can not be supplied as the configuration value.".to_owned());
    }
    ask::ask_plugin(&*factory, config, live, &mut infos).await?;
    infos.ignored = ignored::ignored_keys(registry, config, &infos);
    infos.hide(subject.raw, subject.resolved);
    Ok(infos)
}

/// The plugin that `connector.class` names, in the newest version that `connector.plugin.version` allows. Where it allows none that
/// is there, the newest: what is wrong with the key is said by whoever looks at it.
pub(crate) fn find_connector(
    registry: &PluginRegistry,
    config: &ConfigMap,
) -> Result<Arc<dyn PluginFactory>, HerderError> {
    let Some(class) = config.get(CONNECTOR_CLASS) else {
        let shown = masked(config, &secret_keys(registry, config));
        let pairs: Vec<String> = shown.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let message = format!("Connector config {{{}}} contains no connector type", pairs.join(", "));
        return Err(HerderError::BadRequest { message });
    };
    let missing = |error| HerderError::BadRequest { message: no_such_connector(registry, class, &error) };
    let range = VersionRange::parse(config.get(CONNECTOR_VERSION).map(String::as_str)).unwrap_or(VersionRange::Latest);
    let allowed = registry.connector_version(class, &range, &BTreeSet::new());
    allowed.or_else(|_| registry.connector(class)).map_err(missing)
}

/// As [`find_connector`], for tasks: none of the `rejected` versions while there is another.
///
/// # Errors
/// [`HerderError::BadRequest`], also when no version is allowed that is there.
pub(crate) fn find_to_run(
    registry: &PluginRegistry,
    config: &ConfigMap,
    rejected: &BTreeSet<String>,
) -> Result<Arc<dyn PluginFactory>, HerderError> {
    let class = find_connector(registry, config)?.definition().class.clone();
    let bad = |message: String| HerderError::BadRequest { message };
    let range = VersionRange::parse(config.get(CONNECTOR_VERSION).map(String::as_str));
    let range = range.map_err(|error| bad(error.to_string()))?;
    let allowed = registry.connector_version(&class, &range, rejected);
    let allowed = allowed.or_else(|_| registry.connector_version(&class, &range, &BTreeSet::new()));
    allowed.map_err(|error| bad(error.to_string()))
}

fn no_such_connector(registry: &PluginRegistry, class: &str, error: &PluginError) -> String {
    let PluginError::UnknownClass { nearest, .. } = error else {
        return format!("Failed to find any class that implements Connector and which name matches {class}: {error}");
    };
    let available = classes_of(registry, &["sink", "source"]).join(", ");
    let nearest = nearest.as_ref().map(|name| format!(" Did you mean {name}?")).unwrap_or_default();
    format!(
        "Failed to find any class that implements Connector and which name matches {class}, available connectors are: {available}.{nearest}"
    )
}

/// All definitions that apply, in Kafka's order, and what [`ConfigDef`] finds.
fn define(
    registry: &PluginRegistry,
    worker: &WorkerDefaults,
    factory: &dyn PluginFactory,
    config: &ConfigMap,
    problems: &mut Problems,
) -> ConfigInfos {
    let (kind, plugin) = (factory.kind(), factory.definition());
    let common = with_version(common_keys::config_def(kind), CONNECTOR_VERSION, Some(&plugin.version));
    let info = PluginInfo { class: plugin.class.clone(), kind: "source", version: plugin.version.clone() };
    problems.version(CONNECTOR_CLASS, CONNECTOR_VERSION, &info, config.get(CONNECTOR_VERSION));
    let common = converters::with_defaults(registry, worker, config, common, problems);
    let mut def = common.and(aliases::alias_keys(registry, config, problems));
    let mut groups = common_keys::groups(kind);
    groups.extend(def.groups().into_iter().filter(|group| !groups.contains(group)).collect::<Vec<_>>());
    // A connector may not redefine what the worker reads.
    for key in plugin.config.keys().filter(|key| def.get(&key.name).is_none()).cloned().collect::<Vec<_>>() {
        def = def.define(key);
    }
    for key in common_keys::own_keys().keys().filter(|key| config.contains_key(&key.name)) {
        def = def.define(key.clone());
    }
    groups.extend(plugin.config.groups().into_iter().filter(|group| !groups.contains(group)).collect::<Vec<_>>());
    let class = config.get(CONNECTOR_CLASS).cloned().unwrap_or_default();
    let mut infos = ConfigInfos { class, kind, groups, configs: Vec::new(), ignored: Vec::new() };
    infos.add(&def, def.validate(config));
    infos
}

/// The key with this version as its default and only choice.
pub(crate) fn with_version(mut def: ConfigDef, key: &str, version: Option<&String>) -> ConfigDef {
    if let (Some(mut key), Some(version)) = (def.get(key).cloned(), version) {
        key.default = Default::Value(version.clone());
        let versions = vec![version.clone()];
        def = def.define(key.recommender(Recommender::new(move |_, _| (versions.clone(), true))));
    }
    def
}

/// A mask that stands for no stored value would silently become a password.
fn check_masks(config: &ConfigMap, problems: &mut Problems) {
    for key in config.iter().filter(|(_, value)| value.contains(MASK)).map(|(key, _)| key) {
        let reason =
            "it is the mask of a secret, and there is no stored value that it stands for; give the value itself";
        problems.invalid(key, MASK, reason);
    }
}

/// Settings of the clients that a connector of this kind has, and whether the worker's policy allows them.
fn add_overrides(worker: &WorkerDefaults, factory: &dyn PluginFactory, config: &ConfigMap, infos: &mut ConfigInfos) {
    let has_dlq = config.get(DLQ_TOPIC).is_some_and(|topic| !topic.trim().is_empty());
    let creates_topics = config.keys().any(|key| key.starts_with("topic.creation."));
    let clients: BTreeSet<&str> = match factory.kind() {
        ConnectorKind::Source if creates_topics => [PREFIXES[0], PREFIXES[2]].into(),
        ConnectorKind::Source => [PREFIXES[0]].into(),
        ConnectorKind::Sink if has_dlq => PREFIXES.into(),
        ConnectorKind::Sink => [PREFIXES[1]].into(),
    };
    let secrets = crate::secret_keys::named_like_secrets(config);
    for (key, value) in config {
        let Some((_, own)) = clients.iter().find_map(|prefix| Some((prefix, key.strip_prefix(prefix)?))) else {
            continue;
        };
        let shown = if secrets.contains(key) { MASK.to_owned() } else { value.clone() };
        let errors = worker.override_policy.refusal(own).into_iter().collect();
        infos.configs.push(ConfigInfo { definition: None, value: ConfigValue::new(key, Some(shown), errors) });
    }
}
