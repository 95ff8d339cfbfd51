//! Fetch: long polls over the partitions that a client asks for, whole batches straight out of the log.
//!
//! There are no fetch sessions: every answer carries session id 0, so clients send all partitions each time (KIP-227).

use super::fetch_answer::{self, PartitionAnswer, TOPIC_IDS_FROM, TopicAnswer};
use crate::connection::{ConnectionError, Response};
use crate::dispatch::Context;
use crate::error::WireError;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::{FetchRequest, TopicName};
use sluice_log::{PiecesRead, TopicId};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// `isolation.level=read_committed`.
const READ_COMMITTED: i8 = 1;
/// A client that asks to wait longer is answered after this time.
const WAIT_MAX: Duration = Duration::from_secs(300);

struct WantedTopic {
    name: TopicName,
    id: Uuid,
    place: Result<TopicId, WireError>,
    partitions: Vec<FetchPartition>,
}

pub(crate) async fn fetch(context: &Context, mut request: FetchRequest) -> Result<Response, ConnectionError> {
    let (id, version) = (context.header.correlation_id, context.version());
    if request.session_id != 0 {
        // None was ever opened.
        return fetch_answer::write(id, version, ResponseError::FetchSessionIdNotFound.code(), Vec::new());
    }
    let topics = find_topics(context, &mut request);
    wait(context, &request, &topics).await;
    let limits = &context.shared.config.limits;
    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0).min(limits.fetch_bytes_max);
    let mut share = context.shared.response_memory.take(available(context, &topics, bytes_max)).await;
    let mut room = Room { left: bytes_max, empty: true };
    let answers: Vec<_> = topics.into_iter().map(|topic| read_topic(context, &request, topic, &mut room)).collect();
    let mut response = fetch_answer::write(id, version, 0, answers)?;
    share.keep(response.memory_bytes());
    response.shares.push(share);
    Ok(response)
}

fn find_topics(context: &Context, request: &mut FetchRequest) -> Vec<WantedTopic> {
    let wanted = std::mem::take(&mut request.topics).into_iter();
    wanted
        .map(|topic| {
            let (name, id) = (topic.topic, topic.topic_id);
            let place = if context.version() < TOPIC_IDS_FROM { context.readable(&name) } else { by_id(context, id) };
            WantedTopic { name, id, place, partitions: topic.partitions }
        })
        .collect()
}

fn by_id(context: &Context, id: Uuid) -> Result<TopicId, WireError> {
    let unknown = || WireError::new(ResponseError::UnknownTopicId, format!("there is no topic with the id {id}"));
    let topic = context.shared.broker.topic_by_id(TopicId(*id.as_bytes())).ok_or_else(unknown)?;
    context.readable(&topic.name)
}

/// Until enough can be read, something is wrong, or the client's patience is over.
async fn wait(context: &Context, request: &FetchRequest, topics: &[WantedTopic]) {
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
    let patience = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(WAIT_MAX);
    let deadline = Instant::now() + patience;
    let places = topics.iter().filter_map(|topic| Some((topic.place.as_ref().ok()?, &topic.partitions)));
    let places = places.flat_map(|(id, partitions)| partitions.iter().map(|part| (*id, part.partition)));
    // Registered before looking, so that nothing falls between the look and the wait.
    let news = context.shared.broker.news(places.collect());
    loop {
        if enough(context, request, topics, min_bytes) || Instant::now() >= deadline {
            return;
        }
        let _ = tokio::time::timeout_at(deadline, news.arrived()).await;
    }
}

fn enough(context: &Context, request: &FetchRequest, topics: &[WantedTopic], min_bytes: usize) -> bool {
    if topics.is_empty() {
        // So Java's consumer asks when it closes, to end its session, and waits for the answer (Kafka: ReplicaManager.fetchMessages).
        return true;
    }
    let mut bytes = 0;
    let committed = request.isolation_level == READ_COMMITTED;
    for topic in topics {
        let Ok(id) = &topic.place else { return true };
        for part in &topic.partitions {
            match readable_bytes(context, *id, part, min_bytes, committed) {
                Some(more) => bytes += more,
                None => return true,
            }
        }
    }
    bytes >= min_bytes
}

