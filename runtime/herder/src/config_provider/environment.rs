//! `${env:NAME}`: an environment variable of the hub.

use super::{ConfigProvider, ConfigProviderError};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// Reads one variable; the process's environment is read where the hub is put together.
pub type ReadVariable = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

pub struct EnvVarConfigProvider {
    allowed: Option<Regex>,
    read: ReadVariable,
}

impl EnvVarConfigProvider {
    /// `allowlist_pattern` must match a whole name; none: every name.
    ///
    /// # Errors
    /// A pattern that is none.
    pub fn new(
        allowlist_pattern: Option<&str>,
        read: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, ConfigProviderError> {
        let compile = |pattern: &str| {
            Regex::new(&format!("^(?:{pattern})$"))
                .map_err(|error| ConfigProviderError::new(format!("allowlist.pattern={pattern}: {error}")))
        };
        Ok(Self { allowed: allowlist_pattern.map(compile).transpose()?, read: Box::new(read) })
    }
}

impl ConfigProvider for EnvVarConfigProvider {
    fn get(&self, path: &str, keys: &BTreeSet<String>) -> Result<BTreeMap<String, String>, ConfigProviderError> {
        if !path.is_empty() {
            let message = format!("Path is not supported for EnvVarConfigProvider, invalid value '{path}'");
            return Err(ConfigProviderError::new(message));
        }
        let is_allowed = |name: &&String| self.allowed.as_ref().is_none_or(|allowed| allowed.is_match(name));
        Ok(keys.iter().filter(is_allowed).filter_map(|name| Some((name.clone(), (self.read)(name)?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_match_as_a_whole_are_read() {
        let provider = EnvVarConfigProvider::new(Some("APP_.*"), |name| Some(format!("value of {name}"))).unwrap();
        let keys = BTreeSet::from(["APP_X".to_owned(), "MY_APP_X".to_owned()]);
        let found: Vec<String> = provider.get("", &keys).unwrap().into_keys().collect();
        assert_eq!(found, ["APP_X"]);
        assert!(EnvVarConfigProvider::new(Some("("), |_| None).is_err());
    }
}
