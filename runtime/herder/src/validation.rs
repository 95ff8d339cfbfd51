//! Everything wrong with a connector config, at once. Source: Kafka `AbstractHerder.validateConnectorConfig`.

use crate::common_keys::{self, CONNECTOR_CLASS, DLQ_REPLICATION, DLQ_TOPIC, NAME, TOPICS, TOPICS_REGEX};
use crate::error::HerderError;
use crate::secret_keys::{masked, secret_keys};
use crate::transformation_keys::{AliasKeys, alias_keys, unknown_class};
use sluice_connect_api::config_def::parse_list;
use sluice_connect_api::connector::{ConnectorContext, ConnectorKind};
use sluice_connect_api::plugins::PluginFactory;
use sluice_connect_api::{ConfigDef, ConfigKey, ConfigMap, ConfigValue, ConverterRole, PluginError, PluginRegistry};
use sluice_data::ConnectorName;
use sluice_storage::MASK;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Whether servers are asked too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// For at most so long.
    Check {
        timeout: Duration,
    },
    Skip,
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
        let value = ConfigValue { name: key.to_owned(), value: None, errors: vec![message] };
        self.configs.push(ConfigInfo { definition: None, value });
    }
}

/// Validates `config`, in which `None` stands for a JSON null.
///
/// # Errors
/// [`HerderError::BadRequest`] when there is no usable `connector.class`, [`HerderError::Plugin`] when the plugin fails.
pub(crate) async fn validate(
    registry: &PluginRegistry,
    config: &BTreeMap<String, Option<String>>,
    live: Live,
) -> Result<ConfigInfos, HerderError> {
    let given: ConfigMap = config.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
    let factory = find_connector(registry, &given)?;
    let kind = factory.kind();
    let aliases = alias_keys(registry, &given);
    let mut infos = define(&*factory, kind, &aliases, &given);
    for (key, message) in aliases.errors {
        infos.add_error(&key, message);
    }
    for (key, _) in config.iter().filter(|(_, value)| value.is_none()) {
        infos.add_error(key, "Null value can not be supplied as the configuration value.".to_owned());
    }
    check_name(&given, &mut infos);
    check_masks(&given, &mut infos);
    check_converters(registry, &given, &mut infos);
    if kind == ConnectorKind::Sink {
        check_topics(&given, &mut infos);
    }
    ask_plugin(&*factory, &given, live, &mut infos).await?;
    infos.ignored = ignored_keys(registry, &given, &infos);
    Ok(infos)
}

/// The plugin that `connector.class` names.
pub(crate) fn find_connector(
    registry: &PluginRegistry,
    config: &ConfigMap,
) -> Result<Arc<dyn PluginFactory>, HerderError> {
    let Some(class) = config.get(CONNECTOR_CLASS).map(|class| class.trim()).filter(|class| !class.is_empty()) else {
        let shown = masked(config, &secret_keys(registry, config));
        let pairs: Vec<String> = shown.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let message = format!("Connector config {{{}}} contains no connector type", pairs.join(", "));
        return Err(HerderError::BadRequest { message });
    };
    registry
        .connector(class)
        .map_err(|error| HerderError::BadRequest { message: no_such_connector(registry, class, &error) })
}

fn no_such_connector(registry: &PluginRegistry, class: &str, error: &PluginError) -> String {
    let PluginError::UnknownClass { nearest, .. } = error else {
        return format!("Failed to find any class that implements Connector and which name matches {class}: {error}");
    };
    let connectors = registry.list().into_iter().filter(|row| row.kind == "sink" || row.kind == "source");
    let available: Vec<String> = connectors.map(|row| row.class).collect();
    let nearest = nearest.as_ref().map(|name| format!(" Did you mean {name}?")).unwrap_or_default();
    format!(
        "Failed to find any class that implements Connector and which name matches {class}, available connectors are: {}.{nearest}",
        available.join(", ")
    )
}

