//! Connectors whose configs refer to files, variables or secrets start anew when those change: `config.action.reload`.
//!
//! Kafka's providers may say when a value expires; the ones here cannot, so it is looked. Source: Kafka `config.action.reload`.

use crate::connector_state::Work;
use crate::herder::{Herder, Shared};
use crate::state_loop::StateLoop;
use sluice_connect_api::ConfigMap;
use sluice_data::ConnectorName;
use sluice_storage::TargetState;
use std::sync::Weak;

const RELOAD: &str = "config.action.reload";

/// Looks again and again until the herder is gone.
pub(crate) fn watch(herder: &Herder) {
    let interval = herder.config().reload_interval;
    let shared = std::sync::Arc::downgrade(herder.shared());
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(interval).await;
            if !look(&shared).await {
                return;
            }
        }
    });
}

/// Whether there is still somebody to look for.
async fn look(shared: &Weak<Shared>) -> bool {
    let Some(shared) = shared.upgrade() else { return false };
    let Ok(referring) = shared.call(referring).await else { return false };
    for (name, config, digest) in referring {
        match shared.transformer.transform(&config).await {
            Ok(resolved) if resolved.digest() != digest => {
                tracing::info!(connector = %name, "what its config refers to has changed; it starts anew");
                if shared.call(move |state| state.restart_all(&name)).await.is_err() {
                    return false;
                }
            }
            Ok(_) => {}
            // A file that is being replaced is there again at the next look.
            Err(error) => tracing::warn!(connector = %name, %error, "what its config refers to cannot be read"),
        }
    }
    true
}

/// Connectors that run on resolved references and want to follow them.
fn referring(state: &mut StateLoop) -> Vec<(ConnectorName, ConfigMap, u64)> {
    let follows = |config: &ConfigMap| config.get(RELOAD).is_none_or(|action| action.trim() != "none");
    let referring = state.live().filter_map(|(name, connector)| {
        let wanted = connector.target == TargetState::Started && follows(&connector.config);
        let digest = connector.digest.filter(|_| wanted)?;
        Some((name.clone(), connector.config.clone(), digest))
    });
    referring.collect()
}

impl StateLoop {
    fn restart_all(&mut self, name: &ConnectorName) {
        let Some(state) = self.connectors.get(name).filter(|state| !state.deleted) else { return };
        let restart_tasks = state.tasks.keys().copied().collect();
        self.give_work(name, Work { settle: true, ask: true, restart_tasks });
    }
}
