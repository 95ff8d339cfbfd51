//! Our broker and Apache Kafka as processes, each with its defaults for what is measured.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sluice_contract::apache_kafka::ApacheKafka;
use sluice_harness::{Hub, Scratch, Usage, free_port};

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Sluice,
    ApacheKafka,
}

/// When an acknowledgement is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Once it is on the disk: our default; `flush.messages=1` and `acks=all` there.
    Fsync,
    /// Once the operating system has it: `log.durability=os`; Apache Kafka's default with `acks=1`.
    PageCache,
}

/// A server that was started for a bench; it ends with this value.
pub struct Server {
    kind: Kind,
    address: String,
    data: PathBuf,
    _scratch: Scratch,
}

enum Kind {
    Sluice(Box<Hub>),
    ApacheKafka(Box<ApacheKafka>),
}

impl Server {
    /// Starts it on an empty data folder.
    ///
    /// # Errors
    /// What it printed last.
    pub async fn start(peer: Peer, class: Class) -> Result<Server> {
        let scratch = Scratch::new()?;
        if peer == Peer::ApacheKafka {
            // The collector and the heap that its own scripts would choose for a small broker.
            let java = ["-Xms512m", "-Xmx512m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"];
            let properties = "log.retention.check.interval.ms=5000\nlog.segment.delete.delay.ms=1000\n";
            let kafka = ApacheKafka::start_with(&java, properties).context("Apache Kafka")?;
            let (address, data) = (kafka.bootstrap_servers(), kafka.data_dir());
            return Ok(Server { kind: Kind::ApacheKafka(Box::new(kafka)), address, data, _scratch: scratch });
        }
        let config = scratch.path("worker.properties");
        let durability = if class == Class::Fsync { "fsync" } else { "os" };
        std::fs::write(&config, format!("log.durability={durability}\n"))?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let data = scratch.path("data");
        let hub = Hub::at(&data).argument("--kafka-listen").argument(&address);
        let hub = hub.argument("--config").argument(config.display().to_string()).start().await?;
        Ok(Server { kind: Kind::Sluice(Box::new(hub)), address, data, _scratch: scratch })
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where the log lies.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What its process took so far.
    ///
    /// # Errors
    /// When it is gone.
    pub fn usage(&self) -> Result<Usage> {
        match &self.kind {
            Kind::Sluice(hub) => hub.usage(),
            Kind::ApacheKafka(kafka) => Usage::of(kafka.pid().context("Apache Kafka is gone")?),
        }
    }
}
