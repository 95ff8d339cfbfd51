//! What a guest may see of a config, and what the capabilities get instead.
//!
//! A guest never sees a secret: values of type PASSWORD stay out, URLs lose their credentials, and keys that belong to the
//! worker's other parts (converters, transformations, client overrides) are not its business. The capabilities get the full
//! values of the keys that are marked with `grants`.

use sluice_capability::Grants;
use sluice_connect_api::config_def::{ConfigDef, ConfigMap, Default as KeyDefault};
use sluice_data::values::java_trim;
use std::collections::BTreeMap;

/// Namespaces of a connector's config that are the worker's.
const WORKER_PREFIXES: [&str; 10] = [
    "key.converter",
    "value.converter",
    "header.converter",
    "transforms.",
    "predicates.",
    "producer.override.",
    "consumer.override.",
    "admin.override.",
    "config.providers",
    "errors.deadletterqueue.",
];
/// A key that the definition does not declare and whose name says this is taken for a secret.
const SECRET_WORDS: [&str; 7] = ["password", "passwd", "secret", "token", "credential", "private.key", "jaas"];
/// Query parameters and JDBC properties that carry credentials.
const URL_CREDENTIALS: [&str; 12] = [
    "user",
    "username",
    "uid",
    "password",
    "passwd",
    "pwd",
    "pass",
    "token",
    "access_token",
    "sslpassword",
    "api_key",
    "apikey",
];

/// The config without what is secret.
pub(crate) fn visible(def: &ConfigDef, config: &ConfigMap) -> ConfigMap {
    let is_hidden = |key: &str| match def.get(key) {
        Some(declared) => declared.kind == sluice_connect_api::ConfigType::Password,
        None => {
            let lower = key.to_ascii_lowercase();
            WORKER_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
                || SECRET_WORDS.iter().any(|word| lower.contains(word))
        }
    };
    let seen = config.iter().filter(|(key, _)| !is_hidden(key));
    seen.map(|(key, value)| (key.clone(), without_credentials(value))).collect()
}

/// Puts back what [`visible`] took away: secrets, and every key that grants something, as the connector's own config has it.
/// So a guest can neither lose a secret on the way to its tasks nor grant itself anything.
pub(crate) fn restore(def: &ConfigDef, original: &ConfigMap, task: &mut ConfigMap) {
    for key in def.keys().filter(|key| key.grants.is_some()) {
        task.remove(&key.name);
    }
    let shown = visible(def, original);
    for (key, value) in original {
        let is_granting = def.get(key).is_some_and(|declared| declared.grants.is_some());
        let is_changed_for_guest = shown.get(key) != Some(value);
        let is_as_shown = task.get(key).is_none_or(|given| shown.get(key) == Some(given));
        if is_granting || (is_changed_for_guest && is_as_shown) {
            task.insert(key.clone(), value.clone());
        }
    }
}

/// The values of all keys marked `grants = <capability>.<setting>[@<name>]`, by capability; defaults included.
pub(crate) fn grants(def: &ConfigDef, config: &ConfigMap) -> BTreeMap<String, Grants> {
    let mut granted: BTreeMap<String, Grants> = BTreeMap::new();
    for key in def.keys() {
        let Some((capability, setting)) = key.grants.as_deref().and_then(|grants| grants.split_once('.')) else {
            continue;
        };
        let default = match &key.default {
            KeyDefault::Value(value) => Some(value),
            KeyDefault::Required | KeyDefault::Unset => None,
        };
        let Some(value) = config.get(&key.name).or(default) else {
            continue;
        };
        let (setting, name) = setting.split_once('@').unwrap_or((setting, "default"));
        let grants = granted.entry(capability.to_owned()).or_default();
        // As Kafka reads a value: a line end behind what a file holds is no part of it.
        let value = java_trim(value).to_owned();
        grants.named.entry(name.to_owned()).or_default().0.insert(setting.to_owned(), value);
    }
    granted
}

/// A URL (also a JDBC one, also one of several in a list) without user, password and tokens; any other text as it is.
pub(crate) fn without_credentials(value: &str) -> String {
    if !value.contains("://") && !value.starts_with("jdbc:") {
        return value.to_owned();
    }
    value.split(',').map(url_without_credentials).collect::<Vec<_>>().join(",")
}

fn url_without_credentials(url: &str) -> String {
    let mut text = without_userinfo(url);
    text = without_parameters(&text, '?', '&');
    if url.trim_start().starts_with("jdbc:") {
        text = without_parameters(&text, ';', ';');
    }
    text
}

