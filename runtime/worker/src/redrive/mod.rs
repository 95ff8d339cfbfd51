//! Sending dead letters again: to the connector that failed and to nobody else, once.
//!
//! ```text
//! topic  _sluice_plans, beside the batch plans
//! key    ["<connector>","<queue>",<partition>,<offset>]
//! value  {"state":"requested"|"delivered"|"failed","queue_id","attempts","edited","reason","at_ms"}
//! ```
//! A letter's identity is its place in the queue. The request is durable before anything is tried, so that one which a crash
//! interrupted is tried again under the same identity, before any other letter of the connector; a letter that was delivered
//! is never delivered again. For a source
//! the records and the letter's end are one append; a sink recognises the repetition as it does for any delivery.

mod journal;
mod sink;
mod source;

pub use journal::{Edit, LetterId, RedriveEntry, RedriveJournal, RedriveState};

use crate::append::UNAVAILABLE_DELAY;
use crate::dead_letter::Originals;
use crate::error_report::{RecordError, Stage};
use crate::sink_plan::topic_id_text;
use crate::source_convert::Converters;
use crate::task_config::ConnectorSettings;
use crate::task_error::TaskError;
use crate::task_run::{Lifecycle, TaskParts};
use crate::task_state::{TaskFailure, TaskSpec};
use crate::transformation_chain::TransformationChain;
use crate::worker::{Shared, Worker};
use serde_json::Value;
use sluice_client::TopicId;
use sluice_connect_api::{ConnectorKind, ConverterRole};
use sluice_data::ConnectBatch;
use sluice_data::headers::row_headers;
use std::sync::Arc;
use tokio::sync::watch;

/// A dead letter with what of it was edited.
#[derive(Debug, Clone)]
pub struct Letter {
    pub id: LetterId,
    /// Of the queue.
    pub topic_id: TopicId,
    /// The topic that the record was read from, or that the source meant.
    pub topic: String,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// Without those that name the error.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Of a source's letter: `string`, `bytes` or `json`.
    pub key_format: Option<String>,
    pub value_format: Option<String>,
    /// Whether an earlier attempt may have delivered it.
    pub is_replay: bool,
}

/// How a letter fared.
#[derive(Debug, Clone, PartialEq)]
pub enum LetterOutcome {
    /// So many records of it arrived; none: the chain left it out.
    Delivered {
        records: usize,
    },
    /// What would be delivered: for a sink `{topic, timestamp, key, value, headers}` with key and value as JSON with schema,
    /// for a source the bytes as text.
    Preview {
        records: Vec<Value>,
    },
    Failed {
        stage: String,
        class: String,
        reason: String,
    },
}

