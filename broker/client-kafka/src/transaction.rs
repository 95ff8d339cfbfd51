//! A producer's thread: appends that wait become one transaction, committed before any of them is acknowledged.

use crate::chain::Chain;
use crate::error::{Failure, append_error, is_fenced};
use crate::log::ClientLog;
use crate::native::PartitionList;
use crate::native::offsets::send_offsets;
use crate::producer::{Job, Standing};
use parking_lot::Mutex;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::util::Timeout;
use rdkafka::{ClientConfig, ClientContext};
use sluice_client::{AppendError, Appended, GroupOffset, PartitionRecords, TopicPartition};
use sluice_protocol::{RecordRef, batches};
use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Appends that share a transaction, at most.
const APPENDS_TOGETHER: usize = 500;
const BYTES_TOGETHER: usize = 8 << 20;
/// librdkafka packs up to its `batch.size` into a batch; below that, a topic's own limit must be kept here.
const LIBRDKAFKA_BATCH_BYTES: usize = 1_000_000 + 512;
/// How long the queue of librdkafka is served before looking again.
const POLL: Duration = Duration::from_millis(100);

/// Where the records of the transaction under way landed.
#[derive(Default)]
struct Delivered {
    /// Of each part, its first record's.
    base_offsets: Vec<i64>,
    failed: Option<(TopicPartition, usize, Failure)>,
}

/// Collects delivery reports. A record's tag is its part's number from 1 on, or 0 when it is not the first of its part.
pub(crate) struct DeliveryContext {
    log: ClientLog,
    delivered: Mutex<Delivered>,
}

impl DeliveryContext {
    pub(crate) fn new(log: ClientLog) -> Self {
        Self { log, delivered: Mutex::default() }
    }
}

impl ClientContext for DeliveryContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(error, reason);
    }
}

impl ProducerContext for DeliveryContext {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: usize) {
        let mut delivered = self.delivered.lock();
        match result {
            Ok(message) => {
                if let Some(base_offset) = tag.checked_sub(1).and_then(|part| delivered.base_offsets.get_mut(part)) {
                    *base_offset = message.offset();
                }
            }
            Err((error, message)) => {
                let partition = TopicPartition::new(message.topic(), message.partition());
                let size_bytes = message.payload_len() + message.key_len();
                delivered.failed.get_or_insert((partition, size_bytes, error.clone().into()));
            }
        }
    }
}

pub(crate) type TransactionalProducer = BaseProducer<DeliveryContext>;