/// `None`: there is an error to report.
fn readable_bytes(
    context: &Context,
    topic: TopicId,
    part: &FetchPartition,
    bytes_max: usize,
    committed: bool,
) -> Option<usize> {
    let broker = &context.shared.broker;
    context.check_leader_epoch(part.current_leader_epoch).ok()?;
    let (start, end) = broker.offsets(topic, part.partition).ok()?;
    if !(start..=end).contains(&part.fetch_offset) {
        return None;
    }
    let end = if committed { broker.last_stable_offset(topic, part.partition).ok()? } else { end };
    if part.fetch_offset >= end {
        return Some(0);
    }
    // Offsets without records are news too: the reader must get past them.
    let bytes = broker.bytes_from(topic, part.partition, part.fetch_offset, bytes_max).ok()?;
    Some(if bytes == 0 { bytes_max } else { bytes })
}

/// About as much as the answer will take.
fn available(context: &Context, topics: &[WantedTopic], bytes_max: usize) -> usize {
    let mut bytes = 0usize;
    for topic in topics {
        let Ok(id) = &topic.place else { continue };
        for part in &topic.partitions {
            let most = usize::try_from(part.partition_max_bytes).unwrap_or(0);
            let found = context.shared.broker.bytes_from(*id, part.partition, part.fetch_offset, most);
            bytes = bytes.saturating_add(found.unwrap_or(0).min(most));
            if bytes >= bytes_max {
                return bytes_max;
            }
        }
    }
    bytes
}

/// What the answer may still take. Its first batch is sent whatever its size (KIP-74).
struct Room {
    left: usize,
    empty: bool,
}

fn read_topic(context: &Context, request: &FetchRequest, topic: WantedTopic, room: &mut Room) -> TopicAnswer {
    let answers = topic.partitions.iter().map(|part| {
        let place = topic.place.clone();
        let committed = request.isolation_level == READ_COMMITTED;
        let read = place.and_then(|id| read_partition(context, id, part, room, committed));
        answer(committed, part, read)
    });
    TopicAnswer { partitions: answers.collect(), name: topic.name.to_string(), id: topic.id.into_bytes() }
}

fn read_partition(
    context: &Context,
    topic: TopicId,
    part: &FetchPartition,
    room: &mut Room,
    committed: bool,
) -> Result<PiecesRead, WireError> {
    context.check_leader_epoch(part.current_leader_epoch)?;
    let broker = &context.shared.broker;
    let bytes_max = usize::try_from(part.partition_max_bytes).unwrap_or(0).min(room.left);
    let (log_start_offset, high_watermark) = broker.offsets(topic, part.partition)?;
    let inside = (log_start_offset..high_watermark).contains(&part.fetch_offset);
    let last_stable_offset = broker.last_stable_offset(topic, part.partition)?;
    if inside && bytes_max == 0 && !room.empty {
        return Ok(PiecesRead::empty(log_start_offset, high_watermark, last_stable_offset));
    }
    let mut found = broker.read(topic, part.partition, part.fetch_offset, bytes_max, committed)?;
    if found.size_bytes > bytes_max && !room.empty {
        found = PiecesRead::empty(found.log_start_offset, found.high_watermark, found.last_stable_offset);
    }
    room.empty &= found.size_bytes == 0;
    room.left = room.left.saturating_sub(found.size_bytes);
    Ok(found)
}

fn answer(committed: bool, part: &FetchPartition, read: Result<PiecesRead, WireError>) -> PartitionAnswer {
    let partition = part.partition;
    match read {
        Ok(read) => PartitionAnswer {
            partition,
            error_code: 0,
            high_watermark: read.high_watermark,
            last_stable_offset: read.last_stable_offset,
            log_start_offset: read.log_start_offset,
            aborted: committed.then(|| read.aborted.iter().map(|one| (one.producer_id, one.first_offset)).collect()),
            records: read.pieces,
        },
        Err(error) => PartitionAnswer {
            partition,
            error_code: error.code,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            aborted: None,
            records: Vec::new(),
        },
    }
}
