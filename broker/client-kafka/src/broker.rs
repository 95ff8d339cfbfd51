//! The cluster: what its clients share.

use crate::admin::KafkaAdmin;
use crate::config::KafkaConfig;
use crate::consumer::KafkaConsumer;
use crate::error::{ConnectError, Failure};
use crate::log::ClientLog;
use crate::native::admin::describe_topics;
use crate::native::consumer::Consumer as NativeConsumer;
use crate::producer::{KafkaProducer, Standing};
use crate::topics::Topics;
use parking_lot::Mutex;
use rdkafka::admin::AdminClient;
use rdkafka::client::Client;
use rdkafka::config::FromClientConfigAndContext;
use sluice_client::{Admin, AdminError, AppendError, Broker, Consumer, Producer};
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// An external Apache Kafka. Cheap handles of it are given out by the trait's methods.
pub struct KafkaBroker {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub config: KafkaConfig,
    pub log: ClientLog,
    pub topics: Topics,
    /// The newest producer of each transactional id in this process.
    producers: Mutex<HashMap<String, Weak<Standing>>>,
    cluster_id: String,
    /// Taken when this goes.
    clients: Option<Arc<Clients>>,
}

pub(crate) struct Clients {
    pub admin: AdminClient<ClientLog>,
    /// For offsets by time and of groups; it reads nothing.
    pub offsets: NativeConsumer,
}

impl Clients {
    pub(crate) fn client(&self) -> &Client<ClientLog> {
        self.admin.inner()
    }
}

impl KafkaBroker {
    /// Makes the clients and waits until a broker answers.
    ///
    /// # Errors
    /// [`ConnectError`], which names what to change.
    pub async fn connect(config: KafkaConfig) -> Result<Self, ConnectError> {
        config.check()?;
        let log = ClientLog::default();
        let connecting = (config.clone(), log.clone());
        let (clients, cluster_id) = blocking(move || {
            let (config, log) = connecting;
            connect(&config, &log)
        })
        .await?;
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                log,
                topics: Topics::default(),
                producers: Mutex::default(),
                cluster_id,
                clients: Some(Arc::new(clients)),
            }),
        })
    }
}

impl KafkaBroker {
    /// Whether the cluster answers within `timeout`, asked about one topic, which need not exist.
    ///
    /// # Errors
    /// [`AdminError::Unavailable`], with what librdkafka said last.
    pub async fn ping(&self, topic: &str, timeout: Duration) -> Result<(), AdminError> {
        let topic = topic.to_owned();
        let answered = self
            .inner
            .with_clients(move |clients, _| describe_topics(clients.client(), &[&topic], timeout).map(drop))
            .await;
        answered.map_err(|failure| self.inner.unavailable(failure))
    }
}

fn connect(config: &KafkaConfig, log: &ClientLog) -> Result<(Clients, String), ConnectError> {
    let refused = |failure: Failure| ConnectError::Config { reason: failure.reason };
    let offsets = NativeConsumer::new(&config.consumer_client(), log).map_err(refused)?;
    let admin = AdminClient::from_config_and_context(&config.admin_client(), log.clone());
    let admin = admin.map_err(|error| refused(error.into()))?;
    let cluster_id = offsets.cluster_id(config.request_timeout).ok_or_else(|| ConnectError::Unreachable {
        bootstrap_servers: config.bootstrap_servers.clone(),
        reason: log.explain(&format!("no answer within {:?}", config.request_timeout)),
    })?;
    Ok((Clients { admin, offsets }, cluster_id))
}

impl Inner {
    pub(crate) fn timeout(&self) -> Duration {
        self.config.request_timeout
    }

    pub(crate) fn clients(&self) -> Arc<Clients> {
        self.clients.clone().expect("they are there until this goes")
    }

    /// Calls into librdkafka that wait.
    pub(crate) async fn with_clients<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Clients, Duration) -> T + Send + 'static,
    ) -> T {
        let (clients, timeout) = (self.clients(), self.timeout());
        blocking(move || {
            let outcome = work(&clients, timeout);
            // If this is the last handle, it is freed here rather than where futures run.
            drop(clients);
            outcome
        })
        .await
    }

    /// Makes `standing` the newest of its id; the one before is fenced.
    pub(crate) fn replace(&self, transactional_id: &str, standing: &Arc<Standing>) {
        let mut producers = self.producers.lock();
        producers.retain(|_, standing| standing.strong_count() > 0);
        let earlier = producers.insert(transactional_id.to_owned(), Arc::downgrade(standing));
        if let Some(earlier) = earlier.and_then(|earlier| earlier.upgrade()) {
            earlier.fence(transactional_id);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let clients = self.clients.take();
        // Closing a client waits for its threads.
        std::thread::spawn(move || drop(clients));
    }
}

#[async_trait::async_trait]
impl Broker for KafkaBroker {
    fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(KafkaAdmin(self.inner.clone()))
    }

    fn consumer(&self) -> Arc<dyn Consumer> {
        Arc::new(KafkaConsumer::new(self.inner.clone()))
    }

    async fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>, AppendError> {
        Ok(Box::new(KafkaProducer::open(self.inner.clone(), transactional_id).await?))
    }

    fn cluster_id(&self) -> String {
        self.inner.cluster_id.clone()
    }
}

/// Runs `work` on the blocking pool.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is being shut down, and this future with it.
        Err(_) => std::future::pending().await,
    }
}
