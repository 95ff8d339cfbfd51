//! A server on a free port over a fresh data directory, and a client that speaks the protocol by hand.
#![allow(dead_code)]

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateTopicsRequest, FetchRequest, FetchResponse, ProduceRequest, ProduceResponse, RequestHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_protocol::RecordBatchBuilder;
use sluice_server::{Listener, Server, ServerConfig};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Running {
    pub server: Server,
    pub broker: Arc<EmbeddedBroker>,
    pub dir: TempDir,
}

pub fn config() -> ServerConfig {
    ServerConfig::new(vec![Listener::new("127.0.0.1:0".parse().expect("it is host:port"))])
}

pub async fn start() -> Running {
    start_with(config()).await
}

pub async fn start_with(config: ServerConfig) -> Running {
    let dir = tempfile::tempdir().expect("a temporary folder");
    start_on(dir, config).await
}

pub async fn start_on(dir: TempDir, config: ServerConfig) -> Running {
    let broker = open(dir.path());
    let server = Server::bind(config, broker.clone()).await.expect("a port is free");
    Running { server, broker, dir }
}

fn open(dir: &Path) -> Arc<EmbeddedBroker> {
    EmbeddedBroker::open(EmbeddedConfig::new(dir)).expect("it opens")
}

impl Running {
    pub fn address(&self) -> SocketAddr {
        self.server.local_addrs()[0]
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// Closes everything in order and opens it again.
    pub async fn restart(self) -> Self {
        let Self { server, broker, dir } = self;
        server.shutdown(Duration::from_secs(10)).await;
        broker.close();
        drop(broker);
        drop(server);
        start_on(dir, config()).await
    }
}

pub struct Client {
    pub stream: TcpStream,
    next_id: i32,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("it listens"), next_id: 1 }
    }

    /// Sends without waiting; returns the correlation id.
    pub async fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        let id = self.next_id;
        self.next_id += 1;
        let mut out = BytesMut::new();
        out.put_i32(0);
        RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(id)
            .with_client_id(Some(StrBytes::from_static_str("test")))
            .encode(&mut out, R::header_version(version))
            .expect("a header");
        request.encode(&mut out, version).expect("a request");
        let length = (out.len() - 4) as i32;
        out[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&out).await.expect("the server reads");
        id
    }

    /// The next answer's correlation id and what follows it. `None`: the server closed the connection.
    pub async fn frame(&mut self) -> Option<(i32, Bytes)> {
        let length = self.stream.read_i32().await.ok()?;
        let mut bytes = vec![0; length as usize];
        self.stream.read_exact(&mut bytes).await.ok()?;
        let mut bytes = Bytes::from(bytes);
        Some((bytes.get_i32(), bytes))
    }

    pub async fn receive<R: Request>(&mut self, version: i16, id: i32) -> R::Response {
        let (answered, mut body) = self.frame().await.expect("the server answers");
        assert_eq!(answered, id, "answers come in the order of the requests");
        if R::Response::header_version(version) >= 1 {
            assert_eq!(body.get_u8(), 0, "no tagged fields in the header");
        }
        let response = R::Response::decode(&mut body, version).expect("the answer can be read");
        assert!(body.is_empty(), "nothing follows the answer");
        response
    }

    pub async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let id = self.send(version, request).await;
        self.receive::<R>(version, id).await
    }

    pub async fn create(&mut self, name: &str, partitions: i32) {
        let topic =
            CreatableTopic::default().with_name(topic(name)).with_num_partitions(partitions).with_replication_factor(1);
        let response = self.call(7, &CreateTopicsRequest::default().with_topics(vec![topic])).await;
        assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
    }
}

pub fn topic(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// One batch with these values.
pub fn batch(values: &[&str]) -> Bytes {
    let mut builder = RecordBatchBuilder::new(1 << 20);
    for value in values {
        builder.push(1_000, None, Some(value.as_bytes())).expect("small");
    }
    builder.finish()
}

/// As an idempotent producer numbers it.
pub fn numbered(producer_id: i64, epoch: i16, sequence: i32, values: &[&str]) -> Bytes {
    let mut bytes = batch(values).to_vec();
    bytes[43..51].copy_from_slice(&producer_id.to_be_bytes());
    bytes[51..53].copy_from_slice(&epoch.to_be_bytes());
    bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
    with_crc(bytes)
}

pub fn with_crc(mut bytes: Vec<u8>) -> Bytes {
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

pub fn produce(name: &str, partition: i32, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(5_000).with_topic_data(vec![topic])
}

/// Error code, base offset and message of the only partition.
pub fn produced(response: &ProduceResponse) -> (i16, i64, String) {
    let part = &response.responses[0].partition_responses[0];
    (part.error_code, part.base_offset, part.error_message.as_ref().map(ToString::to_string).unwrap_or_default())
}

pub fn fetch(name: &str, offset: i64, max_wait_ms: i32) -> FetchRequest {
    let part = FetchPartition::default()
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
        .with_current_leader_epoch(-1);
    let topic = FetchTopic::default().with_topic(topic(name)).with_partitions(vec![part]);
    FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

/// Error code and values of the only partition.
pub fn fetched(response: &FetchResponse) -> (i16, Vec<String>) {
    let part = &response.responses[0].partitions[0];
    let records = part.records.clone().unwrap_or_default();
    let values = sluice_protocol::batches(&records).map(|batch| batch.expect("whole")).flat_map(|batch| {
        batch.verify_crc().expect("unharmed");
        let records = batch.records().expect("plain").map(|record| record.expect("whole"));
        records.map(|record| String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned()).collect::<Vec<_>>()
    });
    (part.error_code, values.collect())
}
