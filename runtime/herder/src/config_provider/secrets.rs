//! `${secrets:NAME}`: a secret that this hub keeps itself, sealed with its key file. Ours.

use super::{ConfigProvider, ConfigProviderError};
use sluice_storage::SecretFile;
use std::collections::{BTreeMap, BTreeSet};

pub struct SecretsConfigProvider {
    file: SecretFile,
}

impl SecretsConfigProvider {
    #[must_use]
    pub fn new(file: SecretFile) -> Self {
        Self { file }
    }
}

impl ConfigProvider for SecretsConfigProvider {
    fn get(&self, path: &str, keys: &BTreeSet<String>) -> Result<BTreeMap<String, String>, ConfigProviderError> {
        if !path.is_empty() {
            let message = format!("a secret of this hub has a name and no path: ${{secrets:NAME}}, not {path}");
            return Err(ConfigProviderError::new(message));
        }
        let mut values = BTreeMap::new();
        for name in keys {
            let value = self.file.get(name).map_err(|error| ConfigProviderError::new(error.to_string()))?;
            values.extend(value.map(|value| (name.clone(), value)));
        }
        Ok(values)
    }
}
