//! `${file:/path/x.properties:key}`: one key of a Java properties file.

use super::{AllowedPaths, ConfigProvider, ConfigProviderError};
use sluice_connect_api::properties;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

pub struct FileConfigProvider {
    allowed: AllowedPaths,
}

impl FileConfigProvider {
    #[must_use]
    pub fn new(allowed: AllowedPaths) -> Self {
        Self { allowed }
    }
}

impl ConfigProvider for FileConfigProvider {
    fn get(&self, path: &str, keys: &BTreeSet<String>) -> Result<BTreeMap<String, String>, ConfigProviderError> {
        if path.is_empty() {
            return Ok(BTreeMap::new());
        }
        let Some(file) = self.allowed.within(path) else { return Ok(BTreeMap::new()) };
        // Without the reason's details: they may quote the file.
        let text = fs::read_to_string(file).map_err(|error| {
            ConfigProviderError::new(format!("Could not read properties from file {path}: {}", error.kind()))
        })?;
        Ok(properties::parse(&text).into_iter().filter(|(key, _)| keys.contains(key)).collect())
    }
}
