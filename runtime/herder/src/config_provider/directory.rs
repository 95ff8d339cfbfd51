//! `${dir:/path:file}`: the whole content of a file that lies directly in a folder, as Kubernetes mounts secrets.

use super::{AllowedPaths, ConfigProvider, ConfigProviderError};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path};

pub struct DirectoryConfigProvider {
    allowed: AllowedPaths,
}

impl DirectoryConfigProvider {
    #[must_use]
    pub fn new(allowed: AllowedPaths) -> Self {
        Self { allowed }
    }
}

impl ConfigProvider for DirectoryConfigProvider {
    fn get(&self, path: &str, keys: &BTreeSet<String>) -> Result<BTreeMap<String, String>, ConfigProviderError> {
        let mut values = BTreeMap::new();
        if path.is_empty() {
            return Ok(values);
        }
        let Some(folder) = self.allowed.within(path) else { return Ok(values) };
        for key in keys.iter().filter(|key| is_a_name(key)) {
            let file = folder.join(key);
            if !file.is_file() {
                continue;
            }
            let text = fs::read_to_string(&file).map_err(|error| {
                ConfigProviderError::new(format!(
                    "Could not read file {} for property {key}: {}",
                    file.display(),
                    error.kind()
                ))
            })?;
            values.insert(key.clone(), text);
        }
        Ok(values)
    }
}

/// A file in the folder itself, not one below or above it.
fn is_a_name(key: &str) -> bool {
    let mut components = Path::new(key).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(_)), None))
}