impl LetterOutcome {
    fn failed(error: &RecordError) -> Self {
        let (stage, class) = (error.stage.name().to_owned(), error.class.to_string());
        Self::Failed { stage, class, reason: error.reason.clone() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedriveMode {
    /// Through transformations and converters as they are now; nothing is delivered, nothing is noted.
    DryRun,
    Deliver,
}

/// One run over several letters of one connector.
struct Redrive {
    parts: TaskParts,
    settings: ConnectorSettings,
    chain: TransformationChain,
    converters: Converters,
    originals: Originals,
    journal: RedriveJournal,
}

impl Worker {
    /// Sends letters again, in their order, each with its own outcome. One run at a time for a connector: a later one
    /// fences an earlier. The connector's tasks may run meanwhile.
    ///
    /// # Errors
    /// The connector cannot be set up, or the log not be reached: the letters that have no end yet are tried again later.
    pub async fn redrive(
        &self,
        spec: TaskSpec,
        letters: Vec<Letter>,
        mode: RedriveMode,
    ) -> Result<Vec<LetterOutcome>, TaskFailure> {
        let hidden = spec.hidden.clone();
        let run = async {
            let mut redrive = Redrive::build(Arc::clone(self.shared()), spec, self.lifecycle()).await?;
            let outcomes = match (redrive.parts.spec.kind, mode) {
                (ConnectorKind::Source, _) => redrive.redrive_source(letters, mode).await,
                (ConnectorKind::Sink, RedriveMode::DryRun) => redrive.preview_sink(&letters).await,
                (ConnectorKind::Sink, RedriveMode::Deliver) => redrive.redrive_sink(letters).await,
            };
            redrive.chain.close().await;
            outcomes
        };
        run.await.map_err(|error: TaskError| error.to_failure().hide(&hidden))
    }

    #[must_use]
    pub fn redrives(&self) -> RedriveJournal {
        RedriveJournal::new(Arc::clone(&self.shared().context.plans))
    }

    /// Ends with the worker.
    fn lifecycle(&self) -> Lifecycle {
        let (_, started) = watch::channel(sluice_storage::TargetState::Started);
        let token = self.shutting_down().child_token();
        Lifecycle::new(started, token.clone(), token)
    }
}

impl Redrive {
    async fn build(shared: Arc<Shared>, spec: TaskSpec, lifecycle: Lifecycle) -> Result<Self, TaskError> {
        let journal = RedriveJournal::new(Arc::clone(&shared.context.plans));
        let settings = ConnectorSettings::parse(&spec.connector_config, &shared.context.config)?;
        let (plugins, clock) = (Arc::clone(&shared.context.plugins), Arc::clone(&shared.context.clock));
        let chain = TransformationChain::build(&settings, &plugins, Arc::clone(&clock), lifecycle.clone()).await?;
        let converters = Converters::build(&settings, &plugins, clock, lifecycle.clone())?;
        let originals = Originals::new(&plugins)?;
        Ok(Self { parts: TaskParts::new(shared, spec, lifecycle), settings, chain, converters, originals, journal })
    }

    /// Its own, so that the connector's tasks are not fenced.
    fn transactional_id(&self) -> String {
        let prefix = &self.parts.shared.context.config.transactional_id_prefix;
        format!("{prefix}-{}-redrive", self.parts.spec.id.connector)
    }

    /// Notes how a letter fared, waiting for a log that is full or away.
    async fn note(&mut self, letter: &Letter, outcome: &LetterOutcome) -> Result<(), TaskError> {
        let entry = self.ended(letter, outcome);
        loop {
            match self.journal.put(&self.parts.spec.id.connector, &letter.id, &entry).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_unavailable() && !self.parts.lifecycle.is_stopping() => {
                    self.parts.shared.context.clock.sleep(UNAVAILABLE_DELAY).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn ended(&self, letter: &Letter, outcome: &LetterOutcome) -> RedriveEntry {
        let known = self.journal.get(&self.parts.spec.id.connector, &letter.id);
        let mut entry = known.unwrap_or_else(|| RedriveEntry::requested(letter.topic_id, None, 0));
        entry.at_ms = self.parts.shared.context.clock.now_ms();
        (entry.state, entry.reason) = match outcome {
            LetterOutcome::Failed { reason, .. } => (RedriveState::Failed, Some(reason.clone())),
            LetterOutcome::Delivered { .. } | LetterOutcome::Preview { .. } => (RedriveState::Delivered, None),
        };
        entry
    }

    /// Batches through the chain; the first row that fails is the letter's outcome.
    async fn transform(
        &mut self,
        batches: Vec<ConnectBatch>,
    ) -> Result<Result<Vec<ConnectBatch>, LetterOutcome>, TaskError> {
        let mut all = Vec::new();
        for batch in batches {
            let transformed = self.chain.apply(batch).await?;
            if let Some(error) = transformed.errors.first() {
                return Ok(Err(LetterOutcome::failed(error)));
            }
            all.extend(transformed.batches);
        }
        Ok(Ok(all))
    }

    fn failed(&self, stage: Stage, class: &str, reason: impl Into<String>) -> LetterOutcome {
        LetterOutcome::Failed { stage: stage.name().to_owned(), class: class.to_owned(), reason: reason.into() }
    }
}

/// The identity under which a sink sees a letter: a topic of its own, so that neither another letter's delivery nor one of
/// the queue read as a topic is taken for it.
fn letter_topic_id(letter: &Letter) -> String {
    format!("{}#{}", topic_id_text(letter.topic_id), letter.id.offset)
}

/// A header's value as somebody would read it.
fn preview_headers(batch: &ConnectBatch, row: usize) -> Vec<Value> {
    let Some(headers) = batch.headers() else { return Vec::new() };
    let shown = |bytes: Option<&[u8]>| bytes.map_or(Value::Null, |bytes| String::from_utf8_lossy(bytes).into());
    row_headers(headers, row).map(|header| serde_json::json!({ header.name: shown(header.value) })).collect()
}

const ROLES: [ConverterRole; 2] = [ConverterRole::Key, ConverterRole::Value];
