//! Clients that send nonsense: none may stop the server, hold its memory, or disturb another client.

mod common;

use bytes::{BufMut, BytesMut};
use common::{Client, batch, config, fetch, fetched, produce, produced, start, start_with};
use kafka_protocol::messages::ApiVersionsRequest;
use proptest::prelude::*;
use sluice_server::{Limits, SUPPORTED_APIS, ServerConfig};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

fn frame(api_key: i16, version: i16, body: &[u8]) -> BytesMut {
    let flexible = sluice_protocol::is_flexible(api_key, version).unwrap_or(false);
    let mut out = BytesMut::new();
    out.put_i32((10 + usize::from(flexible) + body.len()) as i32);
    out.put_i16(api_key);
    out.put_i16(version);
    out.put_i32(5);
    out.put_i16(-1);
    if flexible {
        out.put_u8(0);
    }
    out.put_slice(body);
    out
}

/// Mostly small numbers, as lengths and counts are.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![6 => 0u8..3, 2 => Just(b'a'), 1 => any::<u8>()];
    proptest::collection::vec(byte, 0..150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_behind_a_header_stop_the_server(
        requests in proptest::collection::vec((0..SUPPORTED_APIS.len(), 0i16..20, body()), 20),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
        runtime.block_on(async {
            let limits = Limits { idle_timeout: Duration::from_millis(200), ..Limits::default() };
            let running = start_with(ServerConfig { limits, ..config() }).await;
            for (api, version, body) in requests {
                let api = SUPPORTED_APIS[api];
                let version = version.clamp(api.min_version, api.max_version);
                let mut client = running.client().await;
                client.stream.write_all(&frame(api.key, version, &body)).await.expect("it reads");
                // The end of this side: what is answered before is answered, then the server lets go.
                client.stream.shutdown().await.expect("it is open");
                while client.frame().await.is_some() {}
            }
            let mut good = running.client().await;
            assert_eq!(good.call(3, &ApiVersionsRequest::default()).await.error_code, 0);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_claims_much_and_sends_little_is_dropped_in_time() {
    let limits = Limits { stall_timeout: Duration::from_millis(100), ..Limits::default() };
    let running = start_with(ServerConfig { limits, ..config() }).await;
    let mut slow = running.client().await;
    slow.stream.write_all(&60_000i32.to_be_bytes()).await.expect("it reads");
    slow.stream.write_all(&[0; 100]).await.expect("it reads");
    assert!(slow.frame().await.is_none(), "the connection is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_at_the_limit_is_read_and_one_past_it_is_not() {
    let limits = Limits { request_bytes_max: 1000, ..Limits::default() };
    let running = start_with(ServerConfig { limits, ..config() }).await;
    let mut client = running.client().await;
    // Bytes behind a request are left alone.
    client.stream.write_all(&frame(18, 0, &[0; 990])).await.expect("it reads");
    assert!(client.frame().await.is_some());
    client.stream.write_all(&frame(18, 0, &[0; 991])).await.expect("it reads");
    assert!(client.frame().await.is_none(), "the connection is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_large_requests_wait_for_memory_and_all_are_answered() {
    let limits = Limits { request_memory_bytes: 300 << 10, response_memory_bytes: 300 << 10, ..Limits::default() };
    let running = start_with(ServerConfig { limits, ..config() }).await;
    running.client().await.create("orders", 1).await;
    let value = "x".repeat(200 << 10);
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (address, records) = (running.address(), batch(&[&value]));
        writers.spawn(async move {
            let mut client = Client::connect(address).await;
            for _ in 0..4 {
                assert_eq!(produced(&client.call(9, &produce("orders", 0, records.clone())).await).0, 0);
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written.expect("every request is answered");
    }
    let mut reader = running.client().await;
    let mut count = 0;
    while count < 32 {
        let (code, values) = fetched(&reader.call(12, &fetch("orders", count, 1000)).await);
        assert_eq!(code, 0);
        assert!(!values.is_empty());
        count += values.len() as i64;
    }
    assert_eq!(count, 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_was_not_offered_drops_that_client_and_no_other() {
    let running = start().await;
    let mut good = running.client().await;
    for (key, version) in [(7, 0), (999, 0), (0, 2), (1, 18), (3, 14)] {
        let mut bad = running.client().await;
        bad.stream.write_all(&frame(key, version, &[0; 20])).await.expect("it reads");
        assert!(bad.frame().await.is_none(), "api key {key} version {version}");
    }
    assert_eq!(good.call(3, &ApiVersionsRequest::default()).await.error_code, 0);
}
