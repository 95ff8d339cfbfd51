//! The keys of the transformations and predicates that a config names. Source: Kafka `ConnectorConfig.enrich`.

use crate::common_keys::{PREDICATES, TRANSFORMS};
use sluice_connect_api::config_def::{Default, parse_list};
use sluice_connect_api::{ConfigDef, ConfigKey, ConfigMap, ConfigType, Importance, PluginError, PluginRegistry};

/// Definitions and the errors found on the way, as (key, message).
#[derive(Default)]
pub(crate) struct AliasKeys {
    pub def: ConfigDef,
    pub groups: Vec<String>,
    pub errors: Vec<(String, String)>,
}

pub(crate) fn alias_keys(registry: &PluginRegistry, config: &ConfigMap) -> AliasKeys {
    let mut keys = AliasKeys::default();
    let predicates = aliases(config, PREDICATES, &mut keys.errors);
    for alias in aliases(config, TRANSFORMS, &mut keys.errors) {
        keys.add(registry, config, "Transforms", &format!("{TRANSFORMS}.{alias}."), &alias);
        keys.add_predicate_of(config, &alias, &predicates);
    }
    for alias in &predicates {
        keys.add(registry, config, "Predicates", &format!("{PREDICATES}.{alias}."), alias);
    }
    keys
}

fn aliases(config: &ConfigMap, list: &str, errors: &mut Vec<(String, String)>) -> Vec<String> {
    let Some(text) = config.get(list) else { return Vec::new() };
    let aliases: Vec<String> = parse_list(text).into_iter().map(str::to_owned).collect();
    let given = text.split(',').filter(|item| !item.trim().is_empty()).count();
    if given != aliases.len() {
        let kind = if list == TRANSFORMS { "transformation" } else { "predicate" };
        errors.push((
            list.to_owned(),
            format!("Invalid value {text} for configuration {list}: Duplicate alias provided for {kind}"),
        ));
    }
    aliases
}

impl AliasKeys {
    fn add(&mut self, registry: &PluginRegistry, config: &ConfigMap, group: &str, prefix: &str, alias: &str) {
        let group = format!("{group}: {alias}");
        let type_key = format!("{prefix}type");
        let documentation = format!("Class of '{alias}'.");
        let key = ConfigKey::new(&type_key, ConfigType::Class, Default::Required, Importance::High, &documentation);
        self.define(key.shown(&group, 0, "LONG", &format!("Type for {alias}")));
        let version_key = format!("{prefix}plugin.version");
        let documentation = format!("Version of '{alias}'.");
        let version =
            ConfigKey::new(&version_key, ConfigType::String, Default::Unset, Importance::High, &documentation);
        self.define(version.shown(&group, 0, "LONG", &format!("Version for {alias}")));
        if let Some(class) = config.get(&type_key).map(|class| class.trim()) {
            match registry.config_def(class) {
                Ok((_, def)) => self.add_own(&def, prefix, &group),
                Err(error) => self.errors.push((type_key.clone(), unknown_class(&type_key, class, &error))),
            }
        }
        self.groups.push(group);
    }

    fn add_own(&mut self, def: &ConfigDef, prefix: &str, group: &str) {
        for key in def.keys() {
            let mut key = key.clone();
            key.name = format!("{prefix}{}", key.name);
            key.group = Some(group.to_owned());
            self.define(key);
        }
    }

    fn add_predicate_of(&mut self, config: &ConfigMap, alias: &str, predicates: &[String]) {
        let group = format!("Transforms: {alias}");
        let predicate_key = format!("{TRANSFORMS}.{alias}.predicate");
        let negate_key = format!("{TRANSFORMS}.{alias}.negate");
        let documentation = "The alias of a predicate that decides whether the transformation is applied.";
        let key = ConfigKey::new(&predicate_key, ConfigType::String, Default::Unset, Importance::Medium, documentation);
        self.define(key.shown(&group, 1, "LONG", "Predicate"));
        let documentation = "Whether the predicate is turned around.";
        let default = Default::Value("false".to_owned());
        let key = ConfigKey::new(&negate_key, ConfigType::Boolean, default, Importance::Medium, documentation);
        self.define(key.shown(&group, 2, "LONG", "Negate"));
        match config.get(&predicate_key) {
            Some(predicate) if !predicates.iter().any(|known| known == predicate.trim()) => {
                let message = format!("Predicate '{predicate}' is not one of {PREDICATES}; add its alias there");
                self.errors.push((predicate_key, message));
            }
            None if config.contains_key(&negate_key) => {
                let message = format!("there is no config '{predicate_key}' defining a predicate to be negated");
                self.errors.push((negate_key, message));
            }
            _ => {}
        }
    }

    fn define(&mut self, key: ConfigKey) {
        self.def = std::mem::take(&mut self.def).define(key);
    }
}

/// Source: Kafka `ConfigDef.parseType` for CLASS, with the nearest name behind it.
pub(crate) fn unknown_class(key: &str, class: &str, error: &PluginError) -> String {
    let reason = match error {
        PluginError::UnknownClass { nearest: Some(nearest), .. } => {
            format!("Class {class} could not be found; the nearest installed is {nearest}")
        }
        PluginError::UnknownClass { nearest: None, .. } => format!("Class {class} could not be found."),
        PluginError::WrongKind { .. } | PluginError::Config { .. } => error.to_string(),
    };
    format!("Invalid value {class} for configuration {key}: {reason}")
}
