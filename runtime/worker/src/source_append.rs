//! Source side: converted rows → one atomic append over partitions, with the offsets of the polls they came from.

use crate::append::{InFlight, TaskProducer};
use crate::budget::MemoryBudget;
use crate::dead_letter::{DeadLetterQueue, PolledLetter};
use crate::error_report::{RecordError, Stage};
use crate::source_convert::ConvertedRows;
use crate::task_error::TaskError;
use crate::topics::TopicCreator;
use arrow_array::{Array, BinaryArray, Int32Array, Int64Array};
use indexmap::IndexMap;
use sluice_client::{Append, AppendError, PartitionRecords, TopicDescription, TopicName};
use sluice_connect_api::SourceOffsetPair;
use sluice_data::headers::row_headers;
use sluice_data::{ConnectorName, SourceOffset, SourcePartition};
use sluice_protocol::{Compression, EncodeError, RecordBatchBuilder, compressed, partition_for_key};
use sluice_storage::{OffsetBackingStore, TopicLogEntry};
use std::collections::VecDeque;
use std::sync::Arc;

/// Kafka's default `max.message.bytes`.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1_048_588;
/// Bytes of a record beside its key and value, roughly.
const RECORD_OVERHEAD_BYTES: usize = 12;

/// Records and offsets of one or more whole polls, not yet handed to the log.
#[derive(Default)]
pub(crate) struct PendingAppend {
    topics: IndexMap<TopicName, TopicRecords>,
    /// Of several polls the last counts.
    offsets: IndexMap<SourcePartition, Option<SourceOffset>>,
    letters: Vec<PolledLetter>,
    records: u64,
}

/// The records for one topic's partitions.
struct TopicRecords {
    partitions: Vec<RecordBatchBuilder>,
    /// Where rows without key and partition go until the next append (KIP-480).
    sticky: usize,
}

impl TopicRecords {
    fn new(topic: &TopicDescription) -> Self {
        let limit = topic.config.get("max.message.bytes").and_then(|value| value.parse().ok());
        let limit = limit.unwrap_or(MESSAGE_BYTES_MAX);
        let partitions = (0..topic.partitions.max(1)).map(|_| RecordBatchBuilder::new(limit)).collect();
        Self { partitions, sticky: 0 }
    }

    /// Adds every row, in order; those that cannot be stored are returned.
    fn push(&mut self, rows: &ConvertedRows, now_ms: i64) -> Vec<RecordError> {
        if self.partitions.len() == 1 {
            let bytes = column_bytes(rows.keys.as_ref()) + column_bytes(rows.values.as_ref());
            self.partitions[0].reserve(bytes + rows.batch.len() * RECORD_OVERHEAD_BYTES);
        }
        let (timestamps, headers, partitions) =
            (rows.batch.timestamps(), rows.batch.headers(), rows.batch.partitions());
        let mut errors = Vec::new();
        for row in 0..rows.batch.len() {
            let key = rows.keys.as_ref().filter(|keys| keys.is_valid(row)).map(|keys| keys.value(row));
            let value = rows.values.as_ref().filter(|values| values.is_valid(row)).map(|values| values.value(row));
            let timestamp = timestamp(timestamps, row, now_ms);
            let pushed = self.partition(partitions, row, key).and_then(|partition| {
                let builder = &mut self.partitions[partition];
                let pushed = match headers {
                    None => builder.push(timestamp, key, value),
                    Some(headers) => {
                        let headers = row_headers(headers, row).map(|header| (header.name, header.value));
                        builder.push_with_headers(timestamp, key, value, headers)
                    }
                };
                pushed.map_err(|error: EncodeError| error.to_string())
            });
            if let Err(reason) = pushed {
                errors.push(produce_error(rows.batch.row_ids().value(row), rows.batch.topic(), reason));
            }
        }
        errors
    }

    /// As Kafka's producer: explicit, else by the key, else sticky.
    #[inline]
    fn partition(&self, asked: Option<&Int32Array>, row: usize, key: Option<&[u8]>) -> Result<usize, String> {
        let count = self.partitions.len();
        if let Some(partitions) = asked.filter(|partitions| partitions.is_valid(row)) {
            let partition = partitions.value(row);
            let in_range = usize::try_from(partition).ok().filter(|partition| *partition < count);
            return in_range.ok_or_else(|| format!("it asks for partition {partition}, but there are {count}"));
        }
        match key {
            _ if count == 1 => Ok(0),
            Some(key) => Ok(partition_for_key(key, count as i32) as usize),
            None => Ok(self.sticky),
        }
    }
}

