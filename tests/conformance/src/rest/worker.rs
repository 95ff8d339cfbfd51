//! The real Connect worker that the script is played against.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use sluice_harness::{ConnectOptions, Rest, Scratch};

use super::play::Server;

/// What both workers are configured with; the hub takes the same keys.
pub const PROPERTIES: &str = "\
group.id=connect-conformance
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=false
value.converter.schemas.enable=false
offset.flush.interval.ms=200
config.providers=env,file,dir
config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider
config.providers.dir.class=org.apache.kafka.common.config.provider.DirectoryConfigProvider
";

/// Environment variables that the script refers to.
#[must_use]
pub fn environment(server: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("SLUICE_CONFORMANCE_FILE", server.join("v.txt").to_string_lossy().into_owned()),
        ("SLUICE_CONFORMANCE_NAME", "v".to_owned()),
        ("SLUICE_CONFORMANCE_NUMBER", "7".to_owned()),
        ("SLUICE_CONFORMANCE_CLASS", "FileStreamSource".to_owned()),
    ]
}

/// A running worker with a folder for the script's files. It ends when this is dropped.
pub struct ConnectWorker {
    server: Server,
    worker: sluice_harness::ConnectWorker,
    _scratch: Scratch,
}

impl ConnectWorker {
    /// Starts a broker and the worker; returns when REST answers.
    ///
    /// # Errors
    /// What stands in the way, with the end of the worker's log.
    pub async fn start() -> Result<ConnectWorker> {
        let scratch = Scratch::new()?;
        let files = scratch.path("files");
        fs::create_dir(&files)?;
        let mut options = ConnectOptions::small().properties(PROPERTIES);
        for (name, value) in environment(&files) {
            options = options.environment(name, &value);
        }
        let worker = options.start().await?;
        let server = Server::new(&format!("127.0.0.1:{}", worker.rest().port()), files);
        Ok(ConnectWorker { server, worker, _scratch: scratch })
    }

    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Its REST API.
    #[must_use]
    pub fn rest(&self) -> &Rest {
        self.worker.rest()
    }

    /// Of its Apache Kafka.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        self.worker.kafka().bootstrap_servers()
    }

    /// The file with its configuration.
    #[must_use]
    pub fn properties(&self) -> PathBuf {
        self.worker.properties()
    }

    /// SIGTERM: it commits, and leaves its group. Its Apache Kafka stays.
    ///
    /// # Errors
    /// When it cannot be told, or waited for.
    pub async fn stop(&mut self) -> Result<()> {
        self.worker.stop().await
    }
}
