//! A source's letters: made into records again, transformed and converted, and appended with the letter's end.

use super::journal::log_entry;
use super::{Letter, LetterOutcome, Redrive, RedriveMode};
use crate::dead_letter::{Format, Formatted};
use crate::error_report::Stage;
use crate::source_append::PendingAppend;
use crate::source_convert::ConvertedRows;
use crate::task_error::TaskError;
use crate::topics::TopicCreator;
use arrow_array::{Array, ArrayRef, BinaryArray};
use arrow_schema::Field;
use serde_json::{Value, json};
use sluice_client::{Append, Producer};
use sluice_connect_api::ConverterRole;
use sluice_data::ConnectBatch;
use sluice_data::headers::{Header, HeadersBuilder};
use sluice_telemetry::fail_point;
use std::sync::Arc;

impl Redrive {
    pub(super) async fn redrive_source(
        &mut self,
        letters: Vec<Letter>,
        mode: RedriveMode,
    ) -> Result<Vec<LetterOutcome>, TaskError> {
        let broker = Arc::clone(&self.parts.shared.context.broker);
        let transactional_id = self.transactional_id();
        let producer = self.parts.patiently(|| broker.producer(&transactional_id)).await?;
        let mut topics = TopicCreator::new(broker.admin(), self.settings.topic_creation.clone());
        let mut outcomes = Vec::with_capacity(letters.len());
        for letter in &letters {
            let outcome = match self.make(letter).await? {
                Ok(rows) if mode == RedriveMode::DryRun => LetterOutcome::Preview { records: preview(&rows) },
                Ok(rows) => self.append(letter, &rows, &*producer, &mut topics).await?,
                Err(failed) => failed,
            };
            if mode == RedriveMode::Deliver && matches!(outcome, LetterOutcome::Failed { .. }) {
                self.note(letter, &outcome).await?;
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// The letter's record as it would be appended.
    async fn make(&mut self, letter: &Letter) -> Result<Result<Vec<ConvertedRows>, LetterOutcome>, TaskError> {
        let batch = match self.batch(letter) {
            Ok(batch) => batch,
            Err(reason) => return Ok(Err(self.failed(Stage::TaskPoll, "dead letter queue", reason))),
        };
        let transformed = match self.transform(vec![batch]).await? {
            Ok(transformed) => transformed,
            Err(failed) => return Ok(Err(failed)),
        };
        let mut rows = Vec::new();
        for batch in transformed.into_iter().filter(|batch| !batch.is_empty()) {
            self.converters.prepare_from_connect(&batch).await?;
            let (converted, errors) = self.converters.from_connect_data(batch);
            if let Some(error) = errors.first() {
                return Ok(Err(LetterOutcome::failed(error)));
            }
            rows.extend(converted);
        }
        Ok(Ok(rows))
    }

    /// Records and the letter's end in one append.
    async fn append(
        &mut self,
        letter: &Letter,
        rows: &[ConvertedRows],
        producer: &dyn Producer,
        topics: &mut TopicCreator,
    ) -> Result<LetterOutcome, TaskError> {
        let mut pending = PendingAppend::default();
        let now_ms = self.parts.shared.context.clock.now_ms();
        for rows in rows {
            if let Some(error) = pending.push(rows, topics, now_ms).await?.first() {
                return Ok(LetterOutcome::failed(error));
            }
        }
        let outcome = LetterOutcome::Delivered { records: rows.iter().map(|rows| rows.batch.len()).sum() };
        let entry = log_entry(&self.parts.spec.id.connector, &letter.id, &self.ended(letter, &outcome));
        let mut append = Append { records: self.journal.encode(&entry)?, group_offsets: Vec::new() };
        append.records.extend(pending.into_records());
        fail_point::hit("redrive.before_append");
        producer.send(append).await?.await?;
        fail_point::hit("redrive.after_append");
        self.journal.apply(entry);
        Ok(outcome)
    }

    /// The record that the source gave once.
    fn batch(&self, letter: &Letter) -> Result<ConnectBatch, String> {
        let key = self.column(ConverterRole::Key, letter, letter.key.as_deref(), letter.key_format.as_deref())?;
        let value =
            self.column(ConverterRole::Value, letter, letter.value.as_deref(), letter.value_format.as_deref())?;
        let (field, values) = value.ok_or("it holds no value: the record never came into being")?;
        let mut builder = ConnectBatch::builder(letter.topic.as_str(), &field, values);
        if let Some((field, keys)) = key {
            builder = builder.key(&field, keys);
        }
        if letter.timestamp != 0 {
            builder = builder.timestamp_ms(letter.timestamp);
        }
        if !letter.headers.is_empty() {
            let mut headers = HeadersBuilder::default();
            for (name, value) in &letter.headers {
                headers.push(Header { name, value: value.as_deref(), schema: None });
            }
            headers.end_row();
            builder = builder.headers(headers.finish());
        }
        builder.build().map_err(|error| error.to_string())
    }

    fn column(
        &self,
        role: ConverterRole,
        letter: &Letter,
        bytes: Option<&[u8]>,
        format: Option<&str>,
    ) -> Result<Option<(Field, ArrayRef)>, String> {
        let Some(bytes) = bytes else { return Ok(None) };
        let format = match format {
            None => Format::String,
            Some(name) => Format::parse(name).ok_or_else(|| format!("{name:?} is no format of a dead letter"))?,
        };
        let formatted = Formatted { bytes: bytes.to_vec(), format };
        self.originals.read(role, &letter.topic, &formatted).map(Some)
    }
}

/// What the records' bytes would be.
fn preview(rows: &[ConvertedRows]) -> Vec<Value> {
    let text = |column: Option<&BinaryArray>, row: usize| {
        let bytes = column.filter(|column| column.is_valid(row)).map(|column| column.value(row));
        bytes.map_or(Value::Null, |bytes| String::from_utf8_lossy(bytes).into())
    };
    let mut records = Vec::new();
    for rows in rows {
        for row in 0..rows.batch.len() {
            let (key, value) = (text(rows.keys.as_ref(), row), text(rows.values.as_ref(), row));
            let headers = super::preview_headers(&rows.batch, row);
            records.push(json!({ "topic": **rows.batch.topic(), "key": key, "value": value, "headers": headers }));
        }
    }
    records
}
