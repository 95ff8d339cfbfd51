//! Clients of Kafka Connect that other people wrote, as their users start them.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use sluice_obtain::{Cache, Missing, Obtained, first_missing, run};

const PYTHON: &[Missing] = &[Missing { tool: "python3", get: "apt-get install -y python3 python3-venv" }];

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