/// All definitions that apply, in Kafka's order, and what [`ConfigDef`] finds.
fn define(factory: &dyn PluginFactory, kind: ConnectorKind, aliases: &AliasKeys, config: &ConfigMap) -> ConfigInfos {
    let own = &factory.definition().config;
    let mut def = common_keys::config_def(kind).and(aliases.def.clone());
    // A connector may not redefine what the worker reads.
    for key in own.keys().filter(|key| def.get(&key.name).is_none()).cloned().collect::<Vec<_>>() {
        def = def.define(key);
    }
    for key in common_keys::own_keys().keys().filter(|key| config.contains_key(&key.name)) {
        def = def.define(key.clone());
    }
    let mut groups = common_keys::groups(kind);
    groups.extend(aliases.groups.iter().cloned());
    for group in own.keys().filter_map(|key| key.group.as_ref()) {
        if !groups.contains(group) {
            groups.push(group.clone());
        }
    }
    let class = config.get(CONNECTOR_CLASS).cloned().unwrap_or_default();
    ConfigInfos { class, kind, groups, configs: values(&def, config), ignored: Vec::new() }
}

fn values(def: &ConfigDef, config: &ConfigMap) -> Vec<ConfigInfo> {
    let definitions = def.keys().cloned().map(Some);
    definitions.zip(def.validate(config)).map(|(definition, value)| ConfigInfo { definition, value }).collect()
}

/// Source: Kafka `ConfigDef.NonEmptyStringWithoutControlChars`.
fn check_name(config: &ConfigMap, infos: &mut ConfigInfos) {
    let Some(name) = config.get(NAME) else { return };
    let control: Vec<String> = name
        .chars()
        .filter(|character| character.is_control())
        .map(|character| (character as u32).to_string())
        .collect();
    if name.trim().is_empty() {
        infos.add_error(NAME, format!("Invalid value {name} for configuration {NAME}: String may not be empty"));
    } else if !control.is_empty() {
        let reason = format!(
            "String may not contain control sequences but had the following ASCII chars: {}",
            control.join(", ")
        );
        infos.add_error(NAME, format!("Invalid value {} for configuration {NAME}: {reason}", name.escape_debug()));
    }
}

/// A mask that stands for no stored value would silently become a password.
fn check_masks(config: &ConfigMap, infos: &mut ConfigInfos) {
    for key in config.iter().filter(|(_, value)| value.contains(MASK)).map(|(key, _)| key) {
        let reason =
            "it is the mask of a secret, and there is no stored value that it stands for; give the value itself";
        infos.add_error(key, format!("Invalid value {MASK} for configuration {key}: {reason}"));
    }
}

fn check_converters(registry: &PluginRegistry, config: &ConfigMap, infos: &mut ConfigInfos) {
    for (name, role) in [("key.converter", ConverterRole::Key), ("value.converter", ConverterRole::Value)] {
        let Some(class) = config.get(name).map(|class| class.trim()) else { continue };
        let prefix = format!("{name}.");
        let own: ConfigMap = config
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?.to_owned(), value.clone())))
            .collect();
        match registry.converter(class, role, &own) {
            Ok(_) => {}
            Err(PluginError::Config { reason, .. }) => {
                infos.add_error(name, format!("Invalid value {class} for configuration {name}: {reason}"));
            }
            Err(error) => infos.add_error(name, unknown_class(name, class, &error)),
        }
    }
    let name = "header.converter";
    if let Some(class) = config.get(name).map(|class| class.trim())
        && let Err(error) = registry.config_def(class)
        && !class.ends_with("SimpleHeaderConverter")
    {
        infos.add_error(name, unknown_class(name, class, &error));
    }
}

/// Source: Kafka `SinkConnectorConfig.validate`.
fn check_topics(config: &ConfigMap, infos: &mut ConfigInfos) {
    let given = |key: &str| config.get(key).map(|value| value.trim()).filter(|value| !value.is_empty());
    let (topics, regex) = (given(TOPICS), given(TOPICS_REGEX));
    let dlq = given(DLQ_TOPIC);
    match (topics, regex) {
        (Some(topics), Some(regex)) => {
            for (key, value) in [(TOPICS, topics), (TOPICS_REGEX, regex)] {
                let reason = format!("{TOPICS} and {TOPICS_REGEX} are mutually exclusive options, but both are set.");
                infos.add_error(key, format!("Invalid value {value} for configuration {key}: {reason}"));
            }
        }
        (None, None) => {
            for key in [TOPICS, TOPICS_REGEX] {
                let reason = format!("Must configure one of {TOPICS} or {TOPICS_REGEX}");
                infos.add_error(key, format!("Invalid value  for configuration {key}: {reason}"));
            }
        }
        (Some(topics), None) => {
            if let Some(dlq) = dlq.filter(|dlq| parse_list(topics).contains(dlq)) {
                let reason = format!(
                    "The DLQ topic '{dlq}' may not be included in the list of topics ('{TOPICS}={topics}') consumed by the connector"
                );
                infos.add_error(DLQ_TOPIC, format!("Invalid value {dlq} for configuration {DLQ_TOPIC}: {reason}"));
            }
        }
        (None, Some(pattern)) => match regex::Regex::new(&format!("^(?:{pattern})$")) {
            Ok(regex) => {
                if let Some(dlq) = dlq.filter(|dlq| regex.is_match(dlq)) {
                    let reason = format!(
                        "The DLQ topic '{dlq}' may not be matched by the regex ('{TOPICS_REGEX}={pattern}') consumed by the connector"
                    );
                    infos.add_error(DLQ_TOPIC, format!("Invalid value {dlq} for configuration {DLQ_TOPIC}: {reason}"));
                }
            }
            Err(error) => {
                let reason = format!("Syntax error in regular expression: {error}");
                infos.add_error(
                    TOPICS_REGEX,
                    format!("Invalid value {pattern} for configuration {TOPICS_REGEX}: {reason}"),
                );
            }
        },
    }
}

