//! What a command line asks of a cluster: topics, groups, single records. Everything here blocks.
//!
//! Nothing of it is used by the runtime; it speaks Kafka's protocol to any broker, the embedded one included.

mod consume;
mod error;
mod groups;
mod produce;
mod topics;

pub use consume::{ConsumeEnd, ConsumeOptions, ConsumedRecord, StartAt, consume};
pub use error::ToolError;
pub use groups::{GroupDetails, GroupListing, GroupMember, GroupPartition, ResetTo};
pub use produce::{NewRecord, ProduceOptions, ProducedRecord, RecordProducer};
pub use topics::{PartitionDetails, TopicDetails, TopicListing, TopicSetting};

use crate::error::Failure;
use crate::log::ClientLog;
use crate::native::consumer::{Consumer as NativeConsumer, EARLIEST, LATEST};
use crate::native::{self, PartitionList};
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::Client;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::types::RDKafkaErrorCode as Code;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One look whether a broker answers.
const LOOK: Duration = Duration::from_millis(500);
/// After this time a connection that was refused, or a name that is not known, is the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Which cluster, and librdkafka's settings for its clients (`security.protocol`, `sasl.username`, …).
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    pub settings: BTreeMap<String, String>,
    /// How long one request may take, connecting included.
    pub request_timeout: Duration,
}

impl ClusterConfig {
    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", "sluice");
        for (key, value) in &self.settings {
            config.set(key, value);
        }
        config.set("bootstrap.servers", &self.bootstrap_servers);
        config
    }
}

/// A cluster that has answered.
pub struct Cluster {
    config: ClusterConfig,
    log: ClientLog,
    admin: AdminClient<ClientLog>,
    /// For offsets by time and of groups; it reads nothing.
    offsets: NativeConsumer,
}

impl Cluster {
    /// Makes the clients and waits until a broker answers.
    ///
    /// # Errors
    /// [`ToolError::Config`], [`ToolError::Unreachable`].
    pub fn connect(config: ClusterConfig) -> Result<Self, ToolError> {
        let log = ClientLog::default();
        let refused = |failure: Failure| ToolError::Config { reason: failure.reason };
        let mut reading = config.client();
        reading.set("group.id", "sluice-reader").set("enable.auto.commit", "false");
        // Up to the high watermark: what is there, whoever may still take it back.
        reading.set("isolation.level", "read_uncommitted");
        let offsets = NativeConsumer::new(&reading, &log).map_err(refused)?;
        let admin = AdminClient::from_config_and_context(&config.client(), log.clone());
        let admin = admin.map_err(|error| refused(error.into()))?;
        let cluster = Self { config, log, admin, offsets };
        cluster.until_it_answers()?;
        Ok(cluster)
    }

    fn until_it_answers(&self) -> Result<(), ToolError> {
        let begin = Instant::now();
        loop {
            if self.client().fetch_cluster_id(LOOK).is_some() {
                return Ok(());
            }
            let said = self.log.said();
            let patience = if said.is_some() { PATIENCE.min(self.timeout()) } else { self.timeout() };
            if begin.elapsed() >= patience {
                let reason = said.unwrap_or_else(|| format!("no answer within {:?}", self.timeout()));
                let bootstrap_servers = self.config.bootstrap_servers.clone();
                return Err(ToolError::Unreachable { bootstrap_servers, reason });
            }
        }
    }

    /// Kafka's `cluster.id`.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        self.client().fetch_cluster_id(self.timeout())
    }

    fn client(&self) -> &Client<ClientLog> {
        self.admin.inner()
    }

    fn timeout(&self) -> Duration {
        self.config.request_timeout
    }

    /// # Errors
    /// [`ToolError::UnknownTopic`].
    fn partitions_of(&self, topic: &str) -> Result<Vec<i32>, ToolError> {
        let described = native::topics::describe(self.client(), topic, self.timeout());
        let described = described.map_err(|failure| self.failed(failure, topic))?;
        Ok(described.partitions.iter().map(|place| place.partition).collect())
    }

    /// For each partition the offset that `wanted` (a time in ms, [`EARLIEST`], [`LATEST`]) stands for; -1: none that late.
    fn list_offsets(&self, topic: &str, partitions: &[i32], wanted: i64) -> Result<BTreeMap<i32, i64>, ToolError> {
        let mut list = PartitionList::new();
        for partition in partitions {
            list.add(topic, *partition, wanted, "");
        }
        let asked = self.offsets.list_offsets(&mut list, self.timeout());
        asked.map_err(|failure| self.failed(failure, topic))?;
        let entries = list.entries();
        let found = entries.map(|entry| match entry.code {
            Code::NoError => Ok((entry.partition, entry.offset)),
            code => Err(self.failed(Failure::from(code), &format!("{topic}-{}", entry.partition))),
        });
        found.collect()
    }

    /// Where each partition begins and ends.
    ///
    /// # Errors
    /// [`ToolError`].
    pub fn bounds(&self, topic: &str, partitions: &[i32]) -> Result<BTreeMap<i32, (i64, i64)>, ToolError> {
        let earliest = self.list_offsets(topic, partitions, EARLIEST)?;
        let latest = self.list_offsets(topic, partitions, LATEST)?;
        let end = |partition: &i32| latest.get(partition).copied().unwrap_or(-1);
        Ok(earliest.iter().map(|(partition, start)| (*partition, (*start, end(partition)))).collect())
    }

    /// `what` the request was about.
    fn failed(&self, failure: Failure, what: &str) -> ToolError {
        error::tool_error(failure, what, |reason| self.log.explain(reason))
    }
}
