//! `sluice plugin …`: plugins of a running hub over REST, component files by themselves.

use crate::args::{Output, PluginCommand, Remote, StartOptions};
use crate::capabilities::capabilities;
use crate::client::{Client, segment};
use crate::exit::{Exit, chain};
use crate::output::{items, print, table, text};
use crate::worker_config::{HubConfig, home};
use serde_json::{Value, json};
use sluice_connect_api::config_def::Default as KeyDefault;
use sluice_plugin_host::{GuestLimits, HostConfig, Plugin, PluginHost};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub async fn run(command: PluginCommand, remote: &Remote) -> Result<(), Exit> {
    match command {
        PluginCommand::List { all } => list(remote, all).await,
        PluginCommand::Inspect { plugin } => {
            let path = Path::new(&plugin);
            if path.extension().is_some_and(|extension| extension == "wasm") || path.is_file() {
                inspect_file(remote, path).await
            } else {
                inspect_installed(remote, &plugin).await
            }
        }
        PluginCommand::Validate { file } => {
            let plugin = load(&file).await?;
            println!("{} is {} {}", file.display(), plugin.definition().class, plugin.definition().version);
            Ok(())
        }
        PluginCommand::Install { file, plugin_dir } => install(&file, &folder(plugin_dir)).await,
        PluginCommand::Remove { name, plugin_dir } => remove(&name, &folder(plugin_dir)),
        PluginCommand::Reference { folder } => crate::reference::run(folder.as_deref()).await,
    }
}

async fn list(remote: &Remote, all: bool) -> Result<(), Exit> {
    let client = Client::new(remote)?;
    let plugins = client.get(&format!("/connector-plugins?connectorsOnly={}", !all)).await?;
    print(remote.output, &plugins, |json| {
        let mut rows = table(&["class", "type", "version"]);
        for plugin in items(json) {
            rows.add_row([text(plugin, "class"), text(plugin, "type"), text(plugin, "version")]);
        }
        rows
    });
    Ok(())
}

async fn inspect_installed(remote: &Remote, plugin: &str) -> Result<(), Exit> {
    let keys = Client::new(remote)?.get(&format!("/connector-plugins/{}/config", segment(plugin))).await?;
    print(remote.output, &keys, |json| {
        let mut rows = table(&["key", "type", "default", "documentation"]);
        for key in items(json) {
            let default = if key["required"] == true { "(required)".to_owned() } else { text(key, "default_value") };
            rows.add_row([text(key, "name"), text(key, "type"), default, text(key, "documentation")]);
        }
        rows
    });
    Ok(())
}

async fn inspect_file(remote: &Remote, path: &Path) -> Result<(), Exit> {
    let plugin = load(path).await?;
    let definition = plugin.definition();
    let keys: Vec<Value> = definition
        .config
        .keys()
        .map(|key| {
            let default = match &key.default {
                KeyDefault::Required => "(required)",
                KeyDefault::Unset => "",
                KeyDefault::Value(value) => value,
            };
            json!({ "name": key.name, "default": default, "grants": key.grants, "documentation": key.documentation })
        })
        .collect();
    let shown = json!({
        "class": definition.class, "version": definition.version, "aliases": definition.aliases, "abi": plugin.abi(),
        "digest": plugin.digest(), "capabilities": definition.capabilities, "config": keys,
    });
    if remote.output == Output::Table {
        println!("class         {}", definition.class);
        println!("version       {}", definition.version);
        println!("aliases       {}", definition.aliases.join(", "));
        println!("abi           sluice:connector@{}", plugin.abi());
        println!("sha-256       {}", plugin.digest());
        println!("capabilities  {}\n", definition.capabilities.join(", "));
    }
    print(remote.output, &shown, |json| {
        let mut rows = table(&["key", "default", "grants", "documentation"]);
        for key in items(&json["config"]) {
            rows.add_row(["name", "default", "grants", "documentation"].map(|member| text(key, member)));
        }
        rows
    });
    Ok(())
}

/// Loads a component as the hub would, with nothing granted.
async fn load(path: &Path) -> Result<Arc<Plugin>, Exit> {
    let config = HubConfig::load(&StartOptions::default()).map_err(|error| Exit::failed(&error))?;
    let host = HostConfig { cache_dir: config.cache_dir.join("components"), limits: GuestLimits::default() };
    let host = PluginHost::new(host, capabilities(&config)).map_err(|error| Exit::failed(&error))?;
    host.load_file(path).await.map_err(|error| Exit::Invalid { message: chain(&error) })
}

/// Where a hub with default settings and `plugin.path` of this folder finds plugins.
fn folder(given: Option<PathBuf>) -> PathBuf {
    given.unwrap_or_else(|| home("XDG_DATA_HOME", ".local/share").join("plugins"))
}

async fn install(file: &Path, folder: &Path) -> Result<(), Exit> {
    let plugin = load(file).await?;
    let failed = |error: std::io::Error| Exit::Failed { message: format!("{}: {error}", folder.display()) };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let name = file.file_name().ok_or_else(|| Exit::Usage { message: format!("{} is no file", file.display()) })?;
    let unfinished = folder.join(format!("{}.new", name.display()));
    // A running hub must never see half a component.
    std::fs::copy(file, &unfinished).map_err(failed)?;
    std::fs::rename(&unfinished, folder.join(name)).map_err(failed)?;
    let definition = plugin.definition();
    let wants =
        if definition.capabilities.is_empty() { "nothing".to_owned() } else { definition.capabilities.join(", ") };
    println!(
        "{} {} installed in {}; it may be granted: {wants}",
        definition.class,
        definition.version,
        folder.display()
    );
    println!("a hub uses it when its plugin.path names that folder");
    Ok(())
}

fn remove(name: &str, folder: &Path) -> Result<(), Exit> {
    let file = if name.ends_with(".wasm") { name.to_owned() } else { format!("{name}.wasm") };
    let is_plain = Path::new(&file).file_name().is_some_and(|plain| plain == file.as_str());
    if !is_plain {
        return Err(Exit::Usage { message: format!("{name} must be the name of a file in the plugin folder") });
    }
    let path = folder.join(&file);
    std::fs::remove_file(&path).map_err(|error| Exit::NotFound { message: format!("{}: {error}", path.display()) })?;
    println!("{file} removed from {}; tasks that run keep it until they restart", folder.display());
    Ok(())
}
