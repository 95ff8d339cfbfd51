//! A sink's letters: converted and transformed as they would be now, put to an instance of the connector of their own.

use super::{Letter, LetterOutcome, ROLES, Redrive, letter_topic_id, preview_headers};
use crate::dead_letter::render;
use crate::error_report::Stage;
use crate::sink_fetch::{FetchedRows, decode};
use crate::task_error::TaskError;
use serde_json::{Value, json};
use sluice_connect_api::sink::PartitionOffset;
use sluice_connect_api::{ConnectError, Delivery, ErrorKind, SinkTask};
use sluice_data::ConnectBatch;
use sluice_protocol::{RecordBatchBuilder, set_base_offset};
use sluice_telemetry::fail_point;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A connector that asks to be tried later is tried so often in one run.
const PUT_ATTEMPTS: u32 = 5;

impl Redrive {
    pub(super) async fn preview_sink(&mut self, letters: &[Letter]) -> Result<Vec<LetterOutcome>, TaskError> {
        let mut outcomes = Vec::with_capacity(letters.len());
        for letter in letters {
            outcomes.push(match self.prepare(letter).await? {
                Ok(batches) => LetterOutcome::Preview { records: self.render(&batches) },
                Err(failed) => failed,
            });
        }
        Ok(outcomes)
    }

    /// Each letter's end is durable before the next begins: the connector remembers only the last delivery of a partition.
    pub(super) async fn redrive_sink(&mut self, letters: Vec<Letter>) -> Result<Vec<LetterOutcome>, TaskError> {
        let mut task: Option<(Box<dyn SinkTask>, (String, i32))> = None;
        let mut outcomes = Vec::with_capacity(letters.len());
        for letter in &letters {
            let outcome = match self.prepare(letter).await? {
                Ok(batches) if batches.is_empty() => LetterOutcome::Delivered { records: 0 },
                Ok(batches) => {
                    let place = (letter.id.queue.clone(), letter.id.partition);
                    if task.as_ref().is_none_or(|(_, opened)| *opened != place) {
                        if let Some((mut task, _)) = task.take() {
                            self.parts.lifecycle.abortable(task.close()).await?;
                        }
                        task = Some((self.open(&place).await?, place));
                    }
                    let (task, _) = task.as_mut().expect("opened just before");
                    self.put(&mut **task, letter, &batches).await?
                }
                Err(failed) => failed,
            };
            self.note(letter, &outcome).await?;
            outcomes.push(outcome);
        }
        if let Some((mut task, _)) = task {
            self.parts.lifecycle.abortable(task.close()).await?;
        }
        Ok(outcomes)
    }

    /// The letter's record as the connector would get it.
    async fn prepare(&mut self, letter: &Letter) -> Result<Result<Vec<ConnectBatch>, LetterOutcome>, TaskError> {
        let rows = match rows(letter) {
            Ok(rows) => rows,
            Err(reason) => return Ok(Err(self.failed(Stage::TaskPut, "dead letter queue", reason))),
        };
        let topic: Arc<str> = letter.topic.as_str().into();
        self.converters.prepare_to_connect(&topic, &rows).await?;
        let converted = self.converters.to_connect_data(&topic, &rows);
        let (batches, errors) = converted.map_err(|error| TaskError::BadBatch { reason: error.to_string() })?;
        match errors.first() {
            Some(error) => Ok(Err(LetterOutcome::failed(error))),
            None => self.transform(batches).await,
        }
    }

    async fn open(&mut self, place: &(String, i32)) -> Result<Box<dyn SinkTask>, TaskError> {
        let factory = self.parts.plugin()?;
        let made = self.parts.lifecycle.abortable(factory.sink_task(self.parts.context())).await?;
        let mut task = made.map_err(|source| self.parts.connector_error("start", source))?;
        let opened = self.parts.lifecycle.abortable(task.open(std::slice::from_ref(place))).await?;
        opened.map_err(|source| self.parts.connector_error("open", source))?;
        Ok(task)
    }

