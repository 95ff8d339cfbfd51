//! How far each sink is behind. It is read from the log when somebody asks, and kept for a moment: many ask at a time.

use crate::herder::Shared;
use crate::offsets::consumer_group;
use sluice_connect_api::ConfigMap;
use sluice_connect_api::connector::ConnectorKind;
use sluice_data::ConnectorName;
use sluice_worker::{PartitionLag, sink_lag};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// So old an answer may be.
pub(crate) const FRESH: Duration = Duration::from_secs(5);
/// A log that is elsewhere and slow must not hold up who asks; the next one gets what this one did not.
const PATIENCE: Duration = Duration::from_secs(2);

type ByConnector = Arc<BTreeMap<ConnectorName, Vec<PartitionLag>>>;

#[derive(Default)]
pub(crate) struct Lags(tokio::sync::Mutex<Option<(Instant, ByConnector)>>);

struct Sink {
    name: ConnectorName,
    config: ConfigMap,
    /// That it is known to have read.
    topics: BTreeSet<String>,
}

impl Lags {
    pub(crate) async fn of(&self, shared: &Shared) -> ByConnector {
        let mut kept = self.0.lock().await;
        if let Some((at, lags)) = &*kept
            && at.elapsed() < FRESH
        {
            return Arc::clone(lags);
        }
        let mut lags = BTreeMap::new();
        // What was found by then counts.
        let _ = tokio::time::timeout(PATIENCE, read(shared, &mut lags)).await;
        let lags = Arc::new(lags);
        *kept = Some((Instant::now(), Arc::clone(&lags)));
        lags
    }
}

async fn read(shared: &Shared, lags: &mut BTreeMap<ConnectorName, Vec<PartitionLag>>) {
    let sinks = shared.call(|state| {
        let sinks = state.live().filter(|(_, one)| one.kind == Some(ConnectorKind::Sink));
        let sink = |(name, one): (&ConnectorName, &crate::connector_state::ConnectorState)| Sink {
            name: name.clone(),
            config: one.config.clone(),
            topics: one.topics.clone(),
        };
        sinks.map(sink).collect::<Vec<_>>()
    });
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    for Sink { name, config, topics } in sinks.await.unwrap_or_default() {
        let group = consumer_group(&config);
        let read = sink_lag(&*shared.broker, &group, topics, (now_ms, shared.config.retention_ms)).await;
        match read {
            Ok(lag) => drop(lags.insert(name, lag)),
            Err(error) => tracing::debug!(connector = %name, "the lag cannot be read: {error}"),
        }
    }
}
