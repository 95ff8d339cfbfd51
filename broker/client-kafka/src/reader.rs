//! One reader: partitions at their positions, what was read ahead of them, and how batches are made of it.
//!
//! Invariants:
//! - Every offset below a slot's `covered` has been received or holds nothing. It moves with messages, with the end of
//!   the partition that librdkafka reports (with its offset), and with librdkafka's own position behind a transaction's
//!   marker. That position belongs to an earlier assignment until a message of this one has come, and is not believed
//!   before.
//! - An answer without records is given only when the cluster was asked for the last stable offset and nothing lies
//!   below it.

use crate::broker::{Clients, Inner};
use crate::error::{Failure, fetch_error};
use crate::native::PartitionList;
use crate::native::consumer::{Consumer, EARLIEST, LATEST, Message};
use bytes::Bytes;
use rdkafka::types::RDKafkaErrorCode as Code;
use sluice_client::{FetchError, FetchPartition, Fetched, FetchedPartition, TopicPartition};
use sluice_protocol::{RecordBatchBuilder, batches, empty_batch, set_base_offset};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Messages taken at once.
const MESSAGES_AT_ONCE: usize = 1000;
/// Between two looks at whether anybody still waits.
const SLICE: Duration = Duration::from_millis(100);
/// Between two looks for a marker that hides behind the last message.
const SLICE_BEHIND: Duration = Duration::from_millis(5);
/// Apache Kafka writes a transaction's markers after it has acknowledged the commit. Whoever asks for an offset behind them meanwhile is not
/// told that it does not exist before this time is over.
const MARKERS_WRITTEN_WITHIN: Duration = Duration::from_secs(2);
/// A run of records is cut into batches of about this size.
const BATCH_BYTES: usize = 1 << 20;

pub(crate) struct Reader {
    slots: Vec<Slot>,
    consumer: Consumer,
    /// For offsets: a request on the consumer's own connection would wait behind its fetches.
    clients: Arc<Clients>,
    timeout: Duration,
}

struct Slot {
    partition: TopicPartition,
    /// The next offset to hand out.
    position: i64,
    covered: i64,
    /// Whether a message of this assignment has come.
    is_flowing: bool,
    pending: VecDeque<Message>,
    pending_bytes: usize,
    log_start_offset: i64,
    /// The last stable offset, as last heard of.
    end: i64,
    error: Option<FetchError>,
}

impl Slot {
    fn has_news(&self) -> bool {
        self.error.is_some() || self.covered > self.position
    }
}

impl Reader {
    pub(crate) fn open(inner: &Inner) -> Result<Self, Failure> {
        let consumer = Consumer::new(&inner.config.consumer_client(), &inner.log)?;
        Ok(Self { slots: Vec::new(), consumer, clients: inner.clients(), timeout: inner.timeout() })
    }

    /// Whether the next fetch can go on where the last one ended.
    pub(crate) fn is_at(&self, wanted: &[FetchPartition]) -> bool {
        self.slots.len() == wanted.len()
            && self.slots.iter().zip(wanted).all(|(slot, wanted)| {
                slot.error.is_none() && slot.partition == wanted.partition && slot.position == wanted.offset
            })
    }

    /// Blocks until there is something, `deadline` has passed, or nobody waits any more.
    pub(crate) fn fetch(&mut self, wanted: &[FetchPartition], deadline: Instant, is_abandoned: &AtomicBool) -> Fetched {
        if wanted.is_empty() {
            return Vec::new();
        }
        if !self.is_at(wanted) {
            self.assign(wanted);
        }
        let bytes_wanted = wanted.iter().map(|wanted| wanted.max_bytes).sum();
        self.receive(Duration::ZERO, bytes_wanted);
        while !self.slots.iter().any(Slot::has_news) {
            let rest = deadline.saturating_duration_since(Instant::now());
            if is_abandoned.load(Ordering::Relaxed) {
                break;
            }
            if rest.is_zero() {
                self.look_again(bytes_wanted, is_abandoned);
                break;
            }
            self.receive(rest.min(SLICE), bytes_wanted);
        }
        if is_abandoned.load(Ordering::Relaxed) {
            // What came stays for the next fetch.
            return Vec::new();
        }
        self.slots.iter_mut().zip(wanted).map(|(slot, wanted)| answer(slot, wanted.max_bytes)).collect()
    }