/// `scheme://user:password@host/path` becomes `scheme://host/path`. The authority ends at the first `/`, `?` or `#`; the
/// userinfo at its last `@`, so that a password with an `@` in it goes too.
fn without_userinfo(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let authority = &rest[..rest.find(['/', '?', '#', ';']).unwrap_or(rest.len())];
    // A password may hold a `/`: everything before an `@` that is followed by a host and a path is userinfo as well.
    match authority.rfind('@').or_else(|| unescaped_userinfo(rest)) {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// The `@` behind `user:pass/word` in a URL whose password was not percent-encoded.
fn unescaped_userinfo(rest: &str) -> Option<usize> {
    let before_query = &rest[..rest.find('?').unwrap_or(rest.len())];
    let at = before_query.rfind('@')?;
    let colon = before_query.find(':')?;
    let port = before_query[colon + 1..].chars().take_while(char::is_ascii_digit).count();
    let is_port = before_query[colon + 1 + port..].starts_with('/') && port > 0;
    (colon < at && !is_port).then_some(at)
}

/// Leaves out `name=value` pairs that carry credentials, behind the first `start`.
fn without_parameters(url: &str, start: char, separator: char) -> String {
    let Some((before, parameters)) = url.split_once(start) else {
        return url.to_owned();
    };
    let (parameters, fragment) = parameters.split_once('#').map_or((parameters, None), |(p, f)| (p, Some(f)));
    let is_secret = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        URL_CREDENTIALS.contains(&name.as_str()) || SECRET_WORDS.iter().any(|word| name.contains(word))
    };
    let kept: Vec<&str> = parameters.split(separator).filter(|pair| !is_secret(pair)).collect();
    let mut text = before.to_owned();
    if !kept.is_empty() && kept != [""] {
        text.push(start);
        text.push_str(&kept.join(&separator.to_string()));
    }
    if let Some(fragment) = fragment {
        text.push('#');
        text.push_str(fragment);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_connect_api::{ConfigKey, ConfigType, Importance};

    fn def() -> ConfigDef {
        let key = |name: &str, kind, grants: &str| ConfigKey {
            grants: Some(grants.to_owned()),
            ..ConfigKey::new(name, kind, KeyDefault::Unset, Importance::High, "")
        };
        ConfigDef::default()
            .define(key("connection.url", ConfigType::String, "sql.url"))
            .define(key("connection.password", ConfigType::Password, "sql.password"))
            .define(key("other.url", ConfigType::String, "sql.url@other"))
            .define(ConfigKey::new("token.table", ConfigType::String, KeyDefault::Unset, Importance::Low, ""))
    }

    fn config(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn urls_lose_their_credentials() {
        let cases = [
            ("https://u:p@host/path?x=1", "https://host/path?x=1"),
            ("postgres://u:p%40q@h:5432/db", "postgres://h:5432/db"),
            ("postgres://u:p@q@h:5432/db", "postgres://h:5432/db"),
            ("postgres://u:p/q@h:5432/db", "postgres://h:5432/db"),
            ("http://host:80/a@b", "http://host:80/a@b"),
            ("jdbc:postgresql://h/db?user=u&password=p&ssl=true", "jdbc:postgresql://h/db?ssl=true"),
            ("jdbc:postgresql://h/db?Password=p", "jdbc:postgresql://h/db"),
            ("jdbc:sqlserver://h:1;databaseName=d;user=u;password=p", "jdbc:sqlserver://h:1;databaseName=d"),
            ("jdbc:mysql://u:p@h/db", "jdbc:mysql://h/db"),
            ("http://a:b@h1,http://c:d@h2", "http://h1,http://h2"),
            ("/plain/path@x", "/plain/path@x"),
            ("https://h/?access_token=abc#frag", "https://h/#frag"),
        ];
        for (given, expected) in cases {
            assert_eq!(without_credentials(given), expected, "{given}");
        }
    }

    #[test]
    fn a_guest_sees_neither_passwords_nor_what_belongs_to_the_worker() {
        let config = config(&[
            ("connection.url", "postgres://u:p@h/db"),
            ("connection.password", "p"),
            ("token.table", "t"),
            ("some.secret.thing", "s"),
            ("value.converter.basic.auth.user.info", "u:p"),
            ("topic", "t"),
        ]);
        let seen = visible(&def(), &config);
        let expected: Vec<(&str, &str)> =
            vec![("connection.url", "postgres://h/db"), ("token.table", "t"), ("topic", "t")];
        assert_eq!(seen.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn task_configs_get_their_secrets_back_and_grants_cannot_be_widened() {
        let original =
            config(&[("connection.url", "postgres://u:p@h/db"), ("connection.password", "p"), ("topic", "t")]);
        let mut task = visible(&def(), &original);
        task.insert("other.url".to_owned(), "postgres://elsewhere/db".to_owned());
        task.insert("connection.url".to_owned(), "file:///etc/shadow".to_owned());
        task.insert("topic".to_owned(), "changed".to_owned());
        restore(&def(), &original, &mut task);
        let mut expected = original.clone();
        expected.insert("topic".to_owned(), "changed".to_owned());
        assert_eq!(task, expected);
    }

    #[test]
    fn grants_are_collected_by_capability_and_name() {
        let config = config(&[("connection.url", " u1"), ("connection.password", "p\n"), ("other.url", "u2")]);
        let grants = grants(&def(), &config);
        let sql = &grants["sql"];
        assert_eq!(sql.get("default").unwrap().get("url"), Some("u1"));
        assert_eq!(sql.get("default").unwrap().get("password"), Some("p"));
        assert_eq!(sql.get("other").unwrap().get("url"), Some("u2"));
    }
}