/// What the rows of this slice hold, not the buffers that they share.
fn column_bytes(column: Option<&BinaryArray>) -> usize {
    column.map_or(0, |column| (column.value_offsets()[column.len()] - column.value_offsets()[0]) as usize)
}

#[inline]
fn timestamp(timestamps: &Int64Array, row: usize, now_ms: i64) -> i64 {
    if timestamps.is_valid(row) { timestamps.value(row) } else { now_ms }
}

fn produce_error(row_id: i64, topic: &str, reason: String) -> RecordError {
    let reason = format!("it cannot be stored in topic {topic}: {reason}");
    RecordError { row_id, stage: Stage::KafkaProduce, class: "producer".into(), code: "produce".to_owned(), reason }
}

impl PendingAppend {
    /// Adds rows for one topic, creating it if need be. Rows that cannot be stored are returned.
    ///
    /// # Errors
    /// The topic cannot be described or created.
    pub async fn push(
        &mut self,
        rows: &ConvertedRows,
        topics: &mut TopicCreator,
        now_ms: i64,
    ) -> Result<Vec<RecordError>, TaskError> {
        let topic = rows.batch.topic();
        if !self.topics.contains_key(topic) {
            let mut records = TopicRecords::new(topics.ensure(topic).await?);
            records.sticky = topics.next_sticky(topic);
            self.topics.insert(Arc::clone(topic), records);
        }
        let errors = self.topics[topic].push(rows, now_ms);
        self.records += (rows.batch.len() - errors.len()) as u64;
        Ok(errors)
    }

    pub fn add_offsets(&mut self, offsets: Vec<SourceOffsetPair>) {
        for (partition, offset) in offsets {
            self.offsets.insert(partition, offset);
        }
    }

    pub fn add_letter(&mut self, letter: PolledLetter) {
        self.letters.push(letter);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty() && self.topics.is_empty() && self.letters.is_empty()
    }

    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let records = self.topics.values().flat_map(|topic| &topic.partitions).map(RecordBatchBuilder::size_bytes);
        let letters = self.letters.iter().map(|letter| letter.record.size_bytes());
        records.chain(letters).sum()
    }

    /// The records, without offsets and letters.
    #[must_use]
    pub fn into_records(self) -> Vec<PartitionRecords> {
        let mut all = Vec::new();
        for (topic, records) in self.topics {
            for (partition, mut builder) in records.partitions.into_iter().enumerate() {
                if !builder.is_empty() {
                    let (topic, partition) = (Arc::clone(&topic), partition as i32);
                    all.push(PartitionRecords { topic, partition, records: builder.finish() });
                }
            }
        }
        all
    }
}

/// An append on its way, and what is to be told when it is durable.
pub(crate) struct SentAppend {
    /// Kept until it is durable, so that it can be handed over again.
    append: Append,
    entries: Arc<Vec<TopicLogEntry>>,
    in_flight: InFlight,
    pub offsets: Vec<SourceOffsetPair>,
    pub records: u64,
}

impl SentAppend {
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.append.size_bytes()
    }
}

/// The task's appends in order: one that is being filled, some on their way.
pub(crate) struct Appends {
    producer: TaskProducer,
    offsets: Arc<OffsetBackingStore>,
    connector: ConnectorName,
    budget: MemoryBudget,
    dead_letters: Option<DeadLetterQueue>,
    codec: Compression,
    pub pending: PendingAppend,
    sent: VecDeque<SentAppend>,
    /// Durable, and the task has not heard of it.
    durable: VecDeque<SentAppend>,
}

