//! [`DeadLetterQueue`]: failed records with their original bytes, for the append that commits the offsets behind them.
//! Source: Kafka `DeadLetterQueueReporter`.

mod logged;
mod polled;
mod stored;

pub(crate) use polled::{Format, Formatted, Originals, PolledRecord, render};
pub use stored::{DeadLetterPage, ReadLettersError, StoredLetter, dead_letters};

use crate::error_report::RecordError;
use crate::source_append::MESSAGE_BYTES_MAX;
use crate::task_config::ErrorConfig;
use crate::task_error::TaskError;
use logged::LoggedBatch;
use sluice_client::{
    Admin, AdminError, Consumer, NewTopic, PartitionRecords, TopicConfig, TopicDescription, TopicPartition,
};
use sluice_data::TaskId;
use sluice_protocol::{RecordBatchBuilder, RecordRef, partition_for_key};
use sluice_telemetry::TaskErrorMetrics;
use std::sync::Arc;

/// What every context header's name begins with. Source: Kafka `DeadLetterQueueReporter.HEADER_PREFIX`.
pub(crate) const HEADER_PREFIX: &str = "__connect.errors.";

pub(crate) struct DeadLetterQueue {
    topic: TopicDescription,
    context_headers: bool,
    id: TaskId,
    metrics: TaskErrorMetrics,
}

/// A failed record of a sink, and where it lies.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    pub partition: TopicPartition,
    pub error: RecordError,
}

/// A failed record of a source: it stands nowhere in the log.
#[derive(Debug, Clone)]
pub(crate) struct PolledLetter {
    pub record: PolledRecord,
    pub error: RecordError,
}

/// What goes into the queue as it was.
#[derive(Default)]
struct Original<'a> {
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Vec<(String, Option<&'a [u8]>)>,
}

/// Batches in the making, one per partition of the queue.
struct Letters(Vec<RecordBatchBuilder>);

impl DeadLetterQueue {
    /// Creates the topic, with one partition, when it is missing. `None`: no queue is configured.
    ///
    /// # Errors
    /// [`TaskError::Admin`].
    pub async fn open(
        admin: &dyn Admin,
        config: &ErrorConfig,
        id: &TaskId,
        metrics: &TaskErrorMetrics,
    ) -> Result<Option<Self>, TaskError> {
        let Some(name) = config.dead_letter_topic.as_deref() else { return Ok(None) };
        let topic = match admin.describe_topic(name).await? {
            Some(topic) => topic,
            None => {
                let new = NewTopic { name: name.into(), partitions: 1, config: TopicConfig::new() };
                match admin.create_topic(new).await {
                    // Another task was quicker.
                    Err(AdminError::TopicExists { topic }) => {
                        let described = admin.describe_topic(name).await?;
                        described.ok_or(TaskError::Admin(AdminError::UnknownTopic { topic }))?
                    }
                    created => created?,
                }
            }
        };
        let (context_headers, id, metrics) = (config.dead_letter_headers, id.clone(), metrics.clone());
        Ok(Some(Self { topic, context_headers, id, metrics }))
    }

