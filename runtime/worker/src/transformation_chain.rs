//! [`TransformationChain`]: the transformations of a connector in configured order. Source: Kafka `TransformationChain`.

use crate::clock::Clock;
use crate::error_report::{RecordError, Stage};
use crate::predicate::runs;
use crate::retry::{RetryPolicy, jitter};
use crate::task_config::ConnectorSettings;
use crate::task_error::TaskError;
use crate::task_run::Lifecycle;
use sluice_connect_api::{ConnectError, ErrorKind, PluginError, PluginRegistry, Predicate, Transformation};
use sluice_data::ConnectBatch;
use std::sync::Arc;

pub(crate) struct TransformationChain {
    links: Vec<Link>,
    /// Whether somebody wants to see what comes out of each link.
    pub keeps_stages: bool,
    retry: RetryPolicy,
    clock: Arc<dyn Clock>,
    lifecycle: Lifecycle,
}

struct Link {
    alias: Arc<str>,
    class: Arc<str>,
    transformation: Box<dyn Transformation>,
    predicate: Option<Box<dyn Predicate>>,
    negate: bool,
}

/// What came out of the chain.
#[derive(Default)]
pub(crate) struct Transformed {
    pub batches: Vec<ConnectBatch>,
    pub errors: Vec<RecordError>,
    /// What came out of each link, when it was asked for.
    pub stages: Vec<LinkStage>,
}

pub(crate) struct LinkStage {
    pub alias: Arc<str>,
    pub class: Arc<str>,
    pub batches: Vec<ConnectBatch>,
}

impl TransformationChain {
    /// # Errors
    /// A class that is unknown, or refuses its configuration.
    pub async fn build(
        settings: &ConnectorSettings,
        plugins: &PluginRegistry,
        clock: Arc<dyn Clock>,
        lifecycle: Lifecycle,
    ) -> Result<Self, PluginError> {
        let mut links = Vec::new();
        for transformation in &settings.transformations {
            let made = plugins.transformation(&transformation.class, &transformation.config).await;
            let made = made.map_err(|error| named(error, "transforms", &transformation.alias))?;
            let predicate = transformation.predicate.as_ref().map(|predicate| {
                let made = plugins.predicate(&predicate.class, &predicate.config);
                made.map_err(|error| named(error, "predicates", &predicate.alias))
            });
            links.push(Link {
                alias: transformation.alias.as_str().into(),
                class: plugins.full_name(&transformation.class).into(),
                transformation: made,
                predicate: predicate.transpose()?,
                negate: transformation.negate,
            });
        }
        let retry = RetryPolicy { timeout: settings.errors.retry_timeout, delay_max: settings.errors.retry_delay_max };
        Ok(Self { links, keeps_stages: false, retry, clock, lifecycle })
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Sends a batch through every link. Rows that a link drops are gone; rows that it rejects are in the errors.
    ///
    /// # Errors
    /// A link that failed for good.
    pub async fn apply(&mut self, batch: ConnectBatch) -> Result<Transformed, TaskError> {
        let mut transformed = Transformed { batches: vec![batch], ..Transformed::default() };
        for link in 0..self.links.len() {
            let batches = std::mem::take(&mut transformed.batches);
            // What the link passes by goes on as it is, in its place.
            let mut todo: Vec<(ConnectBatch, bool)> =
                batches.into_iter().flat_map(|batch| self.links[link].divide(batch)).collect();
            todo.reverse();
            while let Some((part, applies)) = todo.pop() {
                if !applies {
                    transformed.batches.push(part);
                    continue;
                }
                match self.apply_link(link, &part).await? {
                    Ok(batches) => transformed.batches.extend(batches.into_iter().filter(|batch| !batch.is_empty())),
                    Err(error) if part.len() == 1 => transformed.errors.push(self.record_error(link, &part, error)),
                    Err(_) => {
                        // The bad row is found by halves; the first half goes first.
                        let half = part.len() / 2;
                        todo.push((part.slice(half, part.len() - half), true));
                        todo.push((part.slice(0, half), true));
                    }
                }
            }
            if self.keeps_stages {
                let Link { alias, class, .. } = &self.links[link];
                let (alias, class, batches) = (Arc::clone(alias), Arc::clone(class), transformed.batches.clone());
                transformed.stages.push(LinkStage { alias, class, batches });
            }
        }
        Ok(transformed)
    }

    pub async fn close(&mut self) {
        for link in &mut self.links {
            link.transformation.close().await;
        }
    }

    /// The inner error: at least one row is bad, or retries are used up.
    async fn apply_link(
        &mut self,
        link: usize,
        batch: &ConnectBatch,
    ) -> Result<Result<Vec<ConnectBatch>, ConnectError>, TaskError> {
        let started = self.clock.monotonic();
        let mut attempt = 0;
        loop {
            let Link { class, transformation, .. } = &mut self.links[link];
            let error = match self.lifecycle.abortable(transformation.apply(batch)).await? {
                Ok(batches) => return Ok(Ok(batches)),
                Err(error) => error,
            };
            attempt += 1;
            match error.kind {
                ErrorKind::Fatal => {
                    let class = class.to_string();
                    return Err(TaskError::Connector { operation: "transformation", class, source: error });
                }
                ErrorKind::Rejected => return Ok(Err(error)),
                ErrorKind::Retriable => {
                    let elapsed = self.clock.monotonic().saturating_sub(started);
                    let delay = self.retry.delay(attempt, elapsed, jitter());
                    let Some(delay) = delay.filter(|_| !self.lifecycle.is_stopping()) else { return Ok(Err(error)) };
                    tokio::select! {
                        () = self.clock.sleep(delay) => {}
                        () = self.lifecycle.stopping() => {}
                    }
                }
            }
        }
    }

    fn record_error(&self, link: usize, row: &ConnectBatch, error: ConnectError) -> RecordError {
        let class = Arc::clone(&self.links[link].class);
        let (code, reason) = (error.details.code, error.details.message);
        RecordError { row_id: row.row_ids().value(0), stage: Stage::Transformation, class, code, reason }
    }
}

impl Link {
    /// Parts in order, each with whether this link applies to it.
    fn divide(&self, batch: ConnectBatch) -> Vec<(ConnectBatch, bool)> {
        let Some(predicate) = &self.predicate else { return vec![(batch, true)] };
        let runs = runs(&**predicate, &batch, self.negate);
        runs.into_iter().map(|run| (batch.slice(run.rows.start, run.rows.len()), run.applies)).collect()
    }
}

/// The same error, with the alias that the user knows it by.
fn named(error: PluginError, list: &str, alias: &str) -> PluginError {
    match error {
        PluginError::Config { class, reason } => {
            PluginError::Config { class, reason: format!("{list}.{alias}: {reason}") }
        }
        other => other,
    }
}
