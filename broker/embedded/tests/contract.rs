//! The contract on the embedded log.

use sluice_client::Broker;
use sluice_contract::contract_tests;
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use std::sync::Arc;

struct Embedded {
    broker: Arc<EmbeddedBroker>,
    _folder: tempfile::TempDir,
}

impl AsRef<dyn Broker + 'static> for Embedded {
    fn as_ref(&self) -> &(dyn Broker + 'static) {
        &*self.broker
    }
}

async fn open() -> Option<Embedded> {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = EmbeddedBroker::open(EmbeddedConfig::new(folder.path())).expect("it opens");
    Some(Embedded { broker, _folder: folder })
}

contract_tests!(open);