    /// Begins anew at the offsets asked for, where they can be read.
    fn assign(&mut self, wanted: &[FetchPartition]) {
        let partitions: Vec<TopicPartition> = wanted.iter().map(|wanted| wanted.partition.clone()).collect();
        let mut known = watermarks(&self.clients.offsets, &partitions, self.timeout);
        let deadline = Instant::now() + MARKERS_WRITTEN_WITHIN.min(self.timeout);
        let is_ahead = |(wanted, known): (&FetchPartition, &Result<(i64, i64), FetchError>)| {
            known.as_ref().is_ok_and(|(_, end)| wanted.offset > *end)
        };
        // What was acknowledged a moment ago is above the last stable offset until its markers are written.
        while wanted.iter().zip(&known).any(is_ahead) && Instant::now() < deadline {
            std::thread::sleep(SLICE_BEHIND);
            known = watermarks(&self.clients.offsets, &partitions, self.timeout);
        }
        let mut assignment = PartitionList::new();
        self.slots.clear();
        for (wanted, known) in wanted.iter().zip(known) {
            let partition = wanted.partition.clone();
            let (error, log_start_offset, end) = match known {
                Ok((start, end)) => (out_of_range(&partition, wanted.offset, start, end), start, end),
                Err(error) => (Some(error), 0, 0),
            };
            if error.is_none() {
                assignment.add(&partition.topic, partition.partition, wanted.offset, "");
            }
            self.slots.push(Slot {
                partition,
                position: wanted.offset,
                covered: wanted.offset,
                is_flowing: false,
                pending: VecDeque::new(),
                pending_bytes: 0,
                log_start_offset,
                end,
                error,
            });
        }
        if let Err(failure) = self.consumer.assign(&assignment) {
            self.fail(&failure);
        }
    }

    fn receive(&mut self, timeout: Duration, bytes_wanted: usize) {
        let mut timeout = timeout;
        while self.slots.iter().map(|slot| slot.pending_bytes).sum::<usize>() < bytes_wanted {
            let Self { slots, consumer, .. } = self;
            let mut failed = None;
            let count = consumer.receive(timeout, MESSAGES_AT_ONCE, &mut |message| {
                if let Err(failure) = take_in(slots, message) {
                    failed = Some(failure);
                }
            });
            if let Some(failure) = failed {
                self.fail(&failure);
            }
            if count < MESSAGES_AT_ONCE {
                break;
            }
            timeout = Duration::ZERO;
        }
        self.see_markers();
    }

    /// What the last message of a transaction is followed by takes an offset, and is not handed out.
    fn see_markers(&mut self) {
        let mut positions = PartitionList::new();
        for slot in self.slots.iter().filter(|slot| slot.is_flowing) {
            positions.add(&slot.partition.topic, slot.partition.partition, -1, "");
        }
        self.consumer.positions(&mut positions);
        let flowing = self.slots.iter_mut().filter(|slot| slot.is_flowing);
        for (slot, position) in flowing.zip(positions.entries()) {
            if position.code == Code::NoError {
                slot.covered = slot.covered.max(position.offset);
            }
        }
    }

