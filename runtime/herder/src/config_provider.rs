//! Values that stand elsewhere: `${provider:path:key}` in a config is replaced when a connector or task starts, and never before.
//!
//! The log and every answer hold the reference; only validation and tasks see what it stands for. A reference to an unknown
//! provider, or to a key that its provider does not have, stays as it is.
//!
//! Source: Kafka `org.apache.kafka.common.config.ConfigTransformer` and `…config.provider.*`; [`secrets`] is ours.

mod directory;
mod environment;
pub mod examples;
mod file;
mod secrets;

pub use directory::DirectoryConfigProvider;
pub use environment::EnvVarConfigProvider;
pub use file::FileConfigProvider;
pub use secrets::SecretsConfigProvider;

use regex::Regex;
use sluice_connect_api::config_def::Default as KeyDefault;
use sluice_connect_api::{ConfigDef, ConfigKey, ConfigMap, ConfigType, Importance};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, LazyLock};

pub const FILE_CLASS: &str = "org.apache.kafka.common.config.provider.FileConfigProvider";
pub const DIRECTORY_CLASS: &str = "org.apache.kafka.common.config.provider.DirectoryConfigProvider";
pub const ENVIRONMENT_CLASS: &str = "org.apache.kafka.common.config.provider.EnvVarConfigProvider";
/// Ours. It is always there, and `config.providers` cannot name it.
pub const SECRETS_CLASS: &str = "io.sluice.SecretsConfigProvider";

/// What `config.providers` may name.
pub const CLASSES: [&str; 3] = [FILE_CLASS, DIRECTORY_CLASS, ENVIRONMENT_CLASS];

/// The keys of a provider, below `config.providers.NAME.param.`.
#[must_use]
pub fn config_def(class: &str) -> ConfigDef {
    let text = |name: &str, about: &str| {
        ConfigKey::new(name, ConfigType::String, KeyDefault::Unset, Importance::Medium, about)
    };
    match class {
        FILE_CLASS | DIRECTORY_CLASS => ConfigDef::default().define(text(
            "allowed.paths",
            "Comma-separated absolute paths below which references may read; absent: everywhere. A reference elsewhere stays as it is.",
        )),
        ENVIRONMENT_CLASS => ConfigDef::default().define(text(
            "allowlist.pattern",
            "A regular expression that matches the whole name of each variable that may be read; absent: all.",
        )),
        _ => ConfigDef::default(),
    }
}

/// `${provider:key}` or `${provider:path:key}`.
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}").expect("the pattern is Kafka's and does not change")
});

/// Why references cannot be resolved. The text never holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigProviderError {
    pub message: String,
}

impl ConfigProviderError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// Where values come from. Asked on a thread that may block.
pub trait ConfigProvider: Send + Sync {
    /// The values of `keys` at `path` (empty: none was given). What it does not have stays out.
    ///
    /// # Errors
    /// When what stands there cannot be read.
    fn get(&self, path: &str, keys: &BTreeSet<String>) -> Result<BTreeMap<String, String>, ConfigProviderError>;
}

/// Resolves references by the providers' names. Cheap to clone.
#[derive(Clone, Default)]
pub struct ConfigTransformer {
    providers: Arc<BTreeMap<String, Box<dyn ConfigProvider>>>,
}

/// A config with its references resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    pub config: ConfigMap,
    /// Keys in which something was resolved.
    pub keys: BTreeSet<String>,
}

impl ConfigTransformer {
    #[must_use]
    pub fn new(providers: BTreeMap<String, Box<dyn ConfigProvider>>) -> Self {
        Self { providers: Arc::new(providers) }
    }

    /// # Errors
    /// The first provider that cannot read what a reference names.
    pub async fn transform(&self, config: &ConfigMap) -> Result<Resolved, ConfigProviderError> {
        if self.providers.is_empty() || !config.values().any(|value| value.contains("${")) {
            return Ok(Resolved { config: config.clone(), keys: BTreeSet::new() });
        }
        let (this, config) = (self.clone(), config.clone());
        let resolved = tokio::task::spawn_blocking(move || this.transform_now(&config)).await;
        resolved.unwrap_or_else(|error| Err(ConfigProviderError::new(format!("a config provider failed: {error}"))))
    }

