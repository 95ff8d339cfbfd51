//! The hub is killed hard, again and again, while ten connectors of all kinds run and somebody changes them all the time: pauses,
//! stops, resumes, reconfigures, deletes, makes anew, upgrades their plugins. What the hub has promised holds: configs, states,
//! and that nothing is lost and nothing comes twice.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sluice_harness::{Hub, Random, Rest, Scratch, until};
use sluice_integration::{Job, Operator, component, cycles, random, seed, with_version};

const CYCLES: u64 = 12;
const CYCLES_FULL: u64 = 300;
const LIFE_MS_MAX: u64 = 3_000;
const DELIVERY_LIMIT: Duration = Duration::from_secs(120);
const LINES: &str = "access-log";
const REFUSED: &str = "refused";
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";

/// Beside the five of the pipeline. The first two are never deleted: what they do is counted.
fn neighbours(scratch: &Scratch) -> [(&'static str, Value); 5] {
    let file = |name: &str| scratch.text(name);
    [
        (
            "lines-copy",
            json!({"connector.class": "FileStreamSink", "topics": LINES, "file": file("copy.txt"), "value.converter": STRING}),
        ),
        // No line is JSON: each becomes one dead letter.
        (
            "lines-refused",
            json!({
                "connector.class": "FileStreamSink", "topics": LINES, "file": file("refused.txt"), "errors.tolerance": "all",
                "value.converter": "org.apache.kafka.connect.json.JsonConverter", "errors.deadletterqueue.topic.name": REFUSED,
                "errors.deadletterqueue.context.headers.enable": "true",
            }),
        ),
        ("ticks", json!({"connector.class": "Datagen", "kafka.topic": "ticks", "rows.per.second": "200"})),
        ("ticks-file", json!({"connector.class": "FileStreamSink", "topics": "ticks", "file": file("ticks.txt")})),
        (
            "ticks-objects",
            json!({
                "connector.class": "io.confluent.connect.s3.S3SinkConnector", "topics": "ticks", "s3.bucket.name": "ticks",
                "store.url": format!("file://{}", scratch.root().display()), "flush.size": "1000",
                "format.class": "io.confluent.connect.s3.format.json.JsonFormat", "rotate.schedule.interval.ms": "500",
            }),
        ),
    ]
}

/// Versions of FileStreamSource, each newer than the one before.
struct Versions {
    shipped: Vec<u8>,
    version: String,
    next: u32,
}

impl Versions {
    fn new(version: &str) -> Result<Versions> {
        Ok(Versions { shipped: component("sluice-source-file.wasm")?, version: version.to_owned(), next: 11 })
    }

    /// Puts the next version beside the others.
    fn install(&mut self, scratch: &Scratch) -> Result<()> {
        let version = format!("0.{}.{}", self.next / 10, self.next % 10);
        if self.next < 99 {
            self.next += 1;
            let partial = scratch.path("partial");
            fs::write(&partial, with_version(self.shipped.clone(), &self.version, &version)?)?;
            fs::rename(partial, scratch.path("plugins").join(format!("file-{version}.wasm")))?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn what_was_promised_holds_when_the_hub_is_killed_while_its_connectors_are_changed() -> Result<()> {
    let seed = seed();
    let mut random = random(seed);
    let mut job = Job::start(seed, with_plugins).await?;
    let hub = job.options.clone().start().await?;
    let neighbours = neighbours(&job.scratch);
    for (name, config) in &neighbours {
        hub.rest().create(name, config).await?;
    }
    let version = hub.rest().status("access-log").await?["connector"]["version"].clone();
    let mut versions = Versions::new(version.as_str().context("a version")?)?;
    let operator =
        Operator::new(neighbours.into_iter().skip(2).map(|(name, config)| (name.to_owned(), config)).collect());
    operator.check(hub.rest()).await?;
    job.options = hub.kill()?;

    for _ in 0..cycles(CYCLES, CYCLES_FULL) {
        let life = Duration::from_millis(random.below(LIFE_MS_MAX));
        if random.below(3) == 0 {
            versions.install(&job.scratch)?;
        }
        let begin = Instant::now();
        let hub = job.options.clone().start_without_waiting()?;
        let changes = tokio::spawn(change(operator.clone(), hub.rest().clone(), Random::new(random.next())));
        while begin.elapsed() < life && !changes.is_finished() {
            job.feed.append(random.below(300), random.below(60)).await?;
            tokio::time::sleep(Duration::from_millis(random.below(50))).await;
        }
        if changes.is_finished() {
            changes.await??;
        } else {
            changes.abort();
        }
        hub.kill()?;
    }

    let hub = job.options.clone().start().await?;
    operator.check(hub.rest()).await?;
    operator.check_states(hub.rest()).await?;
    operator.resume_all(hub.rest()).await?;
    job.delivers_exactly(&hub).await?;
    every_line_is_copied(&job).await?;
    every_line_is_refused_once(&job, &hub).await
}

fn with_plugins(options: sluice_harness::HubOptions, scratch: &Scratch) -> Result<sluice_harness::HubOptions> {
    fs::create_dir(scratch.path("plugins"))?;
    let config = format!("plugin.path={}\nsluice.plugin.upgrade.probation.ms=20\n", scratch.text("plugins"));
    fs::write(scratch.path("worker.properties"), config)?;
    Ok(options.argument("--config").argument(scratch.text("worker.properties")))
}

/// Until the hub is gone: then a request fails, and this waits to be aborted. Other errors are the hub's.
async fn change(operator: Operator, rest: Rest, mut random: Random) -> Result<()> {
    let mut checked = false;
    loop {
        tokio::time::sleep(Duration::from_millis(random.below(40))).await;
        if rest.get("/health").await.is_err() {
            continue;
        }
        let done = if checked { operator.change(&rest, &mut random).await } else { operator.check(&rest).await };
        match done {
            Ok(()) => checked = true,
            Err(error) if error.downcast_ref::<reqwest::Error>().is_some() => std::future::pending().await,
            Err(error) => return Err(error),
        }
    }
}

/// At least once: a file cannot take part in a transaction.
async fn every_line_is_copied(job: &Job) -> Result<()> {
    until("every line in the copy", DELIVERY_LIMIT, || async {
        let text = fs::read_to_string(job.scratch.path("copy.txt"))?;
        let lines: BTreeMap<&str, ()> = text.lines().map(|line| (line, ())).collect();
        if lines.len() as u64 == job.feed.lines() { Ok(()) } else { bail!("{} of {}", lines.len(), job.feed.lines()) }
    })
    .await
}

/// Letters and the sink's offsets are one append.
async fn every_line_is_refused_once(job: &Job, hub: &Hub) -> Result<()> {
    until("a dead letter of every line", DELIVERY_LIMIT, || async {
        let topic = hub.rest().get(&format!("/sluice/v1/topics/{REFUSED}")).await?.ok()?;
        let letters = topic["offsets"][0]["high_watermark"].as_u64().context("an end")?;
        if letters >= job.feed.lines() { Ok(()) } else { bail!("{letters} letters of {} lines", job.feed.lines()) }
    })
    .await?;
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    let mut twice = Vec::new();
    // No count of letters: offsets of appends that a crash tore are not given out again.
    let mut next = 0;
    loop {
        let path = format!("/sluice/v1/topics/{REFUSED}/records?limit=10000&offset={next}");
        let page = hub.rest().get(&path).await?.ok()?;
        let page = page.as_array().context("records")?;
        if page.is_empty() {
            break;
        }
        for letter in page {
            let (at, of) =
                (letter["offset"].as_u64().context("an offset")?, header(letter, "__connect.errors.offset")?);
            next = at + 1;
            if let Some(first) = seen.insert(of, at) {
                twice
                    .push(format!("{of} at {first} and {at}, by task {}", header(letter, "__connect.errors.task.id")?));
            }
        }
    }
    let shown = &twice[..twice.len().min(20)];
    assert!(twice.is_empty(), "{} lines were refused twice, the first are {shown:#?}", twice.len());
    assert_eq!(seen.len() as u64, job.feed.lines());
    Ok(())
}

/// A number in a letter's header.
fn header(letter: &Value, name: &str) -> Result<u64> {
    let headers = letter["headers"].as_array().context("headers")?;
    let header = headers.iter().find(|header| header["key"] == name).with_context(|| format!("{name} in {letter}"))?;
    header["value"].as_str().context("a text")?.parse().context("a number")
}
