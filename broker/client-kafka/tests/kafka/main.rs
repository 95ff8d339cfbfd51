//! Against one real Apache Kafka: the contract, and what only an external cluster brings.

mod cluster;
mod foreign;

use sluice_client::Broker;
use sluice_client_kafka::{KafkaBroker, KafkaConfig};
use sluice_contract::{apache_kafka, contract_tests};

struct Kafka(KafkaBroker);

impl AsRef<dyn Broker + 'static> for Kafka {
    fn as_ref(&self) -> &(dyn Broker + 'static) {
        &self.0
    }
}

/// `None`: it cannot be had on this machine.
async fn servers() -> Option<String> {
    let kafka = tokio::task::spawn_blocking(apache_kafka::shared).await.expect("it starts")?;
    Some(kafka.bootstrap_servers())
}

async fn open() -> Option<Kafka> {
    let config = KafkaConfig::new(servers().await?);
    Some(Kafka(KafkaBroker::connect(config).await.expect("it is reached")))
}

contract_tests!(open);
