//! The keys of the transformations and predicates that a config names. Source: Kafka `ConnectorConfig.enrich`.

use super::{Problems, classes_of};
use crate::common_keys::{PREDICATES, TRANSFORMS, raw_items};
use sluice_connect_api::config_def::{Default, Recommender};
use sluice_connect_api::{ConfigDef, ConfigKey, ConfigMap, ConfigType, Importance, PluginRegistry};

/// One of the two kinds of plugins that are named by an alias.
struct Kind {
    /// The key with the aliases; also what their keys begin with.
    list: &'static str,
    group: &'static str,
    /// Kafka's interface.
    interface: &'static str,
    /// As `GET /connector-plugins` calls it.
    plugin: &'static str,
}

const TRANSFORMATION: Kind =
    Kind { list: TRANSFORMS, group: "Transforms", interface: "Transformation", plugin: "transformation" };
const PREDICATE: Kind = Kind { list: PREDICATES, group: "Predicates", interface: "Predicate", plugin: "predicate" };

/// The definitions of all aliases; what is wrong with their classes goes to `problems`.
pub(super) fn alias_keys(registry: &PluginRegistry, config: &ConfigMap, problems: &mut Problems) -> ConfigDef {
    let mut def = ConfigDef::default();
    for kind in [TRANSFORMATION, PREDICATE] {
        let mut seen = Vec::new();
        for alias in config.get(kind.list).map(|list| raw_items(list)).unwrap_or_default() {
            if !seen.contains(&alias) {
                seen.push(alias);
                def = def.and(keys_of(registry, config, &kind, alias, problems));
            }
        }
    }
    check_predicates(config, problems);
    def
}

fn keys_of(
    registry: &PluginRegistry,
    config: &ConfigMap,
    kind: &Kind,
    alias: &str,
    problems: &mut Problems,
) -> ConfigDef {
    let (group, prefix) = (format!("{}: {alias}", kind.group), format!("{}.{alias}.", kind.list));
    let (type_key, version_key) = (format!("{prefix}type"), format!("{prefix}plugin.version"));
    let class = config.get(&type_key).map(|class| class.trim());
    let found = class.and_then(|class| problems.class(registry, &type_key, class, kind.interface, &[kind.plugin]));
    let version = found.as_ref().map(|plugin| plugin.version.clone());
    if let Some(plugin) = &found {
        problems.version(&type_key, &version_key, plugin, config.get(&version_key));
    }
    let names = classes_of(registry, &[kind.plugin]);
    let key = |name: &str, kind, default, documentation: String| {
        ConfigKey::new(name, kind, default, Importance::High, &documentation)
    };
    let what = kind.interface.to_lowercase();
    let def = ConfigDef::default()
        .define(
            key(&type_key, ConfigType::Class, Default::Required, format!("Class of the {what} '{alias}'."))
                .recommender(Recommender::new(move |_, _| (names.clone(), true)))
                .shown(&group, 0, "LONG", &format!("{} type for {alias}", kind.interface)),
        )
        .define(version_definition(&version_key, version, &what, alias).shown(
            &group,
            1,
            "LONG",
            &format!("{} version for {alias}", kind.interface),
        ));
    match found.and_then(|plugin| registry.config_def(&plugin.class).ok()) {
        Some((_, own)) => def.and(with_implied(kind, own).embedded(&prefix, &group, 2)),
        None => def,
    }
}

fn version_definition(name: &str, version: Option<String>, what: &str, alias: &str) -> ConfigKey {
    let default = version.clone().map_or(Default::Unset, Default::Value);
    let documentation = format!("Version of the {what} '{alias}'.");
    let key = ConfigKey::new(name, ConfigType::String, default, Importance::High, &documentation);
    let versions: Vec<String> = version.into_iter().collect();
    key.recommender(Recommender::new(move |_, _| (versions.clone(), true)))
}

/// Every transformation has these two; they hide keys of its own with the same names.
fn with_implied(kind: &Kind, own: ConfigDef) -> ConfigDef {
    if kind.list != TRANSFORMS {
        return own;
    }
    let key = |name: &str, kind, default, documentation: &str| {
        ConfigKey::new(name, kind, default, Importance::Medium, documentation)
    };
    own.define(key(
        "predicate",
        ConfigType::String,
        Default::Unset,
        "Alias of the predicate that decides whether the transformation is applied.",
    ))
    .define(key(
        "negate",
        ConfigType::Boolean,
        Default::Value("false".to_owned()),
        "Whether the transformation is applied where the predicate does not hold.",
    ))
}

/// A predicate that is negated must be named (Kafka); one that is named must be there (Kafka fails at start).
fn check_predicates(config: &ConfigMap, problems: &mut Problems) {
    let predicates = config.get(PREDICATES).map(|list| raw_items(list)).unwrap_or_default();
    for alias in config.get(TRANSFORMS).map(|list| raw_items(list)).unwrap_or_default() {
        let key = |name: &str| format!("{TRANSFORMS}.{alias}.{name}");
        match config.get(&key("predicate")) {
            Some(predicate) if !predicates.contains(&predicate.trim()) => {
                let message = format!("Predicate '{predicate}' is not one of {PREDICATES}; add its alias there");
                problems.add(&key("predicate"), message);
            }
            None if config.contains_key(&key("negate")) => {
                let message = format!(
                    "Config '{}' was provided but there is no config '{}' defining a predicate to be negated.",
                    key("negate"),
                    key("predicate")
                );
                problems.add(&key("type"), message);
            }
            _ => {}
        }
    }
}
