//! The real Connect worker that the script is played against.

use std::fs;
use std::path::Path;

use anyhow::Result;
use sluice_harness::{ConnectOptions, Scratch};

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
    _worker: sluice_harness::ConnectWorker,
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
        Ok(ConnectWorker { server, _worker: worker, _scratch: scratch })
    }

    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }
}
