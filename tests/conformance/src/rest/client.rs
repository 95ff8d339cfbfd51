//! Clients of Kafka Connect that other people wrote, as their users start them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use sluice_obtain::{Cache, Missing, Obtained, first_missing, run};

const PYTHON: &[Missing] = &[Missing { tool: "python3", get: "apt-get install -y python3 python3-venv" }];
const NODE: &[Missing] = &[Missing { tool: "npm", get: "apt-get install -y nodejs npm" }];
const PROGRAM: &str = "kafka_connect_client.mjs";

/// Python with the PyPI client `kafka-connect-py`, and the program in `python/` that uses it; or what it lacks here.
///
/// # Errors
/// When the packages cannot be had.
pub fn python_client() -> Result<Obtained> {
    if let Some(missing) = first_missing(PYTHON) {
        return Ok(Err(missing));
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let requirements = source.join("requirements.txt");
    let folder = Cache { suite: "conformance" }.made("python", &[&requirements], |folder, log| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")), log)?;
        run(Command::new(folder.join("venv/bin/pip")).args(["install", "--no-deps", "-r"]).arg(&requirements), log)
    })?;
    let mut command = Command::new(folder.join("venv/bin/python"));
    command.arg("-u").arg(source.join("kafka_connect_client.py"));
    Ok(Ok(command))
}

/// Node with the npm client `kafka-connect-client`, and the program in `node/` that uses it; or what it lacks here.
///
/// # Errors
/// When the packages cannot be had.
pub fn node_client() -> Result<Obtained> {
    if let Some(missing) = first_missing(NODE) {
        return Ok(Err(missing));
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("node");
    let files = ["package.json", "package-lock.json", PROGRAM].map(|name| source.join(name));
    let all: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let folder = Cache { suite: "conformance" }.made("node", &all, |folder, log| {
        for file in &all {
            // Beside the modules, because Node looks for them upwards from the program.
            fs::copy(file, folder.join(file.file_name().unwrap_or_default()))?;
        }
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder), log)
    })?;
    let mut command = Command::new("node");
    command.arg(folder.join(PROGRAM));
    Ok(Ok(command))
}
