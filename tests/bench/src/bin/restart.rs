//! Claim: after ten million offset commits the hub starts as quickly as after ten.
//!
//! The commits are appends of one source offset each into the hub's own log, while the hub is stopped: through the binary they would
//! take hours. What is measured is the real binary.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use sluice_bench::{Bar, Options, Report, StartJob};
use sluice_client::{Append, Broker as _};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_harness::Scratch;
use sluice_log::Durability;
use sluice_storage::{OFFSET_TOPIC, OffsetBackingStore, TopicLogConfig, TopicLogEntry};

const COMMITS: u64 = 10_000_000;
/// As many source partitions as a busy hub has; each commit replaces an earlier one.
const KEYS: u64 = 100;
const IN_FLIGHT_MAX: usize = 1_000;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let scratch = Scratch::new()?;
    let mut job = StartJob::create(&scratch).await?;
    let before = job.start().await?;
    let begin = Instant::now();
    commit(job.data(), options.sized(COMMITS)).await?;
    let commit_seconds = begin.elapsed().as_secs_f64();
    let first = job.start().await?;
    let (mut answers, mut deliveries) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let times = job.start().await?;
        answers.push(times.answers_ms);
        deliveries.push(times.delivers_ms);
    }
    let mut report = Report::new("restart", options);
    report.row("before the commits: REST answers", "ms", &[before.answers_ms], Bar::None);
    report.row("appending the commits", "s", &[commit_seconds], Bar::None);
    report.row("first start after them: REST answers", "ms", &[first.answers_ms], Bar::AtMost(100.0));
    report.row("exec to REST answers", "ms", &answers, Bar::AtMost(100.0));
    report.row("exec to first record delivered", "ms", &deliveries, Bar::AtMost(250.0));
    report.finish()
}

async fn commit(data: &Path, commits: u64) -> Result<()> {
    let config = EmbeddedConfig { durability: Durability::Os, ..EmbeddedConfig::new(data) };
    let broker = EmbeddedBroker::open(config).context("cannot open the hub's log")?;
    // The topic is there already, so its number of partitions is not this call's to say.
    let store = OffsetBackingStore::open(&*broker, TopicLogConfig::new(OFFSET_TOPIC, 1)).await?;
    let producer = broker.producer("sluice-bench-restart").await?;
    let mut in_flight = VecDeque::new();
    for commit in 0..commits {
        let key = format!(r#"["bench",{{"filename":"/var/log/{}.log"}}]"#, commit % KEYS);
        let entry = TopicLogEntry::new(key, Some(format!(r#"{{"position":{commit}}}"#).into()));
        let append = Append { records: store.encode(&[entry])?, ..Append::default() };
        in_flight.push_back(producer.send(append).await?);
        if in_flight.len() > IN_FLIGHT_MAX
            && let Some(oldest) = in_flight.pop_front()
        {
            oldest.await?;
        }
    }
    for acknowledgement in in_flight {
        acknowledgement.await?;
    }
    Ok(())
}
