//! Our hub and a real Connect worker as processes, each with a log, under the same configs over the same REST API.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sluice_harness::{Answer, ConnectOptions, ConnectWorker, Hub, Rest, Scratch, Usage, free_port, until};

use crate::kafka::Class;

/// A worker that rebalances answers 409 for so long at most.
const REBALANCE_LIMIT: Duration = Duration::from_secs(60);
const CONFLICT: u16 = 409;
/// Connectors bring their own converters.
const CONNECT: &str = "\
group.id=connect-bench
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
";

/// Who runs the connectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The hub with its embedded log, one process. `Class::Fsync` is its default.
    Sluice(Class),
    /// A distributed worker and a broker with Kafka's defaults, two processes: acknowledged is what the page cache has.
    KafkaConnect,
}

/// One that runs; it ends with this value.
pub struct Running {
    kind: Kind,
    /// Where Kafka clients find the log.
    pub address: String,
    _scratch: Scratch,
}

enum Kind {
    Sluice(Box<Hub>),
    KafkaConnect(Box<ConnectWorker>),
}

/// What the processes of a side took so far.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// Of the hub, log included; of the Connect worker without its broker.
    pub runtime: Usage,
    /// Of the Connect worker's broker.
    pub broker: Option<Usage>,
}

impl Used {
    /// Processor seconds of the runtime since then.
    pub fn runtime_seconds_since(&self, before: &Used) -> f64 {
        self.runtime.cpu_seconds - before.runtime.cpu_seconds
    }

    /// Processor seconds of everything since then: hub, or worker and broker.
    pub fn all_seconds_since(&self, before: &Used) -> f64 {
        let broker = |used: &Used| used.broker.map_or(0.0, |usage| usage.cpu_seconds);
        self.runtime_seconds_since(before) + broker(self) - broker(before)
    }
}

impl Side {
    /// Starts it with an empty log.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn start(self) -> Result<Running> {
        let scratch = Scratch::new()?;
        let Side::Sluice(class) = self else {
            let worker =
                ConnectOptions::as_in_production().properties(CONNECT).start().await.context("Kafka Connect")?;
            let address = worker.kafka().bootstrap_servers();
            return Ok(Running { kind: Kind::KafkaConnect(Box::new(worker)), address, _scratch: scratch });
        };
        let config = scratch.path("worker.properties");
        let durability = if class == Class::Fsync { "fsync" } else { "os" };
        std::fs::write(&config, format!("log.durability={durability}\n"))?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let hub = Hub::at(scratch.path("data")).argument("--kafka-listen").argument(&address);
        let hub = hub.argument("--config").argument(config.display().to_string()).start().await?;
        Ok(Running { kind: Kind::Sluice(Box::new(hub)), address, _scratch: scratch })
    }
}

impl Running {
    pub fn rest(&self) -> &Rest {
        match &self.kind {
            Kind::Sluice(hub) => hub.rest(),
            Kind::KafkaConnect(worker) => worker.rest(),
        }
    }

    pub fn used(&self) -> Result<Used> {
        Ok(match &self.kind {
            Kind::Sluice(hub) => Used { runtime: hub.usage()?, broker: None },
            Kind::KafkaConnect(worker) => {
                let broker = Usage::of(worker.kafka().pid().context("the broker is gone")?)?;
                Used { runtime: worker.usage()?, broker: Some(broker) }
            }
        })
    }

    /// Creates a connector, as soon as no rebalance is in the way.
    pub async fn create(&self, name: &str, config: &Value) -> Result<()> {
        let body = json!({"name": name, "config": config});
        unless_rebalancing(|| self.rest().post("/connectors", &body)).await.with_context(|| format!("creating {name}"))
    }

    /// Deletes it likewise.
    pub async fn delete(&self, name: &str) -> Result<()> {
        let path = format!("/connectors/{name}");
        unless_rebalancing(|| self.rest().delete(&path)).await.with_context(|| format!("deleting {name}"))
    }
}

async fn unless_rebalancing<F>(mut ask: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<Answer>>,
{
    let answer = until("the end of a rebalance", REBALANCE_LIMIT, || {
        let asked = ask();
        async move {
            let answer = asked.await?;
            if answer.status == CONFLICT { bail!("{}", answer.text) } else { Ok(answer) }
        }
    });
    answer.await?.ok().map(drop)
}
