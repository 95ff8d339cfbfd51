//! The hub's log: embedded, or in an Apache Kafka; and what of the hub's state is read from it before anything runs.

use crate::broker;
use crate::exit::{Exit, chain};
use crate::kafka_log::KafkaLog;
use crate::worker_config::HubConfig;
use sluice_client::Broker;
use sluice_client_kafka::{ConnectError, KafkaBroker};
use sluice_data::TaskId;
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_schema_registry::SCHEMAS_TOPIC;
use sluice_storage::{
    CONFIG_TOPIC, ConfigBackingStore, OFFSET_TOPIC, OffsetBackingStore, PLAN_TOPIC, STATUS_TOPIC, Secrets,
    StatusBackingStore, TopicLog, TopicLogConfig,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Offsets of one connector stay together; several partitions let many connectors append at once.
const OFFSET_PARTITIONS: i32 = 1;
/// Transactional ids that are taken over at once.
const FENCED_AT_ONCE: usize = 16;
/// Between two looks whether an external log answers, and how long an answer may take.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Which log it is; both serve the same traits.
#[derive(Clone)]
pub enum Log {
    Embedded(Arc<EmbeddedBroker>),
    Kafka(Arc<KafkaBroker>),
}

/// The hub's own topics, read to their ends.
pub struct State {
    pub configs: ConfigBackingStore,
    pub statuses: StatusBackingStore,
    pub offsets: OffsetBackingStore,
    pub plans: TopicLog,
}

impl Log {
    /// Opens the data directory, or reaches the cluster.
    pub async fn open(config: &HubConfig) -> Result<Self, Exit> {
        match &config.kafka {
            Some(kafka) => connect(config, kafka).await,
            None => {
                let embedded = config.broker.embedded(config.data_dir.clone());
                let embedded = EmbeddedConfig { durability: config.durability, ..embedded };
                broker::open(embedded).await.map(Self::Embedded)
            }
        }
    }

    #[must_use]
    pub fn broker(&self) -> Arc<dyn Broker> {
        match self {
            Self::Embedded(broker) => broker.clone(),
            Self::Kafka(broker) => broker.clone(),
        }
    }

    /// `None`: it is elsewhere.
    #[must_use]
    pub fn embedded(&self) -> Option<&Arc<EmbeddedBroker>> {
        match self {
            Self::Embedded(broker) => Some(broker),
            Self::Kafka(_) => None,
        }
    }

    /// Looks from time to time whether a log that is elsewhere answers, for as long as `told` is listened to.
    pub async fn watch(self, topic: Arc<str>, told: watch::Sender<Option<String>>) {
        let Self::Kafka(broker) = self else { return };
        while !told.is_closed() {
            tokio::time::sleep(PROBE_INTERVAL).await;
            let problem = broker.ping(&topic, PROBE_TIMEOUT).await.err().map(|error| error.to_string());
            let was_away = told.borrow().is_some();
            match (&problem, was_away) {
                (Some(problem), false) => tracing::error!(problem, "Apache Kafka does not answer; tasks wait for it"),
                (None, true) => tracing::info!("Apache Kafka answers again; tasks go on"),
                _ => {}
            }
            told.send_replace(problem);
        }
    }
}

async fn connect(config: &HubConfig, kafka: &KafkaLog) -> Result<Log, Exit> {
    // The key that seals passwords stays on this machine.
    std::fs::create_dir_all(&config.data_dir).map_err(|error| Exit::Failed {
        message: format!("cannot make the data directory {}: {error}", config.data_dir.display()),
    })?;
    tracing::info!(servers = kafka.cluster.bootstrap_servers, "the log is in an Apache Kafka; connecting");
    let connected = KafkaBroker::connect(kafka.cluster.clone()).await;
    let broker = connected.map_err(|error| {
        let message = chain(&error);
        match error {
            ConnectError::Unreachable { .. } => Exit::KafkaUnreachable { message },
            ConnectError::Reserved { .. } | ConnectError::Config { .. } => Exit::Usage { message },
        }
    })?;
    Ok(Log::Kafka(Arc::new(broker)))
}

impl State {
    /// Reads the hub's topics, creating what is missing. Whatever an earlier process of this hub left open in a log that
    /// is elsewhere is ended first, so that everything it committed is seen.
    pub async fn read(log: &Log, config: &HubConfig, secrets: Secrets) -> Result<Self, Exit> {
        let broker = log.broker();
        let topics = config.kafka.clone().map_or_else(
            || Topics {
                configs: TopicLogConfig::new(CONFIG_TOPIC, 1),
                statuses: TopicLogConfig::new(STATUS_TOPIC, 1),
                offsets: TopicLogConfig::new(OFFSET_TOPIC, OFFSET_PARTITIONS),
                plans: TopicLogConfig::new(PLAN_TOPIC, 1),
            },
            |kafka| Topics {
                configs: kafka.configs,
                statuses: kafka.statuses,
                offsets: kafka.offsets,
                plans: kafka.plans,
            },
        );
        let (configs, statuses) = tokio::join!(
            ConfigBackingStore::open_topic(&*broker, topics.configs, secrets),
            StatusBackingStore::open_topic(&*broker, topics.statuses),
        );
        let configs = configs.map_err(|error| Exit::failed(&error))?;
        let statuses = statuses.map_err(|error| Exit::failed(&error))?;
        if let Log::Kafka(_) = log {
            end_earlier_tasks(&broker, config, &configs, &statuses).await?;
        }
        let (offsets, plans) =
            tokio::join!(OffsetBackingStore::open(&*broker, topics.offsets), TopicLog::open(&*broker, topics.plans));
        let offsets = offsets.map_err(|error| Exit::failed(&error))?;
        let plans = plans.map_err(|error| Exit::failed(&error))?;
        Ok(Self { configs, statuses, offsets, plans })
    }
}

/// Where the schemas of the registry in this hub lie. On a log that others use too, not in `_schemas`: that may be a
/// Confluent registry's, which hands out ids of its own.
pub fn schemas_topic(config: &HubConfig) -> TopicLogConfig {
    match &config.kafka {
        None => TopicLogConfig::new(SCHEMAS_TOPIC, 1),
        Some(kafka) => TopicLogConfig {
            topic: format!("{}-schemas", kafka.configs.topic).into(),
            partitions: 1,
            ..kafka.configs.clone()
        },
    }
}

struct Topics {
    configs: TopicLogConfig,
    statuses: TopicLogConfig,
    offsets: TopicLogConfig,
    plans: TopicLogConfig,
}

/// Fences every task that an earlier process may have run, which ends its transaction: an open one would hide what other
/// tasks have committed behind it. Source: KIP-618, "zombie fencing".
async fn end_earlier_tasks(
    broker: &Arc<dyn Broker>,
    config: &HubConfig,
    configs: &ConfigBackingStore,
    statuses: &StatusBackingStore,
) -> Result<(), Exit> {
    let mut tasks: BTreeSet<TaskId> = statuses.load().tasks.into_iter().map(|(id, _)| id).collect();
    for (name, connector) in configs.connectors() {
        let count = connector.task_configs.map_or(0, |configs| configs.len()) as u32;
        tasks.extend((0..count).map(|index| TaskId::new(name.clone(), index)));
    }
    let permits = Arc::new(Semaphore::new(FENCED_AT_ONCE));
    let mut fencing = JoinSet::new();
    for task in tasks {
        let (broker, permits, id) = (broker.clone(), permits.clone(), config.worker.transactional_id(&task));
        fencing.spawn(async move {
            let _permit = permits.acquire_owned().await;
            broker.producer(&id).await.map(drop)
        });
    }
    while let Some(fenced) = fencing.join_next().await {
        fenced.map_err(|error| Exit::failed(&error))?.map_err(|error| Exit::failed(&error))?;
    }
    Ok(())
}