    /// A sink's letters as records. Their original bytes are read from the log again; a record that is gone by now becomes
    /// a letter without key and value.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn encode(
        &self,
        consumer: &dyn Consumer,
        mut letters: Vec<DeadLetter>,
    ) -> Result<Vec<PartitionRecords>, TaskError> {
        letters.sort_by(|one, two| (&one.partition, one.error.row_id).cmp(&(&two.partition, two.error.row_id)));
        let mut out = self.letters();
        let mut rest = letters.as_slice();
        while let Some(first) = rest.first() {
            let batch = LoggedBatch::of(first, consumer).await?;
            let (here, after) = rest.split_at(batch.covers(rest));
            self.push_logged(&mut out, here, batch.records());
            rest = after;
        }
        Ok(self.finish(out))
    }

    /// Adds letters whose records are among these; both by rising offset.
    fn push_logged<'a>(&self, out: &mut Letters, letters: &[DeadLetter], records: impl Iterator<Item = RecordRef<'a>>) {
        let mut records = records.peekable();
        for DeadLetter { partition, error } in letters {
            while records.next_if(|record| record.offset < error.row_id).is_some() {}
            let original = records.peek().filter(|record| record.offset == error.row_id).map(|record| Original {
                timestamp: record.timestamp,
                key: record.key,
                value: record.value,
                headers: header_pairs(record),
            });
            let place = vec![
                ("topic", partition.topic.to_string()),
                ("partition", partition.partition.to_string()),
                ("offset", error.row_id.to_string()),
            ];
            self.push(out, original.unwrap_or_default(), place, error);
        }
    }

    /// A source's letters as records.
    #[must_use]
    pub fn encode_polled(&self, letters: &[PolledLetter]) -> Vec<PartitionRecords> {
        let mut out = self.letters();
        for PolledLetter { record, error } in letters {
            let original = Original {
                timestamp: record.timestamp,
                key: record.key.as_ref().map(|key| key.bytes.as_slice()),
                value: record.value.as_ref().map(|value| value.bytes.as_slice()),
                headers: record.headers.iter().map(|(name, value)| (name.clone(), value.as_deref())).collect(),
            };
            let mut place = vec![("topic", record.topic.to_string())];
            place.extend(record.key.as_ref().map(|key| ("key.format", key.format.name().to_owned())));
            place.extend(record.value.as_ref().map(|value| ("value.format", value.format.name().to_owned())));
            self.push(&mut out, original, place, error);
        }
        self.finish(out)
    }

    fn letters(&self) -> Letters {
        Letters((0..self.topic.partitions.max(1)).map(|_| RecordBatchBuilder::new(MESSAGE_BYTES_MAX)).collect())
    }

    fn finish(&self, mut letters: Letters) -> Vec<PartitionRecords> {
        let filled = letters.0.iter_mut().enumerate().filter(|(_, builder)| !builder.is_empty());
        let records = filled.map(|(partition, builder)| PartitionRecords {
            topic: Arc::clone(&self.topic.name),
            partition: partition as i32,
            records: builder.finish(),
        });
        records.collect()
    }

    /// Adds a letter. `place` says where the record was found.
    fn push(&self, out: &mut Letters, original: Original<'_>, place: Vec<(&'static str, String)>, error: &RecordError) {
        let Original { timestamp, key, value, mut headers } = original;
        let context = if self.context_headers { self.context(place, error) } else { Vec::new() };
        headers.extend(context.iter().map(|(name, text)| (format!("{HEADER_PREFIX}{name}"), Some(text.as_bytes()))));
        let partition = key.map_or(0, |key| partition_for_key(key, self.topic.partitions.max(1)) as usize);
        let headers = headers.iter().map(|(name, value)| (name.as_str(), *value));
        self.metrics.dead_letter_requests.increment(1);
        if let Err(reason) = out.0[partition].push_with_headers(timestamp, key, value, headers) {
            self.metrics.dead_letter_failures.increment(1);
            let (connector, task) = (self.id.connector.as_str(), self.id.index);
            tracing::error!(connector, task, row = error.row_id, "a failed record is no dead letter: {reason}");
        }
    }

    /// In Kafka's order.
    fn context(&self, mut place: Vec<(&'static str, String)>, error: &RecordError) -> Vec<(&'static str, String)> {
        place.extend([
            ("connector.name", self.id.connector.to_string()),
            ("task.id", self.id.index.to_string()),
            ("stage", error.stage.name().to_owned()),
            ("class.name", error.class.to_string()),
            ("exception.class.name", error.code.clone()),
            ("exception.message", error.reason.clone()),
            ("exception.stacktrace", format!("{}: {}", error.code, error.reason)),
        ]);
        place
    }
}

/// Names that are not UTF-8 are replaced: a record with such a name has no other way into the queue.
fn header_pairs<'a>(record: &RecordRef<'a>) -> Vec<(String, Option<&'a [u8]>)> {
    let headers = record.headers.clone();
    headers.map(|header| (String::from_utf8_lossy(header.key).into_owned(), header.value)).collect()
}