    /// Nothing came in time. If there is something all the same, waits for it.
    fn look_again(&mut self, bytes_wanted: usize, is_abandoned: &AtomicBool) {
        let partitions: Vec<TopicPartition> = self.slots.iter().map(|slot| slot.partition.clone()).collect();
        for (slot, known) in self.slots.iter_mut().zip(watermarks(&self.clients.offsets, &partitions, self.timeout)) {
            match known {
                Ok((start, end)) => {
                    (slot.log_start_offset, slot.end) = (start, end);
                    slot.error = out_of_range(&slot.partition, slot.position, start, end);
                }
                Err(error) => slot.error = Some(error),
            }
        }
        let deadline = Instant::now() + self.timeout;
        while !self.slots.iter().any(Slot::has_news) && self.slots.iter().any(|slot| slot.position < slot.end) {
            if Instant::now() >= deadline {
                let reason = "records that are there were not delivered in time".to_owned();
                self.fail(&Failure { code: Code::OperationTimedOut, reason });
            } else if is_abandoned.load(Ordering::Relaxed) {
                break;
            }
            self.receive(SLICE_BEHIND, bytes_wanted);
        }
    }

    fn fail(&mut self, failure: &Failure) {
        for slot in &mut self.slots {
            if slot.error.is_none() {
                slot.error = Some(fetch_error(failure.clone(), &slot.partition));
            }
        }
    }
}

/// Sorts a message into its slot; an error that concerns none is returned.
fn take_in(slots: &mut [Slot], message: Message) -> Result<(), Failure> {
    let slot = slots
        .iter_mut()
        .find(|slot| slot.partition.partition == message.partition() && *slot.partition.topic == *message.topic());
    match (message.code(), slot) {
        (Code::NoError, Some(slot)) => {
            if message.offset() >= slot.covered {
                slot.covered = message.offset() + 1;
                slot.is_flowing = true;
                slot.pending_bytes += message.size_bytes();
                slot.pending.push_back(message);
            }
        }
        (Code::PartitionEOF, Some(slot)) => slot.covered = slot.covered.max(message.offset()),
        // What is gone was an earlier assignment's.
        (Code::NoError | Code::PartitionEOF, None) => {}
        // librdkafka goes on by itself when the cluster is back; who waits learns it from a time-out.
        (Code::AllBrokersDown | Code::BrokerTransportFailure | Code::Resolve, _) => {}
        (code, Some(slot)) => {
            let reason = String::from_utf8_lossy(message.value().unwrap_or_default()).into_owned();
            slot.error = Some(fetch_error(Failure { code, reason }, &slot.partition));
        }
        (code, None) => {
            let reason = String::from_utf8_lossy(message.value().unwrap_or_default()).into_owned();
            return Err(Failure { code, reason });
        }
    }
    Ok(())
}

fn out_of_range(
    partition: &TopicPartition,
    offset: i64,
    log_start_offset: i64,
    high_watermark: i64,
) -> Option<FetchError> {
    let partition = partition.clone();
    (!(log_start_offset..=high_watermark).contains(&offset)).then_some(FetchError::OffsetOutOfRange {
        partition,
        offset,
        log_start_offset,
        high_watermark,
    })
}

/// Up to about `bytes_max` of what waits, at least one record.
fn answer(slot: &mut Slot, bytes_max: usize) -> Result<FetchedPartition, FetchError> {
    if slot.pending.is_empty()
        && let Some(error) = &slot.error
    {
        return Err(error.clone());
    }
    let mut out = Vec::new();
    let mut run = Run::default();
    let mut taken_bytes = 0;
    while let Some(message) = slot.pending.front() {
        let size_bytes = message.size_bytes();
        if taken_bytes > 0 && taken_bytes + size_bytes > bytes_max {
            break;
        }
        run.push(message, &mut out);
        slot.position = message.offset() + 1;
        taken_bytes += size_bytes;
        slot.pending_bytes -= size_bytes;
        slot.pending.pop_front();
    }
    run.finish(&mut out);
    if slot.pending.is_empty() {
        while slot.position < slot.covered {
            let gap = empty_batch(slot.position, slot.covered);
            out.extend_from_slice(&gap);
            slot.position = slot.covered.min(slot.position.saturating_add(1 << 31));
        }
    }
    slot.end = slot.end.max(slot.covered);
    Ok(FetchedPartition {
        partition: slot.partition.clone(),
        records: Bytes::from(out),
        high_watermark: slot.end,
        log_start_offset: slot.log_start_offset,
    })
}