    /// Only what the connector vouches for has arrived.
    async fn put(
        &mut self,
        task: &mut dyn SinkTask,
        letter: &Letter,
        batches: &[ConnectBatch],
    ) -> Result<LetterOutcome, TaskError> {
        let class = self.parts.spec.class.clone();
        fail_point::hit("redrive.before_put");
        let mut delivery = self.delivery(letter);
        for attempt in 1.. {
            let failures = match self.parts.lifecycle.abortable(task.put(&delivery, batches)).await? {
                Ok(failures) => failures,
                Err(error) if error.kind == ErrorKind::Retriable && attempt < PUT_ATTEMPTS => {
                    self.back_off(attempt, &error).await;
                    delivery.is_replay = true;
                    continue;
                }
                Err(error) if error.kind == ErrorKind::Rejected => {
                    return Ok(self.failed(Stage::TaskPut, &class, error.to_string()));
                }
                // It may have arrived all the same.
                Err(error) => return Err(self.parts.connector_error("put", error)),
            };
            if let Some(failure) = failures.first() {
                return Ok(self.failed(Stage::TaskPut, &class, failure.details.message.clone()));
            }
            break;
        }
        fail_point::hit("redrive.after_put");
        let end = letter.id.offset + 1;
        let wanted = PartitionOffset { topic: letter.id.queue.clone(), partition: letter.id.partition, offset: end };
        let vouched = self.parts.lifecycle.abortable(task.pre_commit(&[wanted])).await?;
        let vouched = vouched.map_err(|source| self.parts.connector_error("pre_commit", source))?;
        if vouched.iter().any(|one| one.offset >= end) {
            return Ok(LetterOutcome::Delivered { records: batches.iter().map(ConnectBatch::len).sum() });
        }
        let missing =
            ConnectError::retriable("redrive.not-vouched", "the connector does not say that it has written the record");
        Err(self.parts.connector_error("pre_commit", missing))
    }

    async fn back_off(&mut self, attempt: u32, error: &ConnectError) {
        let asked = error.details.backoff_ms.map(|ms| std::time::Duration::from_millis(ms.into()));
        let delay = asked.unwrap_or(std::time::Duration::from_millis(300) * attempt);
        tokio::select! {
            () = self.parts.shared.context.clock.sleep(delay) => {}
            () = self.parts.lifecycle.stopping() => {}
        }
    }

    fn delivery(&self, letter: &Letter) -> Delivery {
        let (topic_id, offset) = (letter_topic_id(letter), letter.id.offset);
        let spec = &self.parts.spec;
        Delivery {
            topic: letter.id.queue.clone(),
            partition: letter.id.partition,
            first: offset,
            last: offset,
            token: format!("{}-{topic_id}-{}-redrive", spec.id.connector, letter.id.partition),
            topic_id,
            target: None,
            generation: spec.offsets_generation,
            is_replay: letter.is_replay,
            planned_ms: letter.timestamp,
            attributes: BTreeMap::new(),
        }
    }

    fn render(&self, batches: &[ConnectBatch]) -> Vec<Value> {
        let mut records = Vec::new();
        for batch in batches {
            for row in 0..batch.len() {
                let [key, value] = ROLES.map(|role| render(&self.originals, role, batch, row));
                let (timestamp, headers) = (batch.timestamps().value(row), preview_headers(batch, row));
                records.push(json!({ "topic": **batch.topic(), "timestamp": timestamp, "key": key, "value": value, "headers": headers }));
            }
        }
        records
    }
}

/// The letter as one record at its own offset.
fn rows(letter: &Letter) -> Result<FetchedRows, String> {
    let mut builder = RecordBatchBuilder::new(usize::MAX);
    let headers = letter.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
    let pushed = builder.push_with_headers(letter.timestamp, letter.key.as_deref(), letter.value.as_deref(), headers);
    pushed.map_err(|error| error.to_string())?;
    let mut bytes = builder.finish().to_vec();
    set_base_offset(&mut bytes, letter.id.offset);
    decode(&bytes, letter.id.offset, letter.id.offset).map_err(|error| error.to_string())
}
