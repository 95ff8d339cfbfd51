//! [`Herder`]: what callers hold. Source: Kafka `org.apache.kafka.connect.runtime.Herder`.

mod change;
mod plugins;
mod read;
mod shared;

pub(crate) use shared::{Shared, uncancelled};

use crate::config_provider::ConfigTransformer;
use crate::error::HerderError;
use crate::job::{ASKED_AT_ONCE_MAX, JobContext};
use crate::lag::Lags;
use crate::listener::HerderListener;
use crate::reload;
use crate::restart::RestartPolicy;
use crate::state_loop::{Message, Messages, StateLoop};
use crate::status_writer::StatusWriter;
use crate::upgrade;
use crate::validation::WorkerDefaults;
use sluice_client::Broker;
use sluice_connect_api::PluginRegistry;
use sluice_storage::{ConfigBackingStore, OffsetBackingStore, StatusBackingStore, TargetState};
use sluice_worker::{TaskListener, Worker};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// A config as it comes from a caller; `None` is JSON's null.
pub type GivenConfig = BTreeMap<String, Option<String>>;

#[derive(Debug, Clone)]
pub struct HerderConfig {
    /// `host:port` of the advertised REST address.
    pub worker_id: String,
    pub restart: RestartPolicy,
    /// `topic.tracking.enable`
    pub topic_tracking: bool,
    /// `topic.tracking.allow.reset`
    pub topic_tracking_reset: bool,
    /// How long validation waits for the servers that a config names, so that nobody who types one is held up.
    pub check_timeout: Duration,
    /// How long a task that went over to another version of its plugin is watched before the next one follows.
    pub upgrade_probation: Duration,
    /// How often it is looked whether what configs refer to has changed.
    pub reload_interval: Duration,
    /// `retention.ms` of topics that do not say themselves, where that is known; -1: for ever.
    pub retention_ms: Option<i64>,
    pub defaults: WorkerDefaults,
}

impl HerderConfig {
    #[must_use]
    pub fn new(worker_id: &str) -> Self {
        Self {
            worker_id: worker_id.to_owned(),
            restart: RestartPolicy::default(),
            topic_tracking: true,
            topic_tracking_reset: true,
            check_timeout: Duration::from_secs(5),
            upgrade_probation: Duration::from_secs(10),
            reload_interval: Duration::from_secs(10),
            retention_ms: None,
            defaults: WorkerDefaults::default(),
        }
    }
}

/// What a herder works with.
pub struct HerderContext {
    pub broker: Arc<dyn Broker>,
    pub plugins: Arc<PluginRegistry>,
    pub configs: ConfigBackingStore,
    pub statuses: StatusBackingStore,
    pub offsets: Arc<OffsetBackingStore>,
    /// What stands for `${provider:path:key}` in configs.
    pub transformer: ConfigTransformer,
    pub config: HerderConfig,
}

/// A new connector, or another config for one.
#[derive(Debug, Clone)]
pub struct Create {
    pub name: String,
    pub config: GivenConfig,
    /// Only for a new connector.
    pub initial_state: Option<TargetState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestartRequest {
    pub include_tasks: bool,
    pub only_failed: bool,
}

/// The hub's connectors. Cheap to clone; all clones speak to the same loop.
#[derive(Clone)]
pub struct Herder {
    shared: Arc<Shared>,
}

impl Herder {
    /// Restores what the log holds and starts every connector that is to run. The worker is made here, since it reports to
    /// the herder's loop.
    pub fn start(context: HerderContext, make_worker: impl FnOnce(Arc<dyn TaskListener>) -> Worker) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (changes, seen_changes) = watch::channel(0);
        let messages = Messages(sender);
        let stored_statuses = context.statuses.load();
        let configs = Arc::new(context.configs);
        let stored = configs.connectors();
        let generations = stored_statuses.tasks.iter().map(|(_, status)| status.generation);
        let jobs = JobContext {
            worker: Arc::new(make_worker(Arc::new(HerderListener { messages: messages.clone() }))),
            plugins: Arc::clone(&context.plugins),
            configs: Arc::clone(&configs),
            statuses: StatusWriter::spawn(context.statuses),
            transformer: context.transformer.clone(),
            messages: messages.clone(),
            worker_id: context.config.worker_id.clone(),
            asking: Semaphore::new(ASKED_AT_ONCE_MAX),
            generation: AtomicU64::new(generations.max().map_or(1, |newest| newest + 1)),
        };
        let worker = Arc::clone(&jobs.worker);
        let mut state_loop = StateLoop::new(context.config.clone(), Arc::new(jobs), changes);
        state_loop.restore(stored, stored_statuses);
        tokio::spawn(state_loop.run(receiver));
        let (plugin_changes, statuses) = (context.plugins.changes(), seen_changes.clone());
        let shared = Shared {
            messages: messages.clone(),
            broker: context.broker,
            plugins: context.plugins,
            configs,
            offsets: context.offsets,
            transformer: context.transformer,
            config: context.config,
            changes: seen_changes,
            log_problem: OnceLock::new(),
            writes: tokio::sync::Mutex::new(()),
            patches: tokio::sync::Mutex::new(()),
            worker,
            redrives: tokio::sync::Mutex::new(()),
            lags: Lags::default(),
        };
        let herder = Self { shared: Arc::new(shared) };
        reload::watch(&herder);
        tokio::spawn(Arc::clone(&herder.shared).resume_redrives());
        tokio::spawn(upgrade::watch(plugin_changes, messages, statuses));
        herder
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    #[must_use]
    pub fn config(&self) -> &HerderConfig {
        &self.shared.config
    }

    #[must_use]
    pub fn cluster_id(&self) -> String {
        self.shared.broker.cluster_id()
    }

    #[must_use]
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.shared.broker
    }

    /// Changes whenever any status has.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.clone()
    }

    /// Returns when the loop has answered: what `/health` asks.
    ///
    /// # Errors
    /// [`HerderError::Stopping`].
    pub async fn ping(&self) -> Result<(), HerderError> {
        self.shared.call(|_| ()).await
    }

    /// Where to learn whether a log that is elsewhere can be reached: `None` when it can, else why not. Given once.
    pub fn watch_log(&self, problem: watch::Receiver<Option<String>>) {
        // A second one would be the same log's.
        let _ = self.shared.log_problem.set(problem);
    }

    /// Stops every task in order, stores the last statuses, ends the loop.
    pub async fn shutdown(&self) {
        let (done, is_done) = oneshot::channel();
        self.shared.messages.send(Message::Shutdown { done });
        let _ = is_done.await;
    }
}
