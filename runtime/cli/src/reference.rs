//! `sluice plugin reference`: every key of the worker and of the plugins in this binary, as `.properties` files. `configs/reference/` is
//! its output, which a test compares.

use crate::args::StartOptions;
use crate::capabilities::capabilities;
use crate::exit::Exit;
use crate::standalone::load_components;
use crate::worker_config::HubConfig;
use crate::worker_definition::worker_definition;
use sluice_connect_api::config_def::reference;
use sluice_connect_api::connector::ConnectorKind;
use sluice_connect_api::{ConfigDef, PluginRegistry};
use sluice_herder::common_config_def;
use sluice_plugin_host::{GuestLimits, HostConfig, PluginHost};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Writes a file for each into the folder; without one, everything is printed.
pub async fn run(folder: Option<&Path>) -> Result<(), Exit> {
    let pages = pages().await?;
    let Some(folder) = folder else {
        for (name, text) in pages {
            println!("# {name}\n\n{text}");
        }
        return Ok(());
    };
    let failed = |error: std::io::Error| Exit::Failed { message: format!("{}: {error}", folder.display()) };
    std::fs::create_dir_all(folder).map_err(failed)?;
    for (name, text) in pages {
        std::fs::write(folder.join(name), text).map_err(failed)?;
    }
    Ok(())
}

/// File name → content.
async fn pages() -> Result<BTreeMap<String, String>, Exit> {
    let config =
        HubConfig::load(&StartOptions::default()).map_err(|error| Exit::Usage { message: error.to_string() })?;
    let host = HostConfig { cache_dir: config.cache_dir.join("components"), limits: GuestLimits::default() };
    let host = Arc::new(PluginHost::new(host, capabilities(&config)).map_err(|error| Exit::failed(&error))?);
    let plugins = Arc::new(PluginRegistry::default());
    sluice_converters::register(&plugins);
    sluice_transforms::register(&plugins);
    load_components(&host, &plugins).await;
    let mut pages = BTreeMap::new();
    pages.insert(
        "worker.properties".to_owned(),
        page("The worker: `sluice start --config FILE`.", &worker_definition()),
    );
    for (name, kind, what) in [
        ("any-source.properties", ConnectorKind::Source, "Keys that every source connector has."),
        ("any-sink.properties", ConnectorKind::Sink, "Keys that every sink connector has."),
    ] {
        pages.insert(name.to_owned(), page(what, &common_config_def(kind)));
    }
    for plugin in plugins.list() {
        let Ok((class, def)) = plugins.config_def(&plugin.class) else { continue };
        // A dollar in a file's name is a nuisance in shells.
        let name = format!("{}-{}.properties", plugin.kind, class.replace('$', "-"));
        pages.insert(name, page(&format!("The {} {class}.", plugin.kind), &def));
    }
    Ok(pages)
}

fn page(what: &str, def: &ConfigDef) -> String {
    let keys = reference::properties(def);
    let keys = if keys.is_empty() { "# It has no keys.\n".to_owned() } else { keys };
    format!("# {what}\n# Made by `sluice plugin reference`; changes here are lost.\n\n{keys}")
}
