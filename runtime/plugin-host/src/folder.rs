//! `plugin.path`: components as files, added, replaced and removed while the hub runs.

use crate::error::LoadError;
use crate::host::PluginHost;
use crate::plugin::Plugin;
use sluice_connect_api::PluginRegistry;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How soon a new file is noticed.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The `.wasm` files of a folder, by name. Anything else in it, `.cwasm` above all, is left alone.
pub(crate) fn components(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let failed = |source| LoadError::Read { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Plugins of one folder, kept in step with its files.
pub struct PluginFolder {
    host: Arc<PluginHost>,
    registry: Arc<PluginRegistry>,
    folder: PathBuf,
    files: BTreeMap<PathBuf, KnownFile>,
}

struct KnownFile {
    stamp: (Option<SystemTime>, u64),
    plugin: Option<Arc<Plugin>>,
}

impl PluginFolder {
    #[must_use]
    pub fn new(host: Arc<PluginHost>, registry: Arc<PluginRegistry>, folder: PathBuf) -> Self {
        Self { host, registry, folder, files: BTreeMap::new() }
    }

    /// Loads what is new or changed, removes what is gone; running tasks keep the plugin they were made from. Answers the
    /// files that were refused, once each.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub async fn refresh(&mut self) -> Result<Vec<(PathBuf, LoadError)>, LoadError> {
        let found = components(&self.folder)?;
        let gone: Vec<PathBuf> = self.files.keys().filter(|path| !found.contains(path)).cloned().collect();
        for path in gone {
            self.remove(&path);
        }
        let mut refused = Vec::new();
        for path in found {
            let stamp = stamp(&path);
            if self.files.get(&path).is_some_and(|known| known.stamp == stamp) {
                continue;
            }
            let plugin = match self.host.load_file(&path).await {
                Ok(plugin) => Some(plugin),
                Err(error) => {
                    refused.push((path.clone(), error));
                    None
                }
            };
            // The new one first, so that no class is ever missing in between.
            if let Some(plugin) = &plugin {
                plugin.register(&self.registry);
            }
            self.remove(&path);
            if let Some(plugin) = &plugin {
                tracing::info!(class = plugin.definition().class, version = plugin.definition().version, file = %path.display(), "plugin added");
            }
            self.files.insert(path, KnownFile { stamp, plugin });
        }
        Ok(refused)
    }

    /// Refreshes once a second until dropped.
    pub async fn watch(mut self) {
        let mut interval = tokio::time::interval(WATCH_INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            match self.refresh().await {
                Ok(refused) => refused.iter().for_each(|(_, error)| tracing::warn!(%error, "a plugin was refused")),
                Err(error) => tracing::debug!(%error, "plugin.path cannot be listed"),
            }
        }
    }

    fn remove(&mut self, path: &Path) {
        let Some(plugin) = self.files.remove(path).and_then(|known| known.plugin) else { return };
        let definition = plugin.definition();
        tracing::info!(class = definition.class, version = definition.version, file = %path.display(), "plugin removed");
        plugin.unregister(&self.registry);
    }
}

fn stamp(path: &Path) -> (Option<SystemTime>, u64) {
    let metadata = std::fs::metadata(path).ok();
    let modified = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
    (modified, metadata.map_or(0, |metadata| metadata.len()))
}
