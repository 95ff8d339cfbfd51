//! A client that behaves, for telling whether it notices those that do not.

use anyhow::{Result, bail, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{CreateTopicsRequest, FetchRequest, ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::wire::Connection;

const CREATE_TOPICS: i16 = 2;
const PRODUCE: i16 = 7;
const FETCH: i16 = 4;
/// Bytes of a batch before its records.
const BATCH_OVERHEAD: usize = 61;
/// KAFKA_STORAGE_ERROR.
const STORAGE_ERROR: i16 = 56;

/// What became of a produce request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Produced {
    At(i64),
    /// The broker has no room.
    StorageError,
}

/// Writes to and reads from partition 0 of a topic of its own.
pub struct GoodClient {
    connection: Connection,
    topic: TopicName,
}

impl GoodClient {
    /// Connects, and creates the topic.
    pub fn start(address: &str, topic: &str, settings: &[(&str, &str)]) -> Result<GoodClient> {
        let mut client = GoodClient::join(address, topic)?;
        let configs = settings
            .iter()
            .map(|(name, value)| {
                kafka_protocol::messages::create_topics_request::CreatableTopicConfig::default()
                    .with_name(StrBytes::from_string((*name).to_owned()))
                    .with_value(Some(StrBytes::from_string((*value).to_owned())))
            })
            .collect();
        let wanted = CreatableTopic::default()
            .with_name(client.topic.clone())
            .with_num_partitions(1)
            .with_replication_factor(1)
            .with_configs(configs);
        let answer =
            client.connection.call(CREATE_TOPICS, &CreateTopicsRequest::default().with_topics(vec![wanted]))?;
        match answer.topics[0].error_code {
            0 => Ok(client),
            code => bail!("cannot create {topic}: {code}"),
        }
    }

    /// Connects to a topic that is there.
    pub fn join(address: &str, topic: &str) -> Result<GoodClient> {
        let topic = TopicName(StrBytes::from_string(topic.to_owned()));
        Ok(GoodClient { connection: Connection::open(address)?, topic })
    }

    /// Writes one record and reads it again.
    pub fn works(&mut self) -> Result<()> {
        let value = b"still here".repeat(10);
        let Produced::At(offset) = self.produce(&value)? else { bail!("the broker says that it has no room") };
        let answer = self.fetch(offset, 1 << 20)?;
        ensure!(
            answer.windows(value.len()).any(|window| window == value),
            "what was written at {offset} is not read there"
        );
        Ok(())
    }

    /// One record.
    pub fn produce(&mut self, value: &[u8]) -> Result<Produced> {
        self.produce_batch(batch(&record(value), 0))
    }

    /// A whole batch, as [`batch`] makes one.
    pub fn produce_batch(&mut self, batch: Bytes) -> Result<Produced> {
        let data = PartitionProduceData::default().with_index(0).with_records(Some(batch));
        let data = TopicProduceData::default().with_name(self.topic.clone()).with_partition_data(vec![data]);
        let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![data]);
        let answer = self.connection.call(PRODUCE, &request)?;
        let part = &answer.responses[0].partition_responses[0];
        match part.error_code {
            0 => Ok(Produced::At(part.base_offset)),
            STORAGE_ERROR => Ok(Produced::StorageError),
            code => bail!("a batch was refused with {code}: {:?}", part.error_message),
        }
    }

    /// The bytes of the batches from an offset on.
    pub fn fetch(&mut self, offset: i64, bytes_max: i32) -> Result<Bytes> {
        let answer = self.connection.call(FETCH, &self.fetch_request(offset, bytes_max))?;
        let part = &answer.responses[0].partitions[0];
        ensure!(part.error_code == 0, "a fetch was refused with {}", part.error_code);
        Ok(part.records.clone().unwrap_or_default())
    }

    /// Asks for what [`GoodClient::fetch`] would get, and gives the connection away before the answer is read.
    pub fn ask_and_leave(mut self, offset: i64, bytes_max: i32) -> Result<Connection> {
        let request = self.fetch_request(offset, bytes_max);
        self.connection.send(FETCH, &request)?;
        Ok(self.connection)
    }

    fn fetch_request(&self, offset: i64, bytes_max: i32) -> FetchRequest {
        let part = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(bytes_max);
        let topic = FetchTopic::default().with_topic(self.topic.clone()).with_partitions(vec![part]);
        FetchRequest::default()
            .with_max_wait_ms(1_000)
            .with_min_bytes(1)
            .with_max_bytes(bytes_max)
            .with_topics(vec![topic])
    }

    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// A record v2 without a key, the first of its batch.
pub fn record(value: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1]; // attributes, time delta, offset delta, no key
    varint(value.len() as i64, &mut body);
    body.extend(value);
    body.push(0); // no headers
    let mut out = Vec::with_capacity(body.len() + 5);
    varint(body.len() as i64, &mut out);
    out.extend(body);
    out
}

/// A batch of one record. `codec`: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd, in which `records` are already compressed.
pub fn batch(records: &[u8], codec: i16) -> Bytes {
    let mut out = BytesMut::with_capacity(BATCH_OVERHEAD + records.len());
    out.put_i64(0); // base offset
    out.put_i32((BATCH_OVERHEAD - 12 + records.len()) as i32);
    out.put_i32(-1); // leader epoch
    out.put_u8(2); // magic
    out.put_u32(0); // CRC
    out.put_i16(codec);
    out.put_i32(0); // last offset delta
    out.put_i64(1_700_000_000_000);
    out.put_i64(1_700_000_000_000);
    out.put_i64(-1); // producer id
    out.put_i16(-1); // producer epoch
    out.put_i32(-1); // base sequence
    out.put_i32(1); // records
    out.put_slice(records);
    let crc = crc32c::crc32c(&out[21..]);
    out[17..21].copy_from_slice(&crc.to_be_bytes());
    out.freeze()
}

/// Zig-zag, as in protocol buffers.
fn varint(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
