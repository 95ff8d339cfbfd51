//! The broker's traits in this process, over the write-ahead log.
//!
//! [`EmbeddedBroker`] implements `sluice_client::Broker`; the runtime calls it directly, without sockets.
//!
//! What it is not: a server. Nothing listens, and a second process cannot use the same data directory.
//!
//! Invariants:
//! - The log's queue is bounded in bytes by a semaphore that `send` waits for; the writer's thread never waits.
//! - Committed group offsets have one owner, the group coordinator; they change only on the writer's thread, in the
//!   order of the log, once durable, whether the runtime or a client over the wire committed them.
//! - A transaction's markers, its group offsets and its state are one atomic append; [`Consumer`] shows committed records
//!   only.
//! - A producer is fenced before the one that replaces it exists, and that one exists only when everything its
//!   predecessor handed over has been answered.

mod admin;
mod consumer;
mod groups;
mod metrics;
mod producer;
mod transactions;
mod waiters;
mod wire;
mod wire_transactions;

pub use groups::GroupAnswer;
use groups::Groups;
use metrics::Traffic;
pub use metrics::{GroupLag, GroupMetrics, PartitionMetrics};
use parking_lot::Mutex;
use producer::{EmbeddedProducer, Fence};
use sluice_client::{Admin, AppendError, Broker, Consumer, Producer};
use sluice_log::{
    Clock, DamagedBlock, DataDir, DirStorage, DiskMetrics, Durability, FailPoints, Histogram, Log, LogOptions,
    LogParts, OpenError, PartitionInfo, RecoveryReport, Storage, SystemClock, TopicId,
};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};
use transactions::Transactions;
pub use transactions::{
    Partitions, ProducerIdAndEpoch, TransactionConfig, TransactionError, TransactionMetadata, TransactionStatus,
};
use waiters::Waiters;
use wire::ProducerIds;
pub use wire::{News, PendingAppend, Produced};
pub use wire_transactions::TransactionalAppendError;

/// Where a topic's 16 random bytes come from.
pub type Random = Arc<dyn Fn() -> [u8; 16] + Send + Sync>;

/// What an embedded broker is opened with.
#[derive(Clone)]
pub struct EmbeddedConfig {
    pub data_dir: PathBuf,
    pub durability: Durability,
    /// Appends that wait for the disk, in bytes.
    pub queue_bytes_max: usize,
    pub clock: Arc<dyn Clock>,
    pub random: Random,
    pub fail_points: FailPoints,
    /// The group coordinator's settings.
    pub groups: sluice_group::Config,
    /// The transaction coordinator's settings.
    pub transactions: TransactionConfig,
}

impl EmbeddedConfig {
    /// Fsync before every acknowledgement, 16 MiB of queue, the machine's clock.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            durability: Durability::Fsync,
            queue_bytes_max: 16 << 20,
            clock: Arc::new(SystemClock),
            random: Arc::new(|| *uuid::Uuid::new_v4().as_bytes()),
            fail_points: FailPoints::default(),
            groups: sluice_group::Config::default(),
            transactions: TransactionConfig::default(),
        }
    }
}

/// The embedded broker. Cheap handles of it are given out by the trait's methods; dropping the last closes the log.
pub struct EmbeddedBroker {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    log: Arc<Log>,
    cluster_id: String,
    groups: Arc<Groups>,
    transactions: Arc<Transactions>,
    waiters: Arc<Waiters>,
    fences: Mutex<HashMap<String, Arc<Fence>>>,
    /// One permit is one byte of queue.
    room: Arc<Semaphore>,
    queue_bytes_max: usize,
    clock: Arc<dyn Clock>,
    random: Random,
    producer_ids: tokio::sync::Mutex<ProducerIds>,
    report: RecoveryReport,
    traffic: Traffic,
    /// From being handed over until durable.
    append_latency: Arc<Histogram>,
    /// Of the real disk.
    disk: Option<Arc<DiskMetrics>>,
    _data_dir: Option<DataDir>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Here rather than where the log's last handle goes: that may be the writer's own thread.
        self.log.close();
    }
}

impl EmbeddedBroker {
    /// Locks the data directory, recovers the log and loads the committed offsets.
    ///
    /// # Errors
    /// [`OpenError`], which names what stands in the way.
    pub fn open(config: EmbeddedConfig) -> Result<Arc<Self>, OpenError> {
        let new_id = uuid::Uuid::from_bytes((config.random)()).simple().to_string();
        let data_dir = DataDir::open(&config.data_dir, &new_id[..22])?;
        let log_dir = data_dir.log_dir();
        let failed = |source| OpenError::Io { action: "open", name: log_dir.display().to_string(), source };
        let storage = Arc::new(DirStorage::open(&log_dir).map_err(failed)?);
        let disk = Some(storage.metrics());
        Self::open_on(storage, disk, Some(data_dir), config)
    }