/// Records whose offsets follow each other, on their way into one batch.
struct Run {
    builder: RecordBatchBuilder,
    base_offset: i64,
    next_offset: i64,
}

impl Default for Run {
    fn default() -> Self {
        Self { builder: RecordBatchBuilder::new(usize::MAX), base_offset: 0, next_offset: 0 }
    }
}

impl Run {
    fn push(&mut self, message: &Message, out: &mut Vec<u8>) {
        if message.offset() != self.next_offset || self.builder.size_bytes() >= BATCH_BYTES {
            self.finish(out);
        }
        if self.builder.is_empty() {
            self.base_offset = message.offset();
        }
        let headers = message.headers();
        self.builder
            .push_with_headers(message.timestamp(), message.key(), message.value(), headers.into_iter())
            .expect("a record that Kafka took fits the largest batch there can be");
        self.next_offset = message.offset() + 1;
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let built = self.builder.finish();
        let begin = out.len();
        out.extend_from_slice(&built);
        let mut base_offset = self.base_offset;
        let mut at = begin;
        for batch in batches(&built) {
            let batch = batch.expect("it was built a moment ago");
            set_base_offset(&mut out[at..], base_offset);
            base_offset += i64::from(batch.count());
            at += batch.size_bytes();
        }
    }
}

/// The first offset and the last stable offset of each partition. Waits for the brokers.
pub(crate) fn watermarks(
    consumer: &Consumer,
    partitions: &[TopicPartition],
    timeout: Duration,
) -> Vec<Result<(i64, i64), FetchError>> {
    let begin = offsets_at(consumer, partitions, EARLIEST, timeout);
    let end = offsets_at(consumer, partitions, LATEST, timeout);
    begin.into_iter().zip(end).map(|(begin, end)| Ok((begin?, end?))).collect()
}

/// The offset of each partition at a time, which may be [`EARLIEST`] or [`LATEST`]; negative where there is none.
pub(crate) fn offsets_at(
    consumer: &Consumer,
    partitions: &[TopicPartition],
    time: i64,
    timeout: Duration,
) -> Vec<Result<i64, FetchError>> {
    let deadline = Instant::now() + timeout;
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        let found = ask_offsets_at(consumer, partitions, time, rest.max(SLICE));
        let has_moved = found.iter().any(|found| found.as_ref().is_err_and(|failure| is_elsewhere(failure.code)));
        if !has_moved || rest.is_zero() {
            let explained = partitions.iter().zip(found);
            return explained
                .map(|(partition, found)| found.map_err(|failure| fetch_error(failure, partition)))
                .collect();
        }
        // librdkafka asks for the new leader meanwhile.
        std::thread::sleep(SLICE);
    }
}

/// Whether a partition has another leader, or its leader another term, than librdkafka has heard of: after a restart.
fn is_elsewhere(code: Code) -> bool {
    matches!(
        code,
        Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::OffsetNotAvailable
    )
}

fn ask_offsets_at(
    consumer: &Consumer,
    partitions: &[TopicPartition],
    time: i64,
    timeout: Duration,
) -> Vec<Result<i64, Failure>> {
    let mut asked = PartitionList::new();
    for partition in partitions {
        asked.add(&partition.topic, partition.partition, time, "");
    }
    let outcome = consumer.list_offsets(&mut asked, timeout);
    let found = asked.entries().map(|entry| match (entry.code, &outcome) {
        (Code::NoError, Ok(())) => Ok(entry.offset),
        (Code::NoError, Err(failure)) => Err(failure.clone()),
        (code, _) => Err(code.into()),
    });
    found.collect()
}
