//! Structured fuzzing of every request type at every version: well-formed requests made from the shapes of the
//! protocol, and damaged ones. `SLUICE_FUZZ_SECONDS` sets how long each test goes on (1 s without), `SLUICE_FUZZ_SEED`
//! where it begins.
#![allow(unsafe_code)]

mod common;

use bytes::{BufMut, Bytes, BytesMut};
use common::{Client, Running, batch, config, fetch, fetched, numbered, produce, produced, start_with, with_crc};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Request};
use sluice_protocol::fuzz::{Random, mutate, requests};
use sluice_protocol::{check_request, is_flexible};
use sluice_server::{Limits, SUPPORTED_APIS, ServerConfig};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

/// Counts what is allocated: by each thread while it measures, and by all of them together.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        let _ = TAKEN.try_with(|taken| taken.set(taken.get() + layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// All that one request may make its decoder allocate, for each byte of it: a struct takes more room than its bytes.
const BYTES_PER_BYTE_MAX: usize = 1_000;
/// What the broker may grow by, whatever it is sent.
const GROWTH_BYTES_MAX: usize = 192 << 20;

fn budget() -> Duration {
    let seconds = std::env::var("SLUICE_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}

fn seed() -> u64 {
    std::env::var("SLUICE_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// What the requests are made of.
struct Source {
    texts: Vec<&'static str>,
    numbers: Vec<i64>,
    blobs: Vec<Vec<u8>>,
    uuids: Vec<[u8; 16]>,
}

impl Source {
    fn new(topic: [u8; 16]) -> Self {
        let mut transactional = numbered(0, 0, 0, &["of a transaction"]).to_vec();
        transactional[22] |= 0x10;
        let plain = batch(&["one", "two"]);
        let zstd = sluice_protocol::compressed(&plain, sluice_protocol::Compression::Zstd).expect("whole");
        let consumer = b"\0\x01\0\0\0\x01\0\x06orders\xff\xff\xff\xff\0\0\0\0".to_vec();
        Self {
            texts: vec![
                "orders",
                "events",
                "group",
                "group-2",
                "t",
                "__consumer_offsets",
                "cleanup.policy",
                "compact",
                "",
                "retention.ms",
                "100",
                "consumer",
                "range",
                "4",
                "0",
                "Ongoing",
                "Stable",
            ],
            // Nothing that would create many thousands of partitions, which is allowed.
            numbers: vec![
                -3,
                -2,
                -1,
                0,
                1,
                2,
                3,
                4,
                10,
                100,
                i64::from(i32::MAX),
                i64::from(i32::MIN),
                i64::MAX,
                i64::MIN,
            ],
            blobs: vec![
                plain.to_vec(),
                zstd,
                numbered(0, 0, 0, &["a"]).to_vec(),
                with_crc(transactional).to_vec(),
                consumer,
                Vec::new(),
            ],
            uuids: vec![topic, [0; 16], [9; 16]],
        }
    }

    /// A request of a random API and version; whether its body was damaged.
    fn next(&self, random: &mut Random) -> (i16, i16, Vec<u8>, bool) {
        let words =
            requests::Words { texts: &self.texts, numbers: &self.numbers, blobs: &self.blobs, uuids: &self.uuids };
        let api = random.one_of(SUPPORTED_APIS);
        let version = api.min_version + random.below((api.max_version - api.min_version + 1) as usize) as i16;
        let mut body =
            requests::request(api.key, version, &words, random).expect("every API that is served has a shape");
        let damaged = random.below(2) == 0;
        if damaged {
            mutate(&mut body, random);
        }
        (api.key, version, body, damaged)
    }
}

macro_rules! decode_one_of {
    ($key:expr, $version:expr, $body:expr; $($request:ident)*) => {
        match $key {
            $(<$request as Request>::KEY => $request::decode($body, $version).is_ok(),)*
            other => panic!("api key {other} is not decoded here"),
        }
    };
}

fn decode(key: i16, version: i16, body: &[u8]) -> bool {
    let body = &mut Bytes::copy_from_slice(body);
    decode_one_of!(key, version, body;
        ProduceRequest FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest OffsetFetchRequest
        FindCoordinatorRequest JoinGroupRequest HeartbeatRequest LeaveGroupRequest SyncGroupRequest
        DescribeGroupsRequest ListGroupsRequest ApiVersionsRequest CreateTopicsRequest DeleteTopicsRequest
        DeleteRecordsRequest InitProducerIdRequest OffsetForLeaderEpochRequest AddPartitionsToTxnRequest
        AddOffsetsToTxnRequest EndTxnRequest TxnOffsetCommitRequest DescribeConfigsRequest AlterConfigsRequest
        DescribeLogDirsRequest CreatePartitionsRequest DeleteGroupsRequest IncrementalAlterConfigsRequest
        OffsetDeleteRequest DescribeClusterRequest DescribeProducersRequest DescribeTransactionsRequest
        ListTransactionsRequest ListConfigResourcesRequest DescribeTopicPartitionsRequest)
}

#[test]
fn no_request_makes_its_decoder_panic_or_allocate_by_what_it_claims() {
    let source = Source::new([5; 16]);
    let end = Instant::now() + budget();
    let (mut tried, mut passed, mut read) = (0u64, 0u64, 0u64);
    let mut random = Random::new(seed());
    while Instant::now() < end {
        for _ in 0..100 {
            let (key, version, body, damaged) = source.next(&mut random);
            tried += 1;
            let fits = check_request(key, version, &body).is_ok();
            assert!(fits || damaged, "a well-formed request is refused: api key {key} version {version}: {body:?}");
            if !fits {
                continue;
            }
            passed += 1;
            let before = TAKEN.get();
            read += u64::from(decode(key, version, &body));
            let taken = TAKEN.get() - before;
            assert!(
                taken <= (64 << 10) + BYTES_PER_BYTE_MAX * body.len(),
                "api key {key} version {version} allocates {taken} bytes for {}: {body:?}",
                body.len()
            );
        }
    }
    println!("{tried} requests from seed {}, {passed} passed the guard, {read} were read", seed());
    assert!(read > tried / 10, "most of what is well-formed is read");
}

fn frame(key: i16, version: i16, body: &[u8]) -> BytesMut {
    let flexible = is_flexible(key, version).unwrap_or(false);
    let mut out = BytesMut::new();
    out.put_i32((10 + usize::from(flexible) + body.len()) as i32);
    out.put_i16(key);
    out.put_i16(version);
    out.put_i32(5);
    out.put_i16(-1);
    if flexible {
        out.put_u8(0);
    }
    out.put_slice(body);
    out
}

/// A client that does what clients do, and notices when that takes long.
async fn good_client(good: &mut Client, written: &mut i64) -> Duration {
    let begin = Instant::now();
    assert_eq!(good.call(3, &ApiVersionsRequest::default()).await.error_code, 0);
    let (code, offset, message) = produced(&good.call(9, &produce("good", 0, batch(&["good"]))).await);
    assert_eq!((code, offset), (0, *written), "{message}");
    let (code, values) = fetched(&good.call(12, &fetch("good", offset, 1000)).await);
    assert_eq!((code, values), (0, vec!["good".to_owned()]));
    *written += 1;
    begin.elapsed()
}

/// Sends requests over one connection until one is refused, or is not answered at once: for one that the guard refuses,
/// the connection must end within a second. Returns how many were sent, and whether the client was dropped.
async fn bad_client(running: &Running, source: &Source, random: &mut Random) -> (u64, bool) {
    let mut client = running.client().await;
    for sent in 1..=16 {
        let (key, version, body, _) = source.next(random);
        let mut bytes = frame(key, version, &body);
        let header_damaged = random.below(16) == 0;
        if header_damaged {
            let mut damaged = bytes.to_vec();
            mutate(&mut damaged, random);
            bytes = BytesMut::from(&damaged[..]);
        }
        // It may be dropped while it writes.
        let _ = client.stream.write_all(&bytes).await;
        if !header_damaged && check_request(key, version, &body).is_err() {
            let ended = tokio::time::timeout(Duration::from_secs(1), client.frame()).await;
            assert!(matches!(ended, Ok(None)), "api key {key} version {version} is not dropped: {body:?}");
            return (sent, true);
        }
        // Some wait for others, as a member of a group does.
        match tokio::time::timeout(Duration::from_millis(20), client.frame()).await {
            Ok(Some(_)) if !header_damaged => {}
            _ => return (sent, false),
        }
    }
    (16, false)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_sent_the_server_goes_on_and_other_clients_do_not_notice() {
    let limits = Limits { idle_timeout: Duration::from_millis(500), ..Limits::default() };
    let mut good_config = config();
    good_config.auto_create = false;
    let running = start_with(ServerConfig { limits, ..good_config }).await;
    let mut maker = running.client().await;
    for name in ["good", "orders"] {
        maker.create(name, 1).await;
    }
    let topic = running.broker.topic_id("orders").expect("created").0;
    let source = Source::new(topic);
    let mut random = Random::new(seed().wrapping_add(1_000_000));
    let (mut tried, mut dropped, mut written, mut slowest) = (0u64, 0u64, 0i64, Duration::ZERO);
    let before = NOW.load(Ordering::Relaxed);
    let end = Instant::now() + budget();
    while Instant::now() < end {
        for _ in 0..20 {
            let (sent, was_dropped) = bad_client(&running, &source, &mut random).await;
            tried += sent;
            dropped += u64::from(was_dropped);
        }
        let mut good = running.client().await;
        slowest = slowest.max(good_client(&mut good, &mut written).await);
    }
    let grown = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    println!(
        "{tried} requests from seed {}, {dropped} clients dropped, {written} good rounds, slowest {slowest:?}, {} KiB at most",
        seed(),
        grown >> 10
    );
    assert!(written > 0 && dropped > 0);
    assert!(slowest < Duration::from_secs(1), "the good client noticed: {slowest:?}");
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes");
}
