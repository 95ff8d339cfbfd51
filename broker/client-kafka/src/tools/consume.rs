//! Reading records one by one, as a console does.

use super::{Cluster, ToolError};
use crate::error::Failure;
use crate::log::ClientLog;
use crate::native::consumer::{EARLIEST, LATEST};
use rdkafka::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message, Timestamp};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a stop is looked for while nothing arrives.
const LOOK: Duration = Duration::from_millis(100);
/// How often a group's progress is committed.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// Where a partition is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    Earliest,
    Latest,
    /// Of every partition that is read; it must be there.
    Offset(i64),
    /// The first record at or after this time, ms since the epoch.
    Time(i64),
}

#[derive(Debug, Clone)]
pub struct ConsumeOptions {
    pub topic: String,
    /// None: all of them.
    pub partitions: Vec<i32>,
    pub from: StartAt,
    /// As a member of this group, which goes on where it has committed, and commits what was taken.
    pub group: Option<String>,
    pub max_messages: Option<u64>,
    /// Ends when nothing has arrived for this long.
    pub timeout: Option<Duration>,
    /// Ends when every partition was read to where it ended at the start.
    pub until_end: bool,
    /// Also what open and aborted transactions wrote.
    pub read_uncommitted: bool,
}

/// A record, borrowed for the time of one call.
#[derive(Debug)]
pub struct ConsumedRecord<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    /// ms since the epoch.
    pub timestamp: Option<i64>,
    /// The time of the append, not the producer's.
    pub is_append_time: bool,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Vec<(&'a str, Option<&'a [u8]>)>,
}

/// Why reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumeEnd {
    MaxMessages,
    Timeout,
    End,
    /// The caller's wish.
    Stopped,
}

/// Reads until one of the options, `stop` or `sink` (by `Break`) ends it. What `sink` took is committed for a group.
///
/// # Errors
/// [`ToolError`]; what was read before was given to `sink`.
pub fn consume(
    cluster: &Cluster,
    options: &ConsumeOptions,
    stop: &AtomicBool,
    mut sink: impl FnMut(&ConsumedRecord<'_>) -> ControlFlow<()>,
) -> Result<ConsumeEnd, ToolError> {
    let mut reader = Reader::open(cluster, options)?;
    let ended = reader.run(stop, &mut sink);
    reader.commit()?;
    ended
}

struct Reader<'a> {
    cluster: &'a Cluster,
    options: &'a ConsumeOptions,
    consumer: BaseConsumer<Context>,
    /// Of those that are read to their end: where that is.
    ends: BTreeMap<i32, i64>,
    last_commit: Instant,
    /// Something was taken since.
    is_uncommitted: bool,
}

struct Context(ClientLog);

impl ClientContext for Context {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ConsumerContext for Context {
    fn main_queue_min_poll_interval(&self) -> rdkafka::util::Timeout {
        rdkafka::util::Timeout::After(LOOK)
    }
}

impl<'a> Reader<'a> {
    fn open(cluster: &'a Cluster, options: &'a ConsumeOptions) -> Result<Self, ToolError> {
        let mut config = cluster.config.client();
        // A group is wanted even by a consumer that never joins it.
        config.set("group.id", options.group.as_deref().unwrap_or("sluice-consume"));
        config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        config.set("enable.partition.eof", "true").set("allow.auto.create.topics", "false");
        config.set("isolation.level", if options.read_uncommitted { "read_uncommitted" } else { "read_committed" });
        let reset = match (options.from, &options.group) {
            (_, None) => "error",
            (StartAt::Earliest, Some(_)) => "earliest",
            (_, Some(_)) => "latest",
        };
        config.set("auto.offset.reset", reset);
        let consumer = BaseConsumer::from_config_and_context(&config, Context(cluster.log.clone()));
        let consumer = consumer.map_err(|error| ToolError::Config { reason: crate::error::said(&error) })?;
        let last_commit = Instant::now();
        let mut reader = Self { cluster, options, consumer, ends: BTreeMap::new(), last_commit, is_uncommitted: false };
        reader.begin()?;
        Ok(reader)
    }

    fn begin(&mut self) -> Result<(), ToolError> {
        let options = self.options;
        let topic = options.topic.as_str();
        let known = self.cluster.partitions_of(topic)?;
        for partition in &options.partitions {
            self.cluster.check_partition(topic, &known, *partition)?;
        }
        let chosen = if options.partitions.is_empty() { &known } else { &options.partitions };
        if options.until_end {
            self.ends = self.cluster.list_offsets(topic, chosen, LATEST)?;
        }
        let begun = if options.group.is_some() {
            self.consumer.subscribe(&[topic])
        } else {
            let list = self.starts(chosen)?;
            self.consumer.assign(&list)
        };
        begun.map_err(|error| self.cluster.failed(Failure::from(error), topic))
    }

