//! `sluice doctor`: what a hub needs on this machine, checked one by one.

use crate::args::{Output, Remote, StartOptions};
use crate::client::Client;
use crate::components::COMPONENTS;
use crate::exit::{Exit, chain};
use crate::output::{items, print, table, text};
use crate::worker_config::HubConfig;
use serde_json::{Value, json};
use std::path::Path;

pub async fn run(options: StartOptions, remote: &Remote) -> Result<(), Exit> {
    let mut checks = Vec::new();
    match HubConfig::load(&options) {
        Ok(config) => {
            add(&mut checks, "worker config", Ok(ignored(&config)));
            add(&mut checks, "data directory", writable(&config.data_dir));
            add(&mut checks, "compile cache", writable(&config.cache_dir));
            add(&mut checks, "open files", open_files());
            for path in &config.plugin_path {
                add(&mut checks, "plugin folder", readable(path));
            }
            for file in &options.connectors {
                let read = crate::read_connector_file(file).map(|connector| connector.name);
                add(&mut checks, "connector file", read.map_err(|error| error.to_string()));
            }
        }
        Err(error) => add(&mut checks, "worker config", Err(chain(&error))),
    }
    let built_in = match COMPONENTS.len() {
        0 => Err("none in this binary; run cargo xtask setup and build again, or use plugin.path".to_owned()),
        count => Ok(format!("{count} in this binary")),
    };
    add(&mut checks, "connectors", built_in);
    let hub = Client::new(remote)?;
    let answer = hub.get("/").await.map(|root| format!("answers at {} (Kafka {})", hub.url(), text(&root, "version")));
    // A hub that does not run is no fault of this machine.
    add(&mut checks, "hub", Ok(answer.unwrap_or_else(|_| format!("none at {}", hub.url()))));

    let failed = checks.iter().filter(|check| check["ok"] == false).count();
    print(remote.output, &Value::Array(checks), |json| {
        let mut rows = table(&["check", "result", "detail"]);
        for check in items(json) {
            let result = if check["ok"] == true { "ok" } else { "FAILED" };
            rows.add_row([text(check, "check"), result.to_owned(), text(check, "detail")]);
        }
        rows
    });
    if remote.output == Output::Table && failed == 0 {
        println!("\neverything is in order");
    }
    if failed == 0 { Ok(()) } else { Err(Exit::Failed { message: format!("{failed} check(s) failed") }) }
}

fn add(checks: &mut Vec<Value>, check: &str, result: Result<String, String>) {
    let (ok, detail) = match result {
        Ok(detail) => (true, detail),
        Err(detail) => (false, detail),
    };
    checks.push(json!({ "check": check, "ok": ok, "detail": detail }));
}

fn ignored(config: &HubConfig) -> String {
    if config.ignored.is_empty() {
        return "valid".to_owned();
    }
    format!("valid; without effect: {}", config.ignored.join(", "))
}

/// Whether this user can make files there, without leaving one behind.
fn writable(folder: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(failed)?;
    let probe = folder.join(".doctor");
    std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).map_err(failed)?;
    Ok(folder.display().to_string())
}

fn readable(folder: &Path) -> Result<String, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let is_component =
        |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "wasm");
    let count = entries.flatten().filter(is_component).count();
    Ok(format!("{} with {count} component(s)", folder.display()))
}

/// The log, databases and plugins hold files open.
fn open_files() -> Result<String, String> {
    const NEEDED: u64 = 1_024;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match limit {
        Some(limit) if limit < NEEDED => Err(format!("{limit} are allowed, {NEEDED} are needed; raise ulimit -n")),
        Some(limit) => Ok(format!("{limit} are allowed")),
        None => Ok("unlimited".to_owned()),
    }
}