impl Appends {
    pub fn new(
        producer: TaskProducer,
        offsets: Arc<OffsetBackingStore>,
        connector: &ConnectorName,
        budget: MemoryBudget,
        dead_letters: Option<DeadLetterQueue>,
        codec: Compression,
    ) -> Self {
        let (connector, pending) = (connector.clone(), PendingAppend::default());
        let (sent, durable) = (VecDeque::new(), VecDeque::new());
        Self { producer, offsets, connector, budget, dead_letters, codec, pending, sent, durable }
    }

    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.sent.len()
    }

    #[must_use]
    pub fn records_in_flight(&self) -> u64 {
        self.sent.iter().map(|sent| sent.records).sum::<u64>() + self.pending.records
    }

    /// Hands the pending records and their offsets to the log, all in one append.
    ///
    /// # Errors
    /// Nothing of it landed.
    pub async fn send_pending(&mut self) -> Result<(), TaskError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.pending);
        let offsets: Vec<SourceOffsetPair> = std::mem::take(&mut pending.offsets).into_iter().collect();
        let records = pending.records;
        let entries = OffsetBackingStore::entries(&self.connector, &offsets);
        let mut append = Append { records: self.offsets.encode(&entries)?, group_offsets: Vec::new() };
        if let Some(queue) = &self.dead_letters {
            append.records.extend(queue.encode_polled(&pending.letters));
        }
        append.records.extend(self.compressed(pending.into_records()));
        if append.is_empty() {
            return Ok(());
        }
        sluice_telemetry::fail_point::hit("source.before_append");
        let entries = Arc::new(entries);
        let in_flight = self.hand_over(&append, &entries).await?;
        self.sent.push_back(SentAppend { append, entries, in_flight, offsets, records });
        Ok(())
    }

    /// Appends one letter and waits for it: what was polled with it is not appended.
    ///
    /// # Errors
    /// It did not land.
    pub async fn send_letter(&mut self, letter: PolledLetter) -> Result<(), TaskError> {
        let Some(queue) = &self.dead_letters else { return Ok(()) };
        let append = Append { records: queue.encode_polled(&[letter]), group_offsets: Vec::new() };
        if append.is_empty() {
            return Ok(());
        }
        loop {
            let mut in_flight = self.producer.send(&append, None, || ()).await?;
            match in_flight.durable().await {
                Ok(_) => return Ok(()),
                Err(error) => self.producer.wait_for_room(error).await?,
            }
        }
    }

    async fn hand_over(&self, append: &Append, entries: &Arc<Vec<TopicLogEntry>>) -> Result<InFlight, AppendError> {
        let held = self.budget.reserve(append.size_bytes());
        let (store, entries) = (Arc::clone(&self.offsets), Arc::clone(entries));
        self.producer.send(append, Some(held), move || store.apply(&entries)).await
    }

    /// Waits for the oldest append on its way; [`Appends::next_durable`] gives it out.
    ///
    /// # Errors
    /// It failed.
    pub async fn settle_oldest_later(&mut self) -> Result<(), TaskError> {
        let Some(oldest) = self.sent.front_mut() else { return Ok(()) };
        match oldest.in_flight.durable().await {
            Ok(_) => {
                sluice_telemetry::fail_point::hit("source.after_append");
                self.durable.extend(self.sent.pop_front());
                Ok(())
            }
            Err(error) => self.send_again(error).await,
        }
    }

    /// All that failed, in their order, once the log has room again.
    async fn send_again(&mut self, error: AppendError) -> Result<(), TaskError> {
        // The log fails everything behind an append that failed, until all have been answered: none has overtaken it.
        for sent in &mut self.sent {
            sent.in_flight.answered().await;
        }
        self.producer.wait_for_room(error).await?;
        for index in 0..self.sent.len() {
            let SentAppend { append, entries, in_flight, .. } = &self.sent[index];
            if in_flight.has_failed() {
                let in_flight = self.hand_over(append, entries).await?;
                self.sent[index].in_flight = in_flight;
            }
        }
        Ok(())
    }

    fn compressed(&self, mut all: Vec<PartitionRecords>) -> Vec<PartitionRecords> {
        if self.codec != Compression::None {
            for one in &mut all {
                one.records = compressed(&one.records, self.codec).expect("batches that were built just now").into();
            }
        }
        all
    }

    /// The oldest append that is durable by now, once.
    ///
    /// # Errors
    /// It failed.
    pub async fn next_durable(&mut self) -> Result<Option<SentAppend>, TaskError> {
        if self.sent.front().is_some_and(|sent| sent.in_flight.is_answered()) {
            self.settle_oldest_later().await?;
        }
        Ok(self.durable.pop_front())
    }

    /// Returns when the oldest append is answered; never without one.
    pub async fn oldest_answered(&mut self) {
        match self.sent.front_mut() {
            Some(sent) => sent.in_flight.answered().await,
            None => std::future::pending().await,
        }
    }
}
