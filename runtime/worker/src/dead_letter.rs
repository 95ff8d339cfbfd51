//! [`DeadLetterQueue`]: failed records with their original bytes, for the append that commits the offsets behind them.
//! Source: Kafka `DeadLetterQueueReporter`.

use crate::error_report::RecordError;
use crate::source_append::MESSAGE_BYTES_MAX;
use crate::task_config::ErrorConfig;
use crate::task_error::TaskError;
use bytes::Bytes;
use sluice_client::{
    Admin, AdminError, Consumer, FetchPartition, NewTopic, PartitionRecords, TopicConfig, TopicDescription,
    TopicPartition,
};
use sluice_data::TaskId;
use sluice_protocol::{RecordBatchBuilder, RecordRef, batches, inflated, partition_for_key};
use sluice_telemetry::TaskErrorMetrics;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct DeadLetterQueue {
    topic: TopicDescription,
    context_headers: bool,
    id: TaskId,
    metrics: TaskErrorMetrics,
}

/// A failed record and where it lies.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    pub partition: TopicPartition,
    pub error: RecordError,
}

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

    /// The letters as records. Their original bytes are read from the log again; a record that is gone by now becomes a
    /// letter without key and value.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn encode(
        &self,
        consumer: &dyn Consumer,
        mut letters: Vec<DeadLetter>,
    ) -> Result<Vec<PartitionRecords>, TaskError> {
        letters.sort_by(|one, two| (&one.partition, one.error.row_id).cmp(&(&two.partition, two.error.row_id)));
        let mut out: Vec<RecordBatchBuilder> =
            (0..self.topic.partitions.max(1)).map(|_| RecordBatchBuilder::new(MESSAGE_BYTES_MAX)).collect();
        let mut originals = Originals::default();
        for letter in &letters {
            originals.seek(consumer, letter).await?;
            self.push(&mut out, letter, originals.find(letter.error.row_id));
        }
        let filled = out.iter_mut().enumerate().filter(|(_, builder)| !builder.is_empty());
        let records = filled.map(|(partition, builder)| PartitionRecords {
            topic: Arc::clone(&self.topic.name),
            partition: partition as i32,
            records: builder.finish(),
        });
        Ok(records.collect())
    }

    fn push(&self, out: &mut [RecordBatchBuilder], letter: &DeadLetter, original: Option<RecordRef<'_>>) {
        let (key, value) = original.as_ref().map_or((None, None), |record| (record.key, record.value));
        let timestamp = original.as_ref().map_or(0, |record| record.timestamp);
        let mut headers: Vec<(String, Option<&[u8]>)> = Vec::new();
        for header in original.as_ref().map(|record| record.headers.clone()).into_iter().flatten() {
            headers.push((String::from_utf8_lossy(header.key).into_owned(), header.value));
        }
        let context = if self.context_headers { self.context(letter) } else { Vec::new() };
        headers.extend(context.iter().map(|(name, text)| (format!("__connect.errors.{name}"), Some(text.as_bytes()))));
        let partition = key.map_or(0, |key| partition_for_key(key, self.topic.partitions.max(1)) as usize);
        let headers = headers.iter().map(|(name, value)| (name.as_str(), *value));
        self.metrics.dead_letter_requests.increment(1);
        if let Err(error) = out[partition].push_with_headers(timestamp, key, value, headers) {
            self.metrics.dead_letter_failures.increment(1);
            let (partition, offset) = (&letter.partition, letter.error.row_id);
            tracing::error!(task = %self.id, "offset {offset} of {partition} is no dead letter: {error}");
        }
    }

    fn context(&self, DeadLetter { partition, error }: &DeadLetter) -> Vec<(&'static str, String)> {
        vec![
            ("topic", partition.topic.to_string()),
            ("partition", partition.partition.to_string()),
            ("offset", error.row_id.to_string()),
            ("connector.name", self.id.connector.to_string()),
            ("task.id", self.id.index.to_string()),
            ("stage", error.stage.name().to_owned()),
            ("class.name", error.class.to_string()),
            ("exception.class.name", error.code.clone()),
            ("exception.message", error.reason.clone()),
            ("exception.stacktrace", format!("{}: {}", error.code, error.reason)),
        ]
    }
}

/// The batch that was read last: failed records tend to lie together.
#[derive(Default)]
struct Originals {
    partition: Option<TopicPartition>,
    records: Bytes,
    last_offset: i64,
}

impl Originals {
    async fn seek(&mut self, consumer: &dyn Consumer, letter: &DeadLetter) -> Result<(), TaskError> {
        if self.partition.as_ref() == Some(&letter.partition) && letter.error.row_id <= self.last_offset {
            return Ok(());
        }
        // One batch is enough, and the first is returned whole whatever its size.
        let request = FetchPartition { partition: letter.partition.clone(), offset: letter.error.row_id, max_bytes: 1 };
        let fetched = consumer.fetch(&[request], Duration::ZERO).await.pop();
        self.records = match fetched {
            Some(Ok(fetched)) => match inflated(&fetched.records) {
                Ok(Cow::Owned(plain)) => plain.into(),
                // What does not inflate was never converted either: no letter asks for it.
                _ => fetched.records,
            },
            Some(Err(sluice_client::FetchError::OffsetOutOfRange { .. })) | None => Bytes::new(),
            Some(Err(error)) => return Err(error.into()),
        };
        self.partition = Some(letter.partition.clone());
        self.last_offset = batches(&self.records).flatten().last().map_or(-1, |batch| batch.last_offset());
        Ok(())
    }

    fn find(&self, offset: i64) -> Option<RecordRef<'_>> {
        let batch = batches(&self.records).flatten().find(|batch| batch.last_offset() >= offset)?;
        batch.records().ok()?.flatten().find(|record| record.offset == offset)
    }
}
