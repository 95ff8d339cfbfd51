//! From a frame to the handler of its API, and the handler's answer back into bytes.

use crate::connection::{ConnectionError, Peer, Response};
use crate::frame::{Frame, RequestHeader, take_header};
use crate::handlers::{
    api_versions, cluster, configs, coordinators, fetch, group_offsets, groups, log_dirs, metadata, offsets, produce,
    producer_ids, topics, transactions, txn_offsets,
};
use crate::server::Shared;
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};
use sluice_log::Piece;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// An API that is served, with the versions of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupportedApi {
    pub key: i16,
    pub name: &'static str,
    pub min_version: i16,
    pub max_version: i16,
}

macro_rules! apis {
    ($($api:ident $min:literal - $max:literal,)*) => {
        /// Every API that is served. What is not in here is not offered to clients.
        pub const SUPPORTED_APIS: &[SupportedApi] = &[$(SupportedApi {
            key: ApiKey::$api as i16,
            name: stringify!($api),
            min_version: $min,
            max_version: $max,
        },)*];
    };
}

apis! {
    Produce 3 - 13,
    Fetch 4 - 17,
    ListOffsets 1 - 10,
    Metadata 0 - 13,
    OffsetCommit 2 - 9,
    OffsetFetch 1 - 9,
    FindCoordinator 0 - 6,
    JoinGroup 0 - 9,
    Heartbeat 0 - 4,
    LeaveGroup 0 - 5,
    SyncGroup 0 - 5,
    DescribeGroups 0 - 6,
    ListGroups 0 - 5,
    ApiVersions 0 - 4,
    CreateTopics 2 - 7,
    DeleteTopics 1 - 6,
    DeleteRecords 0 - 2,
    InitProducerId 0 - 5,
    OffsetForLeaderEpoch 2 - 4,
    AddPartitionsToTxn 0 - 3,
    AddOffsetsToTxn 0 - 4,
    EndTxn 0 - 4,
    TxnOffsetCommit 0 - 4,
    DescribeConfigs 1 - 4,
    AlterConfigs 0 - 2,
    DescribeLogDirs 1 - 4,
    CreatePartitions 0 - 3,
    DeleteGroups 0 - 2,
    IncrementalAlterConfigs 0 - 1,
    OffsetDelete 0 - 0,
    DescribeCluster 0 - 2,
    DescribeProducers 0 - 0,
    DescribeTransactions 0 - 0,
    ListTransactions 0 - 1,
    ListConfigResources 0 - 1,
    DescribeTopicPartitions 0 - 0,
}

/// An answer that is being worked on. It goes on only while it is polled, so that requests of one connection are
/// worked on one after the other; what must not wait (handing a batch to the log) was done before.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Result<Response, ConnectionError>> + Send>>;

/// One request with all that its handler may ask for.
pub(crate) struct Context {
    pub shared: Arc<Shared>,
    pub peer: Peer,
    pub header: RequestHeader,
}

impl Context {
    pub(crate) fn version(&self) -> i16 {
        self.header.api_version
    }
}

/// Takes a frame; what has to happen in the order of the requests has happened when this returns.
pub(crate) async fn begin(shared: &Arc<Shared>, peer: &Peer, frame: Frame) -> Result<Pending, ConnectionError> {
    let Frame { mut bytes, shares } = frame;
    let malformed = || ConnectionError::Request("a request's header is malformed".into());
    let flexible = |key, version| sluice_protocol::is_flexible(key, version).unwrap_or(false);
    let header = take_header(&mut bytes, flexible).ok_or_else(malformed)?;
    let RequestHeader { api_key, api_version, correlation_id, .. } = header;
    let context = Context { shared: shared.clone(), peer: peer.clone(), header };
    let known = SUPPORTED_APIS.iter().find(|api| api.key == api_key);
    let served = known.is_some_and(|api| (api.min_version..=api.max_version).contains(&api_version));
    if !served && api_key == ApiKey::ApiVersions as i16 {
        // A client that is newer than we are asks again with a version that the answer names (KIP-511).
        let answer = encode(correlation_id, 0, &api_versions::unsupported())?;
        return Ok(Box::pin(async { Ok(answer) }));
    }
    let api = known.filter(|_| served).ok_or_else(|| {
        ConnectionError::Request(format!("api key {api_key} version {api_version} was not offered to the client"))
    })?;
    if let Err(error) = sluice_protocol::check_request(api_key, api_version, &bytes) {
        return Err(ConnectionError::Request(format!("{} version {api_version}: {error}", api.name)));
    }
    if api_key == ApiKey::Produce as i16 {
        let request = decode(&mut bytes, api_version)?;
        drop(bytes);
        let handed_over = produce::hand_over(&context, request).await;
        return Ok(Box::pin(async move {
            let answer = match produce::finish(&context, handed_over).await? {
                Some(answer) => encode(correlation_id, api_version, &answer)?,
                None => Response::default(),
            };
            drop(shares);
            Ok(answer)
        }));
    }
    Ok(Box::pin(async move {
        let answer = handle(&context, bytes).await;
        drop(shares);
        answer
    }))
}

