//! `key.converter`, `value.converter`, `header.converter` and the keys below them. Source: Kafka `AbstractHerder.validateConverterConfig`.

use super::{ConfigInfos, Problems, WorkerDefaults, classes_of, with_version};
use sluice_connect_api::config_def::{Default, Recommender, Validator};
use sluice_connect_api::plugins::PluginInfo;
use sluice_connect_api::{
    ConfigDef, ConfigKey, ConfigMap, ConfigType, ConverterRole, Importance, PluginError, PluginRegistry,
};

/// One of the three converters of a connector.
struct Role {
    key: &'static str,
    /// What `converter.type` says.
    name: &'static str,
    interface: &'static str,
    kinds: &'static [&'static str],
    role: ConverterRole,
}

const ROLES: [Role; 3] = [
    Role { key: "key.converter", name: "key", interface: "Converter", kinds: &["converter"], role: ConverterRole::Key },
    Role {
        key: "value.converter",
        name: "value",
        interface: "Converter",
        kinds: &["converter"],
        role: ConverterRole::Value,
    },
    Role {
        key: "header.converter",
        name: "header",
        interface: "HeaderConverter",
        kinds: &["header_converter"],
        role: ConverterRole::Header,
    },
];

const TYPE: &str = "converter.type";

/// What every converter of Kafka's has beside its own keys: whether it converts keys, values or headers.
pub(crate) fn with_converter_type(own: ConfigDef) -> ConfigDef {
    let key = ConfigKey::new(
        TYPE,
        ConfigType::String,
        Default::Required,
        Importance::Low,
        "Whether it converts keys, values or headers; set by the worker.",
    );
    let key = key.validator(Validator::one_of(&["key", "value", "header"]));
    ConfigDef::default().define(key).and(own)
}

/// The common keys with the worker's converters as their defaults, the installed ones to choose from, and their versions.
pub(super) fn with_defaults(
    registry: &PluginRegistry,
    worker: &WorkerDefaults,
    config: &ConfigMap,
    mut def: ConfigDef,
    problems: &mut Problems,
) -> ConfigDef {
    for (role, default) in ROLES.iter().zip(&worker.converters) {
        if let Some(mut key) = def.get(role.key).cloned() {
            key.default = Default::Value(default.clone());
            let mut names = classes_of(registry, role.kinds);
            names.sort();
            names.dedup();
            def = def.define(key.recommender(Recommender::new(move |_, _| (names.clone(), true))));
        }
        let version_key = format!("{}.plugin.version", role.key);
        let plugin = match config.get(role.key).map(|class| class.trim()) {
            Some(class) => {
                let found = problems.class(registry, role.key, class, role.interface, role.kinds);
                if let Some(plugin) = &found {
                    problems.version(role.key, &version_key, plugin, config.get(&version_key));
                }
                found
            }
            // The worker has its own already; another version of it is not asked for here.
            None => registry.described(default),
        };
        def = with_version(def, &version_key, plugin.map(|plugin| plugin.version).as_ref());
    }
    def
}

/// The keys of the converters that the connector names itself.
pub(super) fn add(registry: &PluginRegistry, config: &ConfigMap, infos: &mut ConfigInfos, problems: &mut Problems) {
    for role in &ROLES {
        let Some(class) = config.get(role.key).map(|class| class.trim()) else { continue };
        let has_problem = problems.errors.iter().any(|(key, _)| key == role.key);
        let Some(plugin) = registry.described(class).filter(|_| !has_problem) else { continue };
        add_one(registry, config, role, &plugin, infos, problems);
    }
}

fn add_one(
    registry: &PluginRegistry,
    config: &ConfigMap,
    role: &Role,
    plugin: &PluginInfo,
    infos: &mut ConfigInfos,
    problems: &mut Problems,
) {
    let Ok((_, mut def)) = registry.config_def(&plugin.class) else { return };
    let prefix = format!("{}.", role.key);
    let mut own: ConfigMap =
        config.iter().filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?.to_owned(), value.clone()))).collect();
    // This one is the connector's, not the converter's.
    own.remove("plugin.version");
    if plugin.kind == "converter" {
        def = with_converter_type(def);
        own.entry(TYPE.to_owned()).or_insert_with(|| role.name.to_owned());
    }
    infos.groups.extend(def.groups().into_iter().filter(|group| !infos.groups.contains(group)).collect::<Vec<_>>());
    let values = def.validate(&own);
    let is_right = values.iter().all(|value| value.errors.is_empty());
    for mut value in values {
        let definition = def.get(&value.name).cloned().map(|mut key| {
            key.name = format!("{prefix}{}", key.name);
            key
        });
        value.name = format!("{prefix}{}", value.name);
        infos.configs.push(super::ConfigInfo { definition, value });
    }
    own.remove(TYPE);
    if is_right && let Err(PluginError::Config { reason, .. }) = registry.converter(&plugin.class, role.role, &own) {
        problems.invalid(role.key, &plugin.class, &reason);
    }
}
