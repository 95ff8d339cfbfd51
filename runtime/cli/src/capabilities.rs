//! The list of capabilities that this hub offers to its plugins.

use crate::worker_config::HubConfig;
use sluice_capability::{Capability, Ceiling};
use sluice_capability_file::FileCapability;
use sluice_capability_http::HttpCapability;
use sluice_capability_object_store::ObjectStoreCapability;
use sluice_capability_sql::SqlCapability;
use std::path::PathBuf;

/// Each with its ceiling. On an address that others can reach, files are closed unless the config opens folders.
pub fn capabilities(config: &HubConfig) -> Vec<Box<dyn Capability>> {
    let forbidden = own_folders(config);
    vec![
        Box::new(FileCapability::new(&ceiling(config, "file"), forbidden.clone())),
        Box::new(ObjectStoreCapability::new(&ceiling(config, "object-store"), forbidden.clone())),
        Box::new(HttpCapability::new(&ceiling(config, "http"))),
        Box::new(SqlCapability::new(&without(ceiling(config, "sql"), &forbidden))),
    ]
}

/// What no guest may reach, whatever the ceilings say.
fn own_folders(config: &HubConfig) -> Vec<PathBuf> {
    let mut folders = vec![config.data_dir.clone(), config.cache_dir.clone()];
    folders.extend(config.plugin_path.iter().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())));
    folders
}

fn ceiling(config: &HubConfig, name: &str) -> Ceiling {
    let mut ceiling = config.ceilings.get(name).cloned().unwrap_or_default();
    if !config.rest_listen.ip().is_loopback() {
        ceiling.0.entry("roots".to_owned()).or_default();
    }
    ceiling
}

fn without(mut ceiling: Ceiling, forbidden: &[PathBuf]) -> Ceiling {
    let folders = ceiling.0.entry("forbidden".to_owned()).or_default();
    folders.extend(forbidden.iter().map(|folder| folder.display().to_string()));
    ceiling
}