async fn handle(context: &Context, mut body: Bytes) -> Result<Response, ConnectionError> {
    let (id, version) = (context.header.correlation_id, context.version());
    let body = &mut body;
    let api = ApiKey::try_from(context.header.api_key).expect("it is one of the supported ones");
    match api {
        ApiKey::Fetch => fetch::fetch(context, decode(body, version)?).await,
        ApiKey::ListOffsets => encode(id, version, &offsets::list(context, decode(body, version)?)),
        ApiKey::OffsetForLeaderEpoch => {
            encode(id, version, &offsets::for_leader_epoch(context, decode(body, version)?))
        }
        ApiKey::Metadata => encode(id, version, &metadata::metadata(context, decode(body, version)?).await),
        ApiKey::DescribeTopicPartitions => {
            encode(id, version, &metadata::describe_topic_partitions(context, decode(body, version)?))
        }
        ApiKey::ApiVersions => encode(id, version, &api_versions::supported()),
        ApiKey::FindCoordinator => encode(id, version, &coordinators::find(context, decode(body, version)?)),
        ApiKey::JoinGroup => encode(id, version, &groups::join(context, decode(body, version)?).await?),
        ApiKey::SyncGroup => encode(id, version, &groups::sync(context, decode(body, version)?).await?),
        ApiKey::Heartbeat => encode(id, version, &groups::heartbeat(context, decode(body, version)?).await?),
        ApiKey::LeaveGroup => encode(id, version, &groups::leave(context, decode(body, version)?).await?),
        ApiKey::DescribeGroups => encode(id, version, &groups::describe(context, decode(body, version)?).await?),
        ApiKey::ListGroups => encode(id, version, &groups::list(context, decode(body, version)?).await?),
        ApiKey::DeleteGroups => encode(id, version, &groups::delete(context, decode(body, version)?).await?),
        ApiKey::OffsetCommit => encode(id, version, &group_offsets::commit(context, decode(body, version)?).await?),
        ApiKey::OffsetFetch => encode(id, version, &group_offsets::fetch(context, decode(body, version)?).await?),
        ApiKey::OffsetDelete => encode(id, version, &group_offsets::delete(context, decode(body, version)?).await?),
        ApiKey::CreateTopics => encode(id, version, &topics::create(context, decode(body, version)?).await),
        ApiKey::DeleteTopics => encode(id, version, &topics::delete(context, decode(body, version)?).await),
        ApiKey::CreatePartitions => {
            encode(id, version, &topics::create_partitions(context, decode(body, version)?).await)
        }
        ApiKey::DeleteRecords => encode(id, version, &topics::delete_records(context, decode(body, version)?).await),
        ApiKey::InitProducerId => encode(id, version, &producer_ids::init(context, decode(body, version)?).await),
        ApiKey::AddPartitionsToTxn => {
            encode(id, version, &transactions::add_partitions(context, decode(body, version)?).await)
        }
        ApiKey::AddOffsetsToTxn => {
            encode(id, version, &transactions::add_offsets(context, decode(body, version)?).await)
        }
        ApiKey::EndTxn => encode(id, version, &transactions::end(context, decode(body, version)?).await),
        ApiKey::TxnOffsetCommit => encode(id, version, &txn_offsets::commit(context, decode(body, version)?).await?),
        ApiKey::DescribeTransactions => encode(id, version, &transactions::describe(context, decode(body, version)?)),
        ApiKey::ListTransactions => encode(id, version, &transactions::list(context, decode(body, version)?)),
        ApiKey::DescribeProducers => encode(id, version, &producer_ids::describe(context, decode(body, version)?)),
        ApiKey::DescribeConfigs => encode(id, version, &configs::describe(context, decode(body, version)?)),
        ApiKey::AlterConfigs => encode(id, version, &configs::alter(context, decode(body, version)?).await),
        ApiKey::IncrementalAlterConfigs => {
            encode(id, version, &configs::alter_incrementally(context, decode(body, version)?).await)
        }
        ApiKey::ListConfigResources => encode(id, version, &configs::list(context, decode(body, version)?)),
        ApiKey::DescribeLogDirs => encode(id, version, &log_dirs::describe(context, decode(body, version)?)),
        ApiKey::DescribeCluster => encode(id, version, &cluster::describe(context, decode(body, version)?)),
        other => Err(ConnectionError::Request(format!("{other:?} has no handler"))),
    }
}

fn decode<T: Decodable>(body: &mut Bytes, version: i16) -> Result<T, ConnectionError> {
    T::decode(body, version).map_err(|error| ConnectionError::Request(format!("a request cannot be read: {error}")))
}

/// An answer as one piece.
pub(crate) fn encode<R: Encodable + HeaderVersion>(
    correlation_id: i32,
    version: i16,
    answer: &R,
) -> Result<Response, ConnectionError> {
    let failed = |error| ConnectionError::Request(format!("an answer cannot be written: {error}"));
    let mut out = BytesMut::new();
    out.put_i32(0);
    out.put_i32(correlation_id);
    if R::header_version(version) >= 1 {
        // No tagged fields.
        out.put_u8(0);
    }
    answer.encode(&mut out, version).map_err(failed)?;
    let length = i32::try_from(out.len() - 4).map_err(|_| ConnectionError::Request("an answer is too long".into()))?;
    out[..4].copy_from_slice(&length.to_be_bytes());
    Ok(Response { pieces: vec![Piece::Bytes(out.freeze())], shares: Vec::new() })
}
