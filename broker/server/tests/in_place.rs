//! Large fetches go from the file to the socket; what arrives is what was written, and what lies on the disk is checked first.

mod common;

use common::{Client, Running, batch, fetch, fetched, produce, produced, start};
use kafka_protocol::messages::FetchRequest;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

const VALUES: usize = 64;
const VALUE_BYTES: usize = 20_000;

fn value(number: usize) -> String {
    format!("{number:05}{}", "x".repeat(VALUE_BYTES))
}

/// Batches of two values each, in one partition.
async fn filled() -> (Running, Client) {
    let running = start().await;
    let mut client = running.client().await;
    client.create("orders", 1).await;
    for number in (0..VALUES).step_by(2) {
        let records = batch(&[&value(number), &value(number + 1)]);
        assert_eq!(produced(&client.call(9, &produce("orders", 0, records)).await).0, 0);
    }
    (running, client)
}

/// Everything from `offset` on, whatever the number of fetches.
async fn read_all(client: &mut Client, offset: usize) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    while offset + values.len() < VALUES {
        let at = offset + values.len();
        let (code, found) = fetched(&client.call(12, &fetch("orders", at as i64, 100)).await);
        assert_eq!((code, found.is_empty()), (0, false));
        // A batch may begin before the offset.
        values.extend(found.into_iter().skip(at % 2));
    }
    values
}

fn expected(offset: usize) -> Vec<String> {
    (offset..VALUES).map(value).collect()
}

/// Bytes of a read that were copied into memory, and all of them.
fn copied(running: &Running, offset: i64) -> (usize, usize) {
    let topic = running.broker.topic_id("orders").expect("it exists");
    let read = running.broker.read(topic, 0, offset, 1 << 20, false).expect("it can be read");
    (read.memory_bytes(), read.size_bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_fetch_of_what_was_just_written_is_not_copied_and_arrives_whole() {
    let (running, mut client) = filled().await;
    let (copied, all) = copied(&running, 0);
    assert!(copied == 0 && all > 500_000, "{copied} of {all} bytes were copied");
    assert_eq!(read_all(&mut client, 0).await, expected(0));
    assert_eq!(read_all(&mut client, 7).await, expected(7), "from the middle of a batch");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_what_is_read_and_checked_need_not_be_copied() {
    let (running, _) = filled().await;
    let running = running.restart().await;
    let mut client = running.client().await;
    assert_eq!(copied(&running, 0).0, 0);
    assert_eq!(read_all(&mut client, 0).await, expected(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_damaged_on_the_disk_is_never_sent() {
    let (running, _) = filled().await;
    let dir = running.dir.path().to_owned();
    let running = running.restart().await;
    // The index is read at the start; the block is not, until somebody wants it.
    let log = std::fs::read_dir(dir.join("log")).expect("it is there").map(|entry| entry.expect("an entry").path());
    let log = log.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    let path = log.min().expect("a log file");
    let file = OpenOptions::new().read(true).write(true).open(path).expect("it opens");
    let mut byte = [0];
    file.read_exact_at(&mut byte, 700_000).expect("it is that long");
    file.write_all_at(&[byte[0] ^ 1], 700_000).expect("it can be written");
    let mut client = running.client().await;
    let (mut at, mut failed) = (0, false);
    while at < VALUES && !failed {
        let (code, found) = fetched(&client.call(12, &fetch("orders", at as i64, 100)).await);
        assert_eq!(found, expected(at)[..found.len()], "wrong bytes were delivered");
        failed = code != 0;
        at += found.len();
    }
    assert!(failed, "the damage was not noticed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partitions_limit_holds_for_whole_blocks_and_one_batch_is_sent_whatever_its_size() {
    let (_running, mut client) = filled().await;
    let mut request: FetchRequest = fetch("orders", 0, 100);
    request.topics[0].partitions[0].partition_max_bytes = 100_000;
    let (code, found) = fetched(&client.call(12, &request).await);
    assert!(code == 0 && (2..=4).contains(&found.len()), "{} values of {VALUE_BYTES} bytes", found.len());
    request.topics[0].partitions[0].partition_max_bytes = 1;
    let (code, found) = fetched(&client.call(12, &request).await);
    assert_eq!((code, found.len()), (0, 2), "the first batch");
}
