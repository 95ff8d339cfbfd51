//! A real Connect worker: `ConnectDistributed` of Apache Kafka on a broker of its own.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sluice_contract::apache_kafka::{self, ApacheKafka};

use crate::hub::{Usage, free_port};
use crate::{Rest, until};

/// A cold JVM on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(120);
const LOG_LINES_SHOWN: usize = 40;

/// What every worker here needs: topics for its state, and that nothing waits for a second worker.
const PROPERTIES: &str = "\
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

/// How a worker and its broker are started.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    java: &'static [&'static str],
    broker_java: &'static [&'static str],
    properties: String,
    environment: Vec<(String, String)>,
}

impl ConnectOptions {
    /// Little memory and a quick start: enough for tests.
    #[must_use]
    pub fn small() -> ConnectOptions {
        ConnectOptions {
            java: &["-Xms256m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
            broker_java: &["-Xms256m", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
            properties: String::new(),
            environment: Vec::new(),
        }
    }

    /// Heap and collector that Kafka's own scripts choose for a worker; the broker with 512 MB of heap.
    #[must_use]
    pub fn as_in_production() -> ConnectOptions {
        ConnectOptions {
            java: &[
                "-Xms256M",
                "-Xmx2G",
                "-server",
                "-XX:+UseG1GC",
                "-XX:MaxGCPauseMillis=20",
                "-XX:InitiatingHeapOccupancyPercent=35",
                "-XX:+ExplicitGCInvokesConcurrent",
                "-XX:MaxInlineLevel=15",
            ],
            broker_java: &["-Xms512m", "-Xmx512m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"],
            ..ConnectOptions::small()
        }
    }

    /// Further lines of the worker's properties: its group and its converters at least.
    #[must_use]
    pub fn properties(mut self, lines: &str) -> ConnectOptions {
        self.properties.push_str(lines);
        self
    }

    /// A variable in the worker's environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> ConnectOptions {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts a broker and the worker; returns when REST answers.
    ///
    /// # Errors
    /// What stands in the way, with the end of the worker's log.
    pub async fn start(self) -> Result<ConnectWorker> {
        let kafka = ApacheKafka::start_with(self.broker_java, "auto.create.topics.enable=true\n")?;
        let plugins = apache_kafka::maven("connect-file", CONNECT_FILE)?;
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let file = folder.path().join("worker.properties");
        let of_this = format!(
            "bootstrap.servers={}\nlisteners=http://127.0.0.1:{port}\nplugin.path={}\n",
            kafka.bootstrap_servers(),
            plugins.display()
        );
        fs::write(&file, format!("{PROPERTIES}{}{of_this}", self.properties))?;
        let mut java = kafka.java(self.java);
        java.arg("org.apache.kafka.connect.cli.ConnectDistributed").arg(&file);
        let log = folder.path().join("worker.log");
        let out = File::create(&log)?;
        let mut command = apache_kafka::supervised(folder.path(), &java);
        command.stdout(out.try_clone()?).stderr(Stdio::from(out)).envs(self.environment);
        let supervisor = command.spawn().context("cannot start the worker")?;
        let mut worker = ConnectWorker { supervisor, log, rest: Rest::at(port), kafka, folder };
        worker.until_ready().await?;
        Ok(worker)
    }
}

/// A running worker. It ends when this is dropped, and with the process that started it.
pub struct ConnectWorker {
    supervisor: Child,
    log: PathBuf,
    rest: Rest,
    kafka: ApacheKafka,
    folder: tempfile::TempDir,
}

impl ConnectWorker {
    #[must_use]
    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    /// The broker that it works on.
    #[must_use]
    pub fn kafka(&self) -> &ApacheKafka {
        &self.kafka
    }

    /// What the worker's own process used so far; its broker is another.
    ///
    /// # Errors
    /// When it is gone.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(apache_kafka::supervised_pid(&self.supervisor).context("the worker is gone")?)
    }

    /// The file with its configuration.
    #[must_use]
    pub fn properties(&self) -> PathBuf {
        self.folder.path().join("worker.properties")
    }

    /// SIGTERM: it commits, and leaves its group. Its Apache Kafka stays.
    ///
    /// # Errors
    /// When it cannot be told, or waited for.
    pub async fn stop(&mut self) -> Result<()> {
        let pid = apache_kafka::supervised_pid(&self.supervisor).context("the worker has ended already")?;
        let told = Command::new("kill").args(["-TERM", &pid.to_string()]).status()?;
        ensure!(told.success(), "the worker cannot be told to stop: {told}");
        // Waiting for good would close its pipe, and its folder goes then.
        let supervisor = &mut self.supervisor;
        until("the end of the worker", START_LIMIT, || {
            let ended = supervisor.try_wait();
            async move { ended?.map(drop).context("it still runs") }
        })
        .await
    }

    async fn until_ready(&mut self) -> Result<()> {
        let (rest, supervisor) = (&self.rest, &mut self.supervisor);
        let ready = until("a healthy worker", START_LIMIT, || {
            let ended = supervisor.try_wait();
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
            lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
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
