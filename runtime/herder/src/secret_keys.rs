//! Which values of a config are secrets, and what stands in answers instead of them.

use crate::config_provider::Resolved;
use sluice_connect_api::{ConfigMap, PluginRegistry, config_def};
use sluice_storage::{MASK, mask_url_credentials};
use sluice_worker::Hidden;
use std::collections::BTreeSet;

/// The keys of `config` whose values are secret as a whole: PASSWORD keys of its plugins, and keys of unknown plugins or
/// Kafka clients that are named like one.
pub(crate) fn secret_keys(registry: &PluginRegistry, config: &ConfigMap) -> BTreeSet<String> {
    let mut defined = BTreeSet::new();
    let mut secrets = BTreeSet::new();
    for (prefix, class) in plugins_of(config) {
        let Ok((_, def)) = registry.config_def(class) else { continue };
        defined.extend(def.keys().map(|key| format!("{prefix}{}", key.name)));
        secrets.extend(def.passwords().map(|key| format!("{prefix}{key}")));
    }
    secrets.extend(config.keys().filter(|key| !defined.contains(*key) && is_named_like_a_secret(key)).cloned());
    secrets.retain(|key| config.contains_key(key));
    secrets
}

/// The keys that are named like a secret, whatever plugin they belong to.
pub(crate) fn named_like_secrets(config: &ConfigMap) -> BTreeSet<String> {
    config.keys().filter(|key| is_named_like_a_secret(key)).cloned().collect()
}

/// Every plugin that a config names, with the prefix of its own keys.
fn plugins_of(config: &ConfigMap) -> Vec<(String, &str)> {
    let class = |key: &str| config.get(key).map(|class| class.trim());
    let mut plugins: Vec<(String, &str)> =
        class("connector.class").map(|class| (String::new(), class)).into_iter().collect();
    for key in crate::common_keys::converter_key_names() {
        plugins.extend(class(key).map(|class| (format!("{key}."), class)));
    }
    for list in ["transforms", "predicates"] {
        for alias in config.get(list).map(|text| config_def::parse_list(text)).unwrap_or_default() {
            let prefix = format!("{list}.{alias}.");
            plugins.extend(class(&format!("{prefix}type")).map(|class| (prefix.clone(), class)));
        }
    }
    plugins
}

fn is_named_like_a_secret(key: &str) -> bool {
    const ENDINGS: [&str; 11] = [
        "password",
        "passwd",
        "secret",
        "secret.key",
        "secret.access.key",
        "jaas.config",
        "access.token",
        "api.key",
        "private.key",
        "auth.user.info",
        "auth.token",
    ];
    let key = key.to_ascii_lowercase();
    ENDINGS.iter().any(|ending| key.ends_with(ending))
}

/// The config as it may be shown. References to a config provider are no secrets and stay as they are.
pub(crate) fn masked(config: &ConfigMap, secrets: &BTreeSet<String>) -> ConfigMap {
    let mask = |(key, value): (&String, &String)| (key.clone(), masked_value(value, secrets.contains(key)));
    config.iter().map(mask).collect()
}

fn masked_value(value: &str, is_secret: bool) -> String {
    if is_secret && !is_reference(value) && !value.is_empty() {
        return MASK.to_owned();
    }
    mask_url_credentials(value).unwrap_or_else(|| value.to_owned())
}

/// `${provider:…}` and nothing around it.
fn is_reference(value: &str) -> bool {
    value.starts_with("${") && value.find('}') == Some(value.len() - 1)
}

/// What must not show in a text about a connector that runs with this config: passwords, and what references stand for.
pub(crate) fn hidden(raw: &ConfigMap, resolved: &Resolved, secrets: &BTreeSet<String>) -> Hidden {
    let keys = secrets.iter().chain(&resolved.keys);
    let pair = |key: &String| {
        let shown = raw.get(key).filter(|_| resolved.keys.contains(key)).map_or(MASK, String::as_str);
        Some((resolved.config.get(key)?.clone(), shown.to_owned()))
    };
    Hidden::new(keys.filter_map(pair))
}

/// Puts stored values back where a caller sent what it had been shown.
pub(crate) fn unmask(config: &mut ConfigMap, stored: &ConfigMap, secrets: &BTreeSet<String>) {
    for (key, value) in config {
        if !value.contains(MASK) {
            continue;
        }
        if let Some(kept) = stored.get(key).filter(|kept| masked_value(kept, secrets.contains(key)) == *value) {
            value.clone_from(kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_was_shown_and_comes_back_keeps_the_stored_value() {
        let stored =
            config(&[("a.password", "one"), ("url", "http://u:two@host"), ("file", "/x"), ("ref.secret", "${env:X}")]);
        let secrets = secret_keys(&PluginRegistry::default(), &stored);
        let mut shown = masked(&stored, &secrets);
        let expected =
            [("a.password", MASK), ("url", "http://u:********@host"), ("file", "/x"), ("ref.secret", "${env:X}")];
        assert_eq!(shown, config(&expected));
        unmask(&mut shown, &stored, &secrets);
        assert_eq!(shown, stored);
    }

    #[test]
    fn a_url_with_another_host_does_not_take_the_stored_password_along() {
        let stored = config(&[("url", "http://u:two@host")]);
        let mut sent = config(&[("url", "http://u:********@evil")]);
        unmask(&mut sent, &stored, &BTreeSet::new());
        assert_eq!(sent["url"], "http://u:********@evil");
    }
}