    /// As [`ConfigTransformer::transform`], on this thread.
    ///
    /// # Errors
    /// As [`ConfigTransformer::transform`].
    pub fn transform_now(&self, config: &ConfigMap) -> Result<Resolved, ConfigProviderError> {
        let mut wanted: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
        for reference in config.values().flat_map(|value| references(value)) {
            wanted.entry((reference.provider, reference.path)).or_default().insert(reference.key.to_owned());
        }
        let mut found: BTreeMap<(&str, &str), BTreeMap<String, String>> = BTreeMap::new();
        for ((provider, path), keys) in &wanted {
            if let Some(asked) = self.providers.get(*provider) {
                found.insert((provider, path), asked.get(path, keys)?);
            }
        }
        let mut resolved = Resolved::default();
        for (key, value) in config {
            let mut text = String::new();
            let mut at = 0;
            for reference in references(value) {
                let values = found.get(&(reference.provider, reference.path));
                let Some(known) = values.and_then(|values| values.get(reference.key)) else { continue };
                text.push_str(&value[at..reference.start]);
                text.push_str(known);
                at = reference.end;
                resolved.keys.insert(key.clone());
            }
            text.push_str(&value[at..]);
            resolved.config.insert(key.clone(), text);
        }
        Ok(resolved)
    }
}

impl Resolved {
    /// A task's config as it may be stored: what a connector handed on as it was resolved is a reference again.
    /// Source: Kafka `AbstractHerder.reverseTransform`.
    #[must_use]
    pub fn reversed(&self, raw: &ConfigMap, task: &ConfigMap) -> ConfigMap {
        let reverse = |(key, value): (&String, &String)| {
            let is_same = self.keys.contains(key) && self.config.get(key) == Some(value);
            let raw = raw.get(key).filter(|_| is_same);
            (key.clone(), raw.unwrap_or(value).clone())
        };
        task.iter().map(reverse).collect()
    }

    /// `text` with references in place of what they stand for.
    #[must_use]
    pub fn hidden(&self, raw: &ConfigMap, text: &str) -> String {
        let values = self.keys.iter().filter_map(|key| Some((self.config.get(key)?, raw.get(key)?)));
        let hide = |text: String, (value, reference): (&String, &String)| match value.trim() {
            "" => text,
            value => text.replace(value, reference),
        };
        values.fold(text.to_owned(), hide)
    }

    /// Equal for equal values: tells whether what references stand for has changed.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for key in &self.keys {
            (key, self.config.get(key)).hash(&mut hasher);
        }
        hasher.finish()
    }
}

struct Reference<'a> {
    start: usize,
    end: usize,
    provider: &'a str,
    path: &'a str,
    key: &'a str,
}

fn references(value: &str) -> impl Iterator<Item = Reference<'_>> {
    REFERENCE.captures_iter(value).filter_map(|found| {
        let whole = found.get(0)?;
        Some(Reference {
            start: whole.start(),
            end: whole.end(),
            provider: found.get(1)?.as_str(),
            path: found.get(3).map_or("", |path| path.as_str()),
            key: found.get(4)?.as_str(),
        })
    })
}

/// Folders that a provider may read in; none: all. Source: Kafka `AllowedPaths`.
#[derive(Debug, Clone, Default)]
pub struct AllowedPaths(Option<Vec<PathBuf>>);

impl AllowedPaths {
    /// `allowed.paths`: a comma-separated list.
    ///
    /// # Errors
    /// A path that is not absolute or is not there.
    pub fn parse(text: Option<&str>) -> Result<Self, ConfigProviderError> {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(Self(None)) };
        let mut allowed = Vec::new();
        for path in text.split(',').map(|path| PathBuf::from(path.trim())) {
            if !path.is_absolute() {
                return Err(ConfigProviderError::new(format!("Path {} is not absolute", path.display())));
            }
            if !path.exists() {
                return Err(ConfigProviderError::new(format!("Path {} does not exist", path.display())));
            }
            allowed.push(normalized(&path));
        }
        Ok(Self(Some(allowed)))
    }

    /// The path without `..`, when it lies where it may.
    fn within(&self, path: &str) -> Option<PathBuf> {
        let path = normalized(Path::new(path));
        let is_allowed = self.0.as_ref().is_none_or(|allowed| allowed.iter().any(|folder| path.starts_with(folder)));
        if !is_allowed {
            tracing::warn!(path = %path.display(), "a config refers to a path outside of allowed.paths; the reference stays as it is");
        }
        is_allowed.then_some(path)
    }
}

