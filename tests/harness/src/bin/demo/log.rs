//! Where the demo's log is: in the hub, with a door for Kafka clients, or in an Apache Kafka of its own.

use std::path::Path;

use anyhow::{Context, Result, bail};
use sluice_harness::{ApacheKafka, HubOptions, apache_kafka, free_port};

/// Kafka's.
const KAFKA_PORT: u16 = 9092;

pub enum Log {
    Embedded { kafka_port: u16 },
    Kafka(Box<ApacheKafka>),
}

impl Log {
    /// Kafka's port when it is free, else any.
    pub fn embedded() -> Result<Log> {
        let kafka_port = match std::net::TcpListener::bind(("127.0.0.1", KAFKA_PORT)) {
            Ok(_) => KAFKA_PORT,
            Err(_) => free_port()?,
        };
        Ok(Log::Embedded { kafka_port })
    }

    /// Obtains Apache Kafka if need be, and starts it.
    pub async fn kafka() -> Result<Log> {
        if let Some(reason) = apache_kafka::unavailable() {
            bail!("Apache Kafka cannot be had: {reason}");
        }
        println!("obtaining and starting Apache Kafka {} (the first time takes a while)", apache_kafka::VERSION);
        let kafka = tokio::task::spawn_blocking(ApacheKafka::start).await?.context("Apache Kafka does not start")?;
        println!("Apache Kafka serves {}", kafka.bootstrap_servers());
        Ok(Log::Kafka(Box::new(kafka)))
    }

    /// What the hub is told of it.
    pub fn told(&self, hub: HubOptions, folder: &Path) -> Result<HubOptions> {
        Ok(match self {
            Log::Embedded { kafka_port } => hub.argument("--kafka-listen").argument(format!("127.0.0.1:{kafka_port}")),
            Log::Kafka(kafka) => {
                let worker = folder.join("worker.properties");
                let text = format!("bootstrap.servers={}\ngroup.id=demo\n", kafka.bootstrap_servers());
                std::fs::write(&worker, text).with_context(|| format!("cannot write {}", worker.display()))?;
                hub.argument("--config").argument(worker.to_string_lossy())
            }
        })
    }

    pub fn bootstrap_servers(&self) -> String {
        match self {
            Log::Embedded { kafka_port } => format!("127.0.0.1:{kafka_port}"),
            Log::Kafka(kafka) => kafka.bootstrap_servers(),
        }
    }

    /// SIGKILL to the Apache Kafka, if there is one.
    pub fn kill(&mut self) -> Result<()> {
        match self {
            Log::Embedded { .. } => Ok(()),
            Log::Kafka(kafka) => kafka.kill().context("cannot kill Apache Kafka"),
        }
    }

    /// After [`Log::kill`], on the same data.
    pub async fn start_again(self) -> Result<Log> {
        let Log::Kafka(mut kafka) = self else { return Ok(self) };
        let started = tokio::task::spawn_blocking(move || kafka.start_again().map(|()| kafka));
        Ok(Log::Kafka(started.await?.context("Apache Kafka does not start again")?))
    }

    /// How to read the topics with Kafka's own tools.
    pub fn reading(&self) -> String {
        let servers = self.bootstrap_servers();
        format!(
            "Kafka clients read its topics at {servers}, for instance:
  kcat -b {servers} -t access-log -C -o beginning -e -q | tail -3
  kafka-console-consumer.sh --bootstrap-server {servers} --topic shop-order_events --from-beginning"
        )
    }
}
