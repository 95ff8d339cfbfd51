//! A real Connect worker: `ConnectDistributed` of Apache Kafka on a broker of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sluice_contract::apache_kafka::{self, ApacheKafka};
use sluice_harness::{Rest, free_port, until};

use super::play::Server;

/// A cold JVM on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(120);

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

/// What Kafka alone needs: topics for its state, and that nothing waits for a second worker.
const OF_KAFKA: &str = "\
rest.advertised.host.name=127.0.0.1
config.storage.topic=connect-configs
config.storage.replication.factor=1
offset.storage.topic=connect-offsets
offset.storage.replication.factor=1
offset.storage.partitions=1
status.storage.topic=connect-status
status.storage.replication.factor=1
status.storage.partitions=1
scheduled.rebalance.max.delay.ms=0
plugin.discovery=service_load
";

/// The FileStream connectors are no part of Connect itself.
const CONNECT_FILE: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>connect-file</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>connect-file</artifactId><version>@VERSION@</version>
      <exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>
    </dependency>
  </dependencies>
</project>
"#;

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

/// A running worker. It ends when this is dropped, and with the process that started it.
pub struct ConnectWorker {
    supervisor: Child,
    log: PathBuf,
    server: Server,
    port: u16,
    kafka: ApacheKafka,
    folder: tempfile::TempDir,
}

impl ConnectWorker {
    /// Starts a broker and the worker; returns when REST answers.
    ///
    /// # Errors
    /// What stands in the way, with the end of the worker's log.
    pub async fn start() -> Result<ConnectWorker> {
        let kafka = ApacheKafka::start_with(
            &["-Xms256m", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
            "auto.create.topics.enable=true\n",
        )?;
        let plugins = apache_kafka::maven("connect-file", CONNECT_FILE)?;
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let address = format!("127.0.0.1:{port}");
        let properties = folder.path().join("worker.properties");
        let of_this = format!(
            "bootstrap.servers={}\nlisteners=http://{address}\nplugin.path={}\n",
            kafka.bootstrap_servers(),
            plugins.display()
        );
        fs::write(&properties, format!("{PROPERTIES}{OF_KAFKA}{of_this}"))?;
        let files = folder.path().join("files");
        fs::create_dir(&files)?;
        let mut java = kafka.java(&["-Xms256m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
        java.arg("org.apache.kafka.connect.cli.ConnectDistributed").arg(&properties);
        let log = folder.path().join("worker.log");
        let out = File::create(&log)?;
        let mut command = apache_kafka::supervised(folder.path(), &java);
        command.stdout(out.try_clone()?).stderr(Stdio::from(out)).envs(environment(&files));
        let supervisor = command.spawn().context("cannot start the worker")?;
        let mut worker = ConnectWorker { supervisor, log, server: Server::new(&address, files), port, kafka, folder };
        worker.until_ready(port).await?;
        Ok(worker)
    }

    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Its REST API.
    #[must_use]
    pub fn rest(&self) -> Rest {
        Rest::at(self.port)
    }

    /// Of its Apache Kafka.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        self.kafka.bootstrap_servers()
    }

    /// Its configuration.
    #[must_use]
    pub fn properties(&self) -> PathBuf {
        self.folder.path().join("worker.properties")
    }

    /// SIGTERM: it commits, and leaves its group. Its Apache Kafka stays.
    ///
    /// # Errors
    /// When it cannot be told, or waited for.
    pub async fn stop(&mut self) -> Result<()> {
        // The shell that watches over it has it as its first child.
        let shell = self.supervisor.id();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"))?;
        let java = children.split_whitespace().next().context("the worker has ended already")?;
        let told = Command::new("kill").args(["-TERM", java]).status()?;
        ensure!(told.success(), "the worker cannot be told to stop: {told}");
        // Waiting for good would close its pipe, and its folder goes then.
        let supervisor = &mut self.supervisor;
        until("the end of the worker", START_LIMIT, || {
            let ended = supervisor.try_wait();
            async move { ended?.map(drop).context("it still runs") }
        })
        .await
    }

    async fn until_ready(&mut self, port: u16) -> Result<()> {
        let rest = Rest::at(port);
        let supervisor = &mut self.supervisor;
        let ready = until("a healthy worker", START_LIMIT, || {
            let ended = supervisor.try_wait();
            let rest = &rest;
            async move {
                if let Some(status) = ended? {
                    bail!("it ended: {status}");
                }
                let answer = rest.get("/health").await?;
                if answer.status == 200 { Ok(()) } else { bail!("{answer:?}") }
            }
        });
        ready.await.with_context(|| {
            let text = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(40)..].join("\n")
        })
    }
}

impl Drop for ConnectWorker {
    fn drop(&mut self) {
        // Its supervisor ends it when the pipe closes.
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}