fn normalized(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn config(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn transformer(folder: &Path) -> ConfigTransformer {
        fs::write(folder.join("a.properties"), "user=ada\npassword=ge:heim\n").unwrap();
        fs::write(folder.join("token"), "t0ken\n").unwrap();
        let allowed = || AllowedPaths::parse(Some(folder.to_str().unwrap())).unwrap();
        let env = |name: &str| (name == "HOME_OF").then(|| "here".to_owned());
        let providers: BTreeMap<String, Box<dyn ConfigProvider>> = BTreeMap::from([
            ("file".to_owned(), Box::new(FileConfigProvider::new(allowed())) as Box<dyn ConfigProvider>),
            ("dir".to_owned(), Box::new(DirectoryConfigProvider::new(allowed()))),
            ("env".to_owned(), Box::new(EnvVarConfigProvider::new(None, env).unwrap())),
        ]);
        ConfigTransformer::new(providers)
    }

    fn resolved(transformer: &ConfigTransformer, value: &str) -> Result<String, String> {
        let resolved = transformer.transform_now(&config(&[("k", value)])).map_err(|error| error.to_string())?;
        Ok(resolved.config["k"].clone())
    }

    #[test]
    fn references_are_resolved_and_what_is_around_them_stays() {
        let folder = tempfile::tempdir().unwrap();
        let transformer = transformer(folder.path());
        let here = folder.path().display();
        for (value, expected) in [
            (format!("${{file:{here}/a.properties:user}}"), "ada"),
            (format!("<${{file:{here}/a.properties:user}}:${{file:{here}/a.properties:password}}>"), "<ada:ge:heim>"),
            (format!("${{dir:{here}:token}}"), "t0ken\n"),
            ("${env:HOME_OF}/x".to_owned(), "here/x"),
            ("plain".to_owned(), "plain"),
        ] {
            assert_eq!(resolved(&transformer, &value).unwrap(), expected, "{value}");
        }
        for stays in [
            format!("${{file:{here}/a.properties:nothing}}"),
            format!("${{dir:{here}:nothing}}"),
            format!("${{dir:{here}/nothing:token}}"),
            "${env:NOT_SET}".to_owned(),
            "${vault:path:key}".to_owned(),
            "${topic}".to_owned(),
            "${file:/etc/passwd:root}".to_owned(),
            format!("${{file:{here}/../../etc/passwd:root}}"),
        ] {
            assert_eq!(resolved(&transformer, &stays).unwrap(), stays);
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let transformer = transformer(folder.path());
        let missing = format!("${{file:{}/missing.properties:k}}", folder.path().display());
        assert!(resolved(&transformer, &missing).unwrap_err().contains("missing.properties"));
        assert!(resolved(&transformer, "${env:path:HOME_OF}").unwrap_err().contains("Path is not supported"));
    }

    #[test]
    fn a_resolved_value_never_goes_back_into_what_is_stored_or_said() {
        let folder = tempfile::tempdir().unwrap();
        let reference = format!("${{file:{}/a.properties:password}}", folder.path().display());
        let raw = config(&[("password", &reference), ("file", "x")]);
        let resolved = transformer(folder.path()).transform_now(&raw).unwrap();
        let task = config(&[("password", "ge:heim"), ("file", "x"), ("shard", "1")]);
        let expected = config(&[("password", &reference), ("file", "x"), ("shard", "1")]);
        assert_eq!(resolved.reversed(&raw, &task), expected);
        assert_eq!(resolved.hidden(&raw, "no login with ge:heim"), format!("no login with {reference}"));
    }

    #[test]
    fn the_digest_changes_with_what_a_reference_stands_for() {
        let folder = tempfile::tempdir().unwrap();
        let transformer = transformer(folder.path());
        let raw = config(&[("k", &format!("${{dir:{}:token}}", folder.path().display()))]);
        let before = transformer.transform_now(&raw).unwrap().digest();
        assert_eq!(transformer.transform_now(&raw).unwrap().digest(), before);
        fs::write(folder.path().join("token"), "other").unwrap();
        assert_ne!(transformer.transform_now(&raw).unwrap().digest(), before);
    }

    #[test]
    fn a_folder_that_is_allowed_must_be_there() {
        assert!(AllowedPaths::parse(Some("relative")).is_err());
        assert!(AllowedPaths::parse(Some("/no/such/folder")).is_err());
        assert!(AllowedPaths::parse(Some(" ")).is_ok());
    }
}
