//! The contract on our own wire server, reached as any Kafka client reaches it.
//!
//! Each case has a server of its own on a free loopback port.

use sluice_client::Broker;
use sluice_client_kafka::{KafkaBroker, KafkaConfig};
use sluice_contract::contract_tests;
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_server::{Endpoint, Listener, Server, ServerConfig};

struct Wire {
    kafka: KafkaBroker,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl AsRef<dyn Broker + 'static> for Wire {
    fn as_ref(&self) -> &(dyn Broker + 'static) {
        &self.kafka
    }
}

async fn open() -> Option<Wire> {
    let folder = tempfile::tempdir().expect("a folder");
    let embedded = EmbeddedBroker::open(EmbeddedConfig::new(folder.path())).expect("it opens");
    let listener = Listener::new(Endpoint { host: "127.0.0.1".into(), port: 0 });
    // As the Apache Kafka that the same cases run against.
    let config = ServerConfig { auto_create: false, ..ServerConfig::new(vec![listener]) };
    let server = Server::bind(config, embedded).await.expect("it listens");
    let kafka = KafkaBroker::connect(KafkaConfig::new(server.local_addrs()[0].to_string()));
    Some(Wire { kafka: kafka.await.expect("it is reached"), _server: server, _folder: folder })
}

contract_tests!(open);