    fn starts(&mut self, partitions: &[i32]) -> Result<TopicPartitionList, ToolError> {
        let options = self.options;
        let topic = options.topic.as_str();
        let bounds = match options.from {
            // Named offsets are looked at first, so that a wrong one is said and not waited for.
            StartAt::Offset(_) => self.cluster.bounds(topic, partitions)?,
            StartAt::Latest | StartAt::Time(_) | StartAt::Earliest => BTreeMap::new(),
        };
        let at = match options.from {
            StartAt::Earliest => self.cluster.list_offsets(topic, partitions, EARLIEST)?,
            StartAt::Latest => self.cluster.list_offsets(topic, partitions, LATEST)?,
            StartAt::Time(ms) => {
                let ends = self.cluster.list_offsets(topic, partitions, LATEST)?;
                let found = self.cluster.list_offsets(topic, partitions, ms)?;
                let or_end = |(partition, at): (i32, i64)| (partition, if at < 0 { ends[&partition] } else { at });
                found.into_iter().map(or_end).collect()
            }
            StartAt::Offset(offset) => partitions.iter().map(|partition| (*partition, offset)).collect(),
        };
        for (partition, (start, end)) in bounds {
            let offset = at.get(&partition).copied().unwrap_or(-1);
            if !(start..=end).contains(&offset) {
                return Err(ToolError::OutOfRange { topic: topic.to_owned(), partition, offset, start, end });
            }
        }
        // What was read to its end before it was begun.
        self.ends.retain(|partition, end| at.get(partition).is_some_and(|start| start < end));
        let mut list = TopicPartitionList::new();
        for (partition, offset) in at {
            let added = list.add_partition_offset(topic, partition, Offset::Offset(offset));
            added.map_err(|error| self.cluster.failed(Failure::from(error), topic))?;
        }
        Ok(list)
    }

    fn run(
        &mut self,
        stop: &AtomicBool,
        sink: &mut impl FnMut(&ConsumedRecord<'_>) -> ControlFlow<()>,
    ) -> Result<ConsumeEnd, ToolError> {
        let mut taken = 0u64;
        let mut last_arrival = Instant::now();
        let mut finished: BTreeSet<i32> = BTreeSet::new();
        loop {
            if self.options.max_messages.is_some_and(|max| taken >= max) {
                return Ok(ConsumeEnd::MaxMessages);
            }
            if self.options.until_end && self.is_finished(&finished) {
                return Ok(ConsumeEnd::End);
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(ConsumeEnd::Stopped);
            }
            match self.consumer.poll(LOOK) {
                Some(Ok(message)) => {
                    last_arrival = Instant::now();
                    let (partition, offset) = (message.partition(), message.offset());
                    let past_end = self.options.until_end && self.ends.get(&partition).is_none_or(|end| offset >= *end);
                    if past_end {
                        finished.insert(partition);
                        continue;
                    }
                    let wants_more = sink(&record(&message)).is_continue();
                    drop(message);
                    taken += 1;
                    self.took(partition, offset)?;
                    if self.ends.get(&partition).is_some_and(|end| offset + 1 >= *end) {
                        finished.insert(partition);
                    }
                    if !wants_more {
                        return Ok(ConsumeEnd::Stopped);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(finished.insert(partition)),
                Some(Err(error)) => self.look_at(error)?,
                None if self.options.timeout.is_some_and(|timeout| last_arrival.elapsed() >= timeout) => {
                    return Ok(ConsumeEnd::Timeout);
                }
                None => {}
            }
            if self.is_uncommitted && self.last_commit.elapsed() >= COMMIT_INTERVAL {
                self.commit()?;
            }
        }
    }

    /// Of a group, the partitions that are this member's count.
    fn is_finished(&self, finished: &BTreeSet<i32>) -> bool {
        if self.options.group.is_none() {
            return self.ends.keys().all(|partition| finished.contains(partition));
        }
        let mine = self.consumer.assignment().unwrap_or_default();
        let mine = mine.elements();
        !mine.is_empty() && mine.iter().all(|place| finished.contains(&place.partition()))
    }

    fn took(&mut self, partition: i32, offset: i64) -> Result<(), ToolError> {
        if self.options.group.is_none() {
            return Ok(());
        }
        self.is_uncommitted = true;
        match self.consumer.store_offset(&self.options.topic, partition, offset) {
            // The partition went to another member, which reads the record again.
            Err(KafkaError::StoreOffset(Code::State)) => Ok(()),
            stored => stored.map_err(|error| self.cluster.failed(Failure::from(error), &self.options.topic)),
        }
    }

    fn commit(&mut self) -> Result<(), ToolError> {
        (self.last_commit, self.is_uncommitted) = (Instant::now(), false);
        let Some(group) = &self.options.group else { return Ok(()) };
        match self.consumer.commit_consumer_state(CommitMode::Sync) {
            Ok(()) | Err(KafkaError::ConsumerCommit(Code::NoOffset)) => Ok(()),
            Err(error) => Err(self.cluster.failed(Failure::from(error), &format!("committing for group {group}"))),
        }
    }

    /// librdkafka goes on by itself after most of what it says.
    fn look_at(&self, error: KafkaError) -> Result<(), ToolError> {
        let failure = Failure::from(error);
        let is_over = matches!(
            failure.code,
            Code::Fatal
                | Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::OffsetOutOfRange
                | Code::AutoOffsetReset
                | Code::BadMessage
                | Code::NotImplemented
                | Code::InvalidGroupId
                | Code::InvalidSessionTimeout
                | Code::FencedInstanceId
                | Code::InconsistentGroupProtocol
        );
        if is_over { Err(self.cluster.failed(failure, &self.options.topic)) } else { Ok(()) }
    }
}

fn record<'a>(message: &'a BorrowedMessage<'_>) -> ConsumedRecord<'a> {
    let (timestamp, is_append_time) = match message.timestamp() {
        Timestamp::NotAvailable => (None, false),
        Timestamp::CreateTime(ms) => (Some(ms), false),
        Timestamp::LogAppendTime(ms) => (Some(ms), true),
    };
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    ConsumedRecord {
        topic: message.topic(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp,
        is_append_time,
        key: message.key(),
        value: message.payload(),
        headers: headers.map(|header| (header.key, header.value)).collect(),
    }
}