/// The plugin's own `validate`, and `check` when everything else is right.
async fn ask_plugin(
    factory: &dyn PluginFactory,
    config: &ConfigMap,
    live: Live,
    infos: &mut ConfigInfos,
) -> Result<(), HerderError> {
    let failed = |source| HerderError::Plugin { class: factory.definition().class.clone(), source };
    let name = ConnectorName::new(config.get(NAME).cloned().unwrap_or_default());
    let context = ConnectorContext { name, config: config.clone() };
    let connector = match factory.connector(&context).await {
        Ok(connector) => connector,
        // It wants what this config does not grant, or cannot be made: that is something to say about the config.
        Err(error) => {
            infos.add_error(CONNECTOR_CLASS, error.to_string());
            return Ok(());
        }
    };
    for (key, message) in connector.validate(config).await.map_err(failed)? {
        infos.add_error(&key, message);
    }
    let Live::Check { timeout } = live else { return Ok(()) };
    if infos.error_count() > 0 {
        return Ok(());
    }
    match tokio::time::timeout(timeout, connector.check(config)).await {
        Ok(problems) => {
            for (key, message) in problems.map_err(failed)? {
                infos.add_error(&key, message);
            }
        }
        Err(_) => infos.add_error(
            CONNECTOR_CLASS,
            format!(
                "the connector's live check did not end within {} ms; look at the servers it names",
                timeout.as_millis()
            ),
        ),
    }
    Ok(())
}

/// Keys that change nothing here.
fn ignored_keys(registry: &PluginRegistry, config: &ConfigMap, infos: &ConfigInfos) -> Vec<String> {
    let is_defined = |key: &str| infos.configs.iter().any(|info| info.definition.is_some() && info.value.name == key);
    let mut ignored = Vec::new();
    for (key, value) in config {
        if is_defined(key) {
            if key == DLQ_REPLICATION && !matches!(value.trim(), "1" | "-1") {
                ignored.push(format!("{key}: {COPIES}"));
            }
        } else if let Some(reason) = why_ignored(registry, config, key) {
            ignored.push(format!("{key}: {reason}"));
        }
    }
    ignored
}

/// Why a replication factor of a connector has no effect.
const COPIES: &str =
    "topics are created with the log's own number of copies: one embedded, a cluster's default.replication.factor";

fn why_ignored(registry: &PluginRegistry, config: &ConfigMap, key: &str) -> Option<&'static str> {
    for converter in common_keys::converter_key_names() {
        let Some(own) = key.strip_prefix(converter).and_then(|rest| rest.strip_prefix('.')) else { continue };
        let Some(class) = config.get(converter) else {
            return Some("a converter's keys count only beside its class");
        };
        let known = registry.config_def(class.trim()).is_ok_and(|(_, def)| def.get(own).is_some());
        return (!known).then_some("the converter has no such key");
    }
    if ["producer.override.", "consumer.override.", "admin.override."].iter().any(|prefix| key.starts_with(prefix)) {
        return Some("tasks use the hub's own clients; those of an Apache Kafka are set up in the worker config");
    }
    if key.starts_with("topic.creation.") {
        return key.ends_with(".replication.factor").then_some(COPIES);
    }
    if key.starts_with("sluice.") {
        return None;
    }
    Some("no part of this connector has such a key")
}
