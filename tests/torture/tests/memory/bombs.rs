//! Small batches that inflate to much, in every codec, on every way by which the broker or the hub comes to them.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{ListOffsetsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use serde_json::json;
use sluice_harness::until;
use sluice_torture::{GoodClient, Produced, batch, record};

use super::Running;

const CODECS: [i16; 4] = [GZIP, SNAPPY, LZ4, ZSTD];
const GZIP: i16 = 1;
const SNAPPY: i16 = 2;
const LZ4: i16 = 3;
const ZSTD: i16 = 4;
/// What one of many inflates to, and how many of each codec: 480 MiB in all.
const EACH_BYTES: usize = 8 << 20;
const MANY: usize = 15;
const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn a_search_by_time_and_a_compaction_do_not_inflate_bombs() -> Result<()> {
    let running = Running::start()?;
    let mut good = GoodClient::start(running.broker.address(), "good", &[])?;
    let plain: &[(&str, &str)] = &[];
    let compacted_topic: &[(&str, &str)] = &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")];
    for (name, settings) in [("plain", plain), ("compacted", compacted_topic)] {
        let mut writer = GoodClient::start(running.broker.address(), name, settings)?;
        for codec in CODECS {
            let bomb = compressed(&vec![0; EACH_BYTES], codec)?;
            for _ in 0..MANY {
                // A compacted topic may look for keys, and refuse what holds none.
                let outcome = writer.produce_batch(batch(&bomb, codec));
                ensure!(name == "compacted" || matches!(outcome, Ok(Produced::At(_))), "{outcome:?}");
            }
        }
        for time in [0, 1_700_000_000_000, i64::MAX] {
            search(&mut writer, name, time)?;
            good.works()?;
        }
    }
    running.refuse_more_than(64)
}

/// ListOffsets by time.
fn search(client: &mut GoodClient, topic: &'static str, time: i64) -> Result<()> {
    let part = ListOffsetsPartition::default().with_timestamp(time).with_current_leader_epoch(-1);
    let name = TopicName(StrBytes::from_static_str(topic));
    let topic = ListOffsetsTopic::default().with_name(name).with_partitions(vec![part]);
    let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
    let answer = client.connection().call(2, &request)?;
    ensure!(answer.topics[0].partitions[0].error_code == 0, "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn a_sink_that_reads_many_bombs_holds_few_of_them_at_a_time() -> Result<()> {
    let running = Running::start()?;
    let mut writer = GoodClient::start(running.broker.address(), "bombs", &[])?;
    for codec in [ZSTD, GZIP, LZ4, SNAPPY] {
        let bomb = compressed(&record(&vec![b'a'; EACH_BYTES]), codec)?;
        for _ in 0..MANY {
            ensure!(matches!(writer.produce_batch(batch(&bomb, codec))?, Produced::At(_)));
        }
    }
    let out = running.scratch.text("out.txt");
    let config = json!({
        "connector.class": "FileStreamSink", "file": out, "topics": "bombs",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    let rest = running.broker.rest().context("it runs")?;
    rest.create("reader", &config).await?;
    let lines = (CODECS.len() * MANY) as u64;
    let wanted = lines * (EACH_BYTES as u64 + 1);
    until("all of it in the file", LIMIT, || async {
        let length = std::fs::metadata(&out).map_or(0, |file| file.len());
        ensure!(length == wanted, "{length} of {wanted} bytes, {}", rest.status("reader").await?);
        Ok(())
    })
    .await?;
    running.refuse_more_than(320)
}

#[tokio::test]
async fn a_batch_that_inflates_beyond_the_limit_fails_the_task_that_reads_it_and_nobody_else() -> Result<()> {
    for codec in [GZIP, LZ4, ZSTD] {
        let running = Running::start()?;
        let mut good = GoodClient::start(running.broker.address(), "good", &[])?;
        let mut writer = GoodClient::start(running.broker.address(), "bomb", &[])?;
        let bomb = compressed(&record(&vec![0; 200 << 20]), codec)?;
        ensure!(matches!(writer.produce_batch(batch(&bomb, codec))?, Produced::At(_)));
        let out = running.scratch.text("out.txt");
        let config = json!({"connector.class": "FileStreamSink", "file": out, "topics": "bomb"});
        let rest = running.broker.rest().context("it runs")?;
        rest.create("reader", &config).await?;
        until("the failure of the task", LIMIT, || async {
            let status = rest.status("reader").await?.to_string();
            ensure!(status.contains("decompresses with"), "{status}");
            Ok(())
        })
        .await?;
        good.works()?;
        running.refuse_more_than(200)?;
    }
    Ok(())
}

/// The records of a batch, compressed. Zeros in place of records are a bomb to whoever inflates before looking.
fn compressed(records: &[u8], codec: i16) -> Result<Vec<u8>> {
    Ok(match codec {
        GZIP => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(records)?;
            encoder.finish()?
        }
        SNAPPY => snap::raw::Encoder::new().compress_vec(records)?,
        LZ4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(records)?;
            encoder.finish()?
        }
        ZSTD => zstd::encode_all(records, 3)?,
        _ => records.to_vec(),
    })
}