    /// On a disk that is passed in, without a lock: for simulations.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_simulated(storage: Arc<dyn Storage>, config: EmbeddedConfig) -> Result<Arc<Self>, OpenError> {
        Self::open_on(storage, None, None, config)
    }

    fn open_on(
        storage: Arc<dyn Storage>,
        disk: Option<Arc<DiskMetrics>>,
        data_dir: Option<DataDir>,
        config: EmbeddedConfig,
    ) -> Result<Arc<Self>, OpenError> {
        let cluster_id = data_dir.as_ref().map_or("simulated", |dir| dir.cluster_id()).to_owned();
        let waiters = Arc::new(Waiters::default());
        // The semaphore bounds the queue, so that the log's own bound never blocks an async caller.
        let options =
            LogOptions { durability: config.durability, queue_bytes_max: usize::MAX, ..LogOptions::default() };
        let (log, report) = Log::open(LogParts {
            storage,
            clock: config.clock.clone(),
            fail_points: config.fail_points,
            observer: waiters.clone(),
            options,
        })?;
        let log = Arc::new(log);
        let transactions = Transactions::open(&log, &config.random, &config.clock, config.transactions)?;
        let groups = Groups::open(&log, &config.random, &config.clock, config.groups, &transactions)?;
        transactions.set_groups(&groups);
        Ok(Arc::new(Self {
            inner: Arc::new(Inner {
                log,
                cluster_id,
                groups,
                transactions,
                waiters,
                fences: Mutex::default(),
                room: Arc::new(Semaphore::new(config.queue_bytes_max)),
                queue_bytes_max: config.queue_bytes_max,
                clock: config.clock,
                random: config.random,
                // What an earlier process reserved and did not give out is left unused.
                producer_ids: tokio::sync::Mutex::default(),
                report,
                traffic: Traffic::default(),
                append_latency: Arc::default(),
                disk,
                _data_dir: data_dir,
            }),
        }))
    }

    /// What opening found: torn tails, damage.
    #[must_use]
    pub fn recovery_report(&self) -> &RecoveryReport {
        &self.inner.report
    }

    /// Sizes and offsets of every partition of a topic; `None`: there is no such topic.
    #[must_use]
    pub fn describe_partitions(&self, topic: &str) -> Option<Vec<PartitionInfo>> {
        self.inner.log.partitions(topic)
    }

    /// Why the log takes nothing any more (poisoned after a failed sync, or closed), for health checks.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.inner.log.failure().map(|error| error.to_string())
    }

    /// Reads every sealed log file and compares it with its checksums. Blocks.
    ///
    /// # Errors
    /// [`OpenError::Io`].
    pub fn verify(&self) -> Result<Vec<DamagedBlock>, OpenError> {
        self.inner.log.verify()
    }

    /// Bytes of all log files.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.inner.log.size_bytes()
    }

    /// Finishes what waits and closes the log in order. Appends are refused from now on; reading goes on. Blocks.
    pub fn close(&self) {
        self.inner.log.close();
    }
}

#[async_trait::async_trait]
impl Broker for EmbeddedBroker {
    fn admin(&self) -> Arc<dyn Admin> {
        self.inner.clone()
    }

    fn consumer(&self) -> Arc<dyn Consumer> {
        self.inner.clone()
    }

    async fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>, AppendError> {
        let producer = EmbeddedProducer::new(self.inner.clone(), transactional_id);
        // A barrier: what a predecessor handed over is durable or refused before the new one reads anything.
        let (answer, answered) = oneshot::channel();
        let barrier = self.inner.log.append(&[], None, Box::new(move |outcome| drop(answer.send(outcome))));
        barrier.map_err(|error| producer::append_error(error, &[]))?;
        match answered.await {
            Ok(Ok(_)) => Ok(Box::new(producer)),
            Ok(Err(error)) => Err(producer::append_error(error, &[])),
            Err(_) => Err(AppendError::Poisoned { reason: "the log's writer has stopped".into() }),
        }
    }

    fn cluster_id(&self) -> String {
        self.inner.cluster_id.clone()
    }
}

fn client_id(id: TopicId) -> sluice_client::TopicId {
    sluice_client::TopicId(id.0)
}
