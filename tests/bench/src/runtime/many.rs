//! Claim: a thousand connectors that write a record a second each take a quarter of a core, and 250 MB.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::json;
use sluice_harness::{Hub, Scratch, until};

use crate::{Bar, Options, Report, records_in_topic};

const CONNECTORS: u64 = 1_000;
const TOPICS: u64 = 50;
const LIMIT: Duration = Duration::from_secs(300);
/// Until what starting them all took is over.
const SETTLE: Duration = Duration::from_secs(15);
/// Not shorter when scaled: the records of a watch have to be many beside the one or two at its borders.
const WATCHED: Duration = Duration::from_secs(60);
/// Of a record a second each. Datagen gives up a row that is late by a second, so less than that is less than the load.
const REACHED: f64 = 0.95;
const WRITTEN: &str = "kafka_connect_source_task_metrics_source_record_write_total";

pub async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let connectors = options.sized(CONNECTORS);
    let (mut rates, mut cores, mut peaks, mut memory) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in 0..options.runs {
        let scratch = Scratch::new()?;
        let data = scratch.path("data");
        let hub = Hub::at(&data).start().await?;
        for number in 0..connectors {
            let config = json!({
                "connector.class": "Datagen", "kafka.topic": format!("t{}", number % TOPICS),
                "quickstart": "orders", "rows.per.second": "1",
            });
            hub.rest().create(&format!("c{number}"), &config).await?;
        }
        until("a record from each connector", LIMIT, || async {
            let written = written(&hub).await?;
            if written >= connectors { Ok(()) } else { bail!("{written} records") }
        })
        .await?;
        tokio::time::sleep(SETTLE).await;
        let (begin, written_before, before) = (Instant::now(), written(&hub).await?, hub.usage()?);
        tokio::time::sleep(WATCHED).await;
        let (after, seconds) = (hub.usage()?, begin.elapsed().as_secs_f64());
        let meanwhile = (written(&hub).await? - written_before) as f64;
        rates.push(meanwhile / seconds);
        eprintln!("run {run}: {meanwhile} records in {seconds:.1} s, {after:?}");
        cores.push((after.cpu_seconds - before.cpu_seconds) / seconds * 100.0);
        peaks.push(after.peak_rss_bytes as f64 / 1e6);
        memory.push(after.rss_bytes as f64 / 1e6);
        ensure_in_topics(hub, &data, connectors).await?;
    }
    let reached = Bar::AtLeast((connectors as f64 * REACHED).floor());
    report.row("1,000 connectors, 1 record/s each: reached", "/s", &rates, reached);
    report.row("1,000 connectors, 1 record/s each: of a core", "%", &cores, Bar::AtMost(25.0));
    report.row("1,000 connectors, 1 record/s each: peak RSS", "MB", &peaks, Bar::AtMost(250.0));
    report.row("1,000 connectors, 1 record/s each: RSS", "MB", &memory, Bar::None);
    Ok(())
}

async fn written(hub: &Hub) -> Result<u64> {
    Ok(hub.rest().metric(WRITTEN, "c").await?.unwrap_or(0))
}

/// What the hub counted stands in the topics.
async fn ensure_in_topics(hub: Hub, data: &std::path::Path, connectors: u64) -> Result<()> {
    for number in 0..connectors {
        hub.rest().command(&format!("c{number}"), "pause").await?;
    }
    let quiet = until("no record is written any more", LIMIT, || async {
        let one = written(&hub).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let other = written(&hub).await?;
        if one == other { Ok(one) } else { bail!("{one}, then {other}") }
    });
    let counted = quiet.await?;
    hub.terminate().await?;
    let mut found = 0;
    for number in 0..TOPICS.min(connectors) {
        found += records_in_topic(data, &format!("t{number}")).await?.0;
    }
    ensure!(found == counted, "{found} records are in the topics, {counted} were counted");
    Ok(())
}