/// Makes the producer and takes over its transactional id. Waits.
pub(crate) fn init(
    config: &ClientConfig,
    context: DeliveryContext,
    timeout: Duration,
) -> Result<TransactionalProducer, Failure> {
    let producer = BaseProducer::from_config_and_context(config, context)?;
    let deadline = Instant::now() + timeout;
    loop {
        match producer.init_transactions(POLL) {
            Ok(()) => return Ok(producer),
            Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < deadline => {
                // Its log lines say why.
                producer.poll(Duration::ZERO);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

pub(crate) struct Transactions {
    pub producer: TransactionalProducer,
    pub transactional_id: String,
    pub standing: Arc<Standing>,
    pub chain: Chain,
    pub timeout: Duration,
}

/// Why a transaction did not commit.
enum Undone {
    /// Nothing of it landed, and the producer can go on.
    Aborted(AppendError),
    /// The producer can do nothing any more.
    Ended(AppendError),
}

impl Transactions {
    /// Ends when the producer was dropped and everything that it had sent is settled.
    pub(crate) fn run(self, jobs: &mpsc::Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            let mut bytes = job.append.size_bytes();
            let mut together = vec![job];
            while together.len() < APPENDS_TOGETHER && bytes < BYTES_TOGETHER {
                let Ok(job) = jobs.try_recv() else { break };
                bytes += job.append.size_bytes();
                together.push(job);
            }
            self.settle(together);
        }
    }

    fn settle(&self, together: Vec<Job>) {
        if self.chain.is_broken() || self.standing.check().is_err() {
            together.into_iter().for_each(|job| self.refuse(job));
            return;
        }
        match self.transact(&together) {
            Ok(base_offsets) => {
                let mut base_offsets = base_offsets.into_iter();
                for job in together {
                    let base_offsets = base_offsets.by_ref().take(job.append.records.len()).collect();
                    job.answer(Ok(Appended { base_offsets }));
                }
            }
            Err(Undone::Ended(error)) => {
                self.standing.end(error);
                together.into_iter().for_each(|job| self.refuse(job));
            }
            Err(Undone::Aborted(error)) if together.len() == 1 => {
                self.chain.break_off();
                together.into_iter().for_each(|job| job.answer(Err(error.clone())));
            }
            // One of them is at fault: each by itself, up to that one.
            Err(Undone::Aborted(_)) => together.into_iter().for_each(|job| self.settle(vec![job])),
        }
    }

    fn refuse(&self, job: Job) {
        self.chain.break_off();
        job.answer(Err(match self.standing.check() {
            Err(error) => error,
            Ok(()) => AppendError::Unavailable { reason: "an append before this one failed".into() },
        }));
    }

    /// The base offsets of all parts, one append after the other.
    fn transact(&self, together: &[Job]) -> Result<Vec<i64>, Undone> {
        if together.iter().all(|job| job.append.is_empty()) {
            return Ok(Vec::new());
        }
        let parts = together.iter().map(|job| job.append.records.len()).sum();
        *self.producer.context().delivered.lock() = Delivered { base_offsets: vec![-1; parts], failed: None };
        self.producer.begin_transaction().map_err(|error| self.ended(&error))?;
        let mut number = 0;
        for job in together {
            for (part, limit_bytes) in job.append.records.iter().zip(&job.batch_bytes_max) {
                number += 1;
                self.produce(part, number, *limit_bytes).map_err(|failure| self.abort(failure))?;
            }
        }
        self.flush();
        if let Some((partition, size_bytes, failure)) = self.producer.context().delivered.lock().failed.take() {
            let limit_bytes = limit_of(together, &partition);
            return Err(self.abort(append_error(failure, partition, size_bytes, limit_bytes)));
        }
        for (group, offsets) in by_group(together) {
            self.send_offsets(group, &offsets)?;
        }
        self.commit()?;
        Ok(std::mem::take(&mut self.producer.context().delivered.lock().base_offsets))
    }

    fn produce(&self, part: &PartitionRecords, number: usize, limit_bytes: usize) -> Result<(), AppendError> {
        let mut tag = number;
        for batch in batches(&part.records) {
            let records = batch.and_then(|batch| batch.records());
            let records = records.expect("the batches were read when they were handed over");
            for record in records {
                let record = record.expect("the records were read when they were handed over");
                self.produce_one(part, &record, tag)?;
                tag = 0;
            }
            if limit_bytes < LIBRDKAFKA_BATCH_BYTES {
                self.flush();
            }
        }
        Ok(())
    }

    fn produce_one(&self, part: &PartitionRecords, record: &RecordRef<'_>, tag: usize) -> Result<(), AppendError> {
        let mut wanted: BaseRecord<'_, [u8], [u8], usize> =
            BaseRecord::with_opaque_to(&part.topic, tag).partition(part.partition).timestamp(record.timestamp);
        wanted.key = record.key;
        wanted.payload = record.value;
        if record.headers.len() > 0 {
            let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
            for header in record.headers.clone() {
                let key = String::from_utf8_lossy(header.key);
                headers = headers.insert(Header { key: &key, value: header.value });
            }
            wanted = wanted.headers(headers);
        }
        loop {
            match self.producer.send(wanted) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(Code::QueueFull), back)) => {
                    wanted = back;
                    self.producer.poll(POLL);
                }
                Err((error, _)) => {
                    let partition = TopicPartition { topic: part.topic.clone(), partition: part.partition };
                    return Err(append_error(error.into(), partition, part.records.len(), usize::MAX));
                }
            }
        }
    }

    /// Until each record is delivered or has failed: librdkafka gives up after `message.timeout.ms`.
    fn flush(&self) {
        while self.producer.flush(POLL).is_err() {}
    }

    fn send_offsets(&self, group: &str, offsets: &PartitionList) -> Result<(), Undone> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let Err(error) = send_offsets(&self.producer, group, offsets, self.timeout) else { return Ok(()) };
            if error.is_retriable && Instant::now() < deadline {
                continue;
            }
            if error.is_fatal || is_fenced(error.failure.code) {
                return Err(Undone::Ended(self.end_of(&error.failure)));
            }
            let reason = format!("the offsets of group {group} were not taken: {}", error.failure.reason);
            return Err(self.abort(AppendError::Unavailable { reason }));
        }
    }

    /// Tries until the outcome is known.
    fn commit(&self) -> Result<(), Undone> {
        loop {
            match self.producer.commit_transaction(Timeout::After(self.timeout)) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                    return Err(self.abort(AppendError::Unavailable { reason: error.to_string() }));
                }
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
                Err(KafkaError::Flush(_)) => {}
                Err(error) => return Err(self.ended(&error)),
            }
        }
    }

    /// Takes back what was sent, until that is certain.
    fn abort(&self, error: AppendError) -> Undone {
        loop {
            match self.producer.abort_transaction(Timeout::After(self.timeout)) {
                Ok(()) => break,
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {
                    self.producer.poll(POLL);
                }
                Err(error) => return self.ended(&error),
            }
        }
        // Reports of records that were purged.
        self.flush();
        Undone::Aborted(error)
    }

    fn ended(&self, error: &KafkaError) -> Undone {
        let code = match error {
            KafkaError::Transaction(error) => error.code(),
            error => error.rdkafka_error_code().unwrap_or(Code::Fail),
        };
        Undone::Ended(self.end_of(&Failure { code, reason: error.to_string() }))
    }

    fn end_of(&self, failure: &Failure) -> AppendError {
        let fatal = self.producer.client().fatal_error();
        let code = fatal.as_ref().map_or(failure.code, |(code, _)| *code);
        if is_fenced(code) || is_fenced(failure.code) {
            return AppendError::ProducerFenced { transactional_id: self.transactional_id.clone() };
        }
        let reason = fatal.map_or_else(|| failure.reason.clone(), |(_, reason)| reason);
        AppendError::Poisoned { reason }
    }
}

fn limit_of(together: &[Job], partition: &TopicPartition) -> usize {
    let parts = together.iter().flat_map(|job| job.append.records.iter().zip(&job.batch_bytes_max));
    let mut limits = parts.filter(|(part, _)| part.topic == partition.topic).map(|(_, limit_bytes)| *limit_bytes);
    limits.next().unwrap_or_default()
}

/// Each group's last offset of each partition.
fn by_group(together: &[Job]) -> BTreeMap<&str, PartitionList> {
    let mut last: BTreeMap<(&str, &TopicPartition), &GroupOffset> = BTreeMap::new();
    for offset in together.iter().flat_map(|job| &job.append.group_offsets) {
        last.insert((&offset.group, &offset.partition), offset);
    }
    let mut groups = BTreeMap::new();
    for ((group, partition), offset) in last {
        let list = groups.entry(group).or_insert_with(PartitionList::new);
        list.add(&partition.topic, partition.partition, offset.offset, &offset.metadata);
    }
    groups
}
