//! A real Connect worker is stopped half-way, and the hub takes over what its three internal topics hold.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use sluice_conformance::rest::ConnectWorker;
use sluice_contract::apache_kafka;
use sluice_harness::{Hub, Rest, Scratch, binary, until};

const LIMIT: Duration = Duration::from_secs(90);
/// Half of the file, and of what the sink has written.
const HALF: usize = 500;
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
/// A plugin that the workers had.
const UNKNOWN: &str = "com.example.LegacySourceConnector";
const INTERNAL: [&str; 3] = ["connect-configs", "connect-offsets", "connect-status"];

fn lines(from: usize) -> String {
    (from..from + HALF).map(|number| format!("line {number}\n")).collect()
}

/// What the command said, and its exit code.
async fn import(hub: &Hub, arguments: &[&str]) -> Result<(Option<i32>, Value, String)> {
    let mut command = Command::new(binary()?);
    command.args(["connector", "import", "--output", "json", "--url", &hub.rest().url("")]).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default(), said))
}

fn row<'a>(answer: &'a Value, name: &str) -> Result<&'a Value> {
    let rows = answer["connectors"].as_array().with_context(|| answer.to_string())?;
    rows.iter().find(|row| row["name"] == name).with_context(|| format!("{name} in {answer}"))
}

/// A source and a sink at work, one source paused, one stopped.
async fn fill(rest: &Rest, scratch: &Scratch) -> Result<()> {
    fs::write(scratch.path("lines.txt"), lines(0))?;
    let source = |topic: &str| {
        json!({
            "connector.class": "FileStreamSource", "file": scratch.text("lines.txt"), "topic": topic,
            "key.converter": STRING, "value.converter": STRING,
        })
    };
    for name in ["lines", "paused", "stopped"] {
        rest.create(name, &source(name)).await?;
    }
    let sink = json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "file": scratch.text("copy.txt"),
        "topics": "lines", "value.converter": STRING,
    });
    rest.create("copy", &sink).await?;
    for name in ["lines", "paused", "stopped"] {
        let position = lines(0).len();
        until_offset(rest, name, &json!({"position": position})).await?;
    }
    until_offset(rest, "copy", &json!({"kafka_offset": HALF})).await?;
    rest.command("paused", "pause").await?;
    rest.command("stopped", "stop").await?;
    rest.until_state("paused", "PAUSED", 1).await?;
    rest.until_state("stopped", "STOPPED", 0).await
}

/// The record that a connector of a class which the hub does not have leaves.
fn add_unknown(servers: &str) -> Result<()> {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", servers).create()?;
    let config = json!({"properties": {"name": "unknown", "connector.class": UNKNOWN, "topic": "x"}}).to_string();
    let record = BaseRecord::to(INTERNAL[0]).key("connector-unknown").payload(&config);
    producer.send(record).map_err(|(error, _)| error)?;
    Ok(producer.flush(LIMIT)?)
}

async fn until_offset(rest: &Rest, name: &str, expected: &Value) -> Result<()> {
    until(&format!("{name} at {expected}"), LIMIT, || async {
        let offsets = rest.offsets(name).await?;
        if offsets["offsets"][0]["offset"] == *expected { Ok(()) } else { bail!("{offsets}") }
    })
    .await
}

fn reader(servers: &str) -> Result<BaseConsumer> {
    Ok(ClientConfig::new().set("bootstrap.servers", servers).set("group.id", "looks").create()?)
}

/// Where the partitions of the worker's topics end.
fn ends(servers: &str) -> Result<Vec<i64>> {
    let consumer = reader(servers)?;
    INTERNAL.iter().map(|topic| Ok(consumer.fetch_watermarks(topic, 0, LIMIT)?.1)).collect()
}

/// The values of a topic's first so many records, which must be all.
fn values(servers: &str, topic: &str, count: usize) -> Result<Vec<String>> {
    let consumer = reader(servers)?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&assignment)?;
    let mut values = Vec::new();
    while values.len() < count {
        let message = consumer.poll(LIMIT).context("nothing more comes")??;
        values.push(String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned());
    }
    Ok(values)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_goes_on_where_a_worker_of_kafka_connect_stopped() -> Result<()> {
    if apache_kafka::is_skipped() {
        return Ok(());
    }
    let scratch = Scratch::new()?;
    let mut worker = ConnectWorker::start().await?;
    let servers = worker.bootstrap_servers();
    fill(worker.rest(), &scratch).await?;
    let config = scratch.path("hub.properties");
    fs::write(&config, format!("bootstrap.servers={servers}\ngroup.id=hub\noffset.storage.partitions=1\n"))?;
    let hub = Hub::at(scratch.path("hub")).argument("--config").argument(config.to_string_lossy()).start().await?;
    let from = worker.properties().to_string_lossy().into_owned();
    let from = ["--worker-config", from.as_str()];

    let (code, _, said) = import(&hub, &from).await?;
    ensure!(code == Some(5) && said.contains("still run"), "while the worker runs: {code:?} {said}");
    stop(&mut worker, &scratch).await?;

    let before = ends(&servers)?;
    let (code, answer, said) = import(&hub, &[from[0], from[1], "--dry-run"]).await?;
    ensure!(code == Some(6), "{code:?} {said}");
    assert_eq!(row(&answer, "lines")?["result"], "would be imported", "{answer}");
    assert_eq!(row(&answer, "unknown")?["result"], "refused", "{answer}");
    assert_eq!(hub.rest().connectors().await?, Vec::<String>::new());

    let (code, answer, said) = import(&hub, &from).await?;
    ensure!(code == Some(6) && said.contains("1 of 5"), "{code:?} {said} {answer}");
    ensure!(row(&answer, "unknown")?["notes"][0].as_str().is_some_and(|why| why.contains(UNKNOWN)), "{answer}");
    for (name, state, offsets) in [("lines", "RUNNING", 1), ("paused", "PAUSED", 1), ("stopped", "STOPPED", 1)] {
        let row = row(&answer, name)?;
        assert_eq!(
            (&row["result"], &row["state"], &row["offsets"]),
            (&json!("imported"), &json!(state), &json!(offsets))
        );
    }
    assert_eq!(ends(&servers)?, before, "the worker's topics are only read");
    the_rest_came_once(&hub, &servers, &scratch).await?;
    assert_eq!(hub.rest().connectors().await?, ["copy", "lines", "paused", "stopped"]);

    let (code, answer, _) = import(&hub, &from).await?;
    ensure!(code == Some(6) && row(&answer, "lines")?["result"] == "refused", "{code:?} {answer}");
    into_another_log(&worker, &scratch).await
}

/// Half-way; the file grows on, and one connector more is of a class that the hub does not have.
async fn stop(worker: &mut ConnectWorker, scratch: &Scratch) -> Result<()> {
    worker.stop().await?;
    let servers = worker.bootstrap_servers();
    tokio::task::spawn_blocking(move || add_unknown(&servers)).await??;
    OpenOptions::new().append(true).open(scratch.path("lines.txt"))?.write_all(lines(HALF).as_bytes())?;
    Ok(())
}

async fn the_rest_came_once(hub: &Hub, servers: &str, scratch: &Scratch) -> Result<()> {
    let whole = fs::read_to_string(scratch.path("lines.txt"))?;
    until("the rest in the sink's file", LIMIT, || async {
        let copied = fs::read_to_string(scratch.path("copy.txt"))?;
        if copied.len() >= whole.len() { Ok(()) } else { bail!("{} lines", copied.lines().count()) }
    })
    .await?;
    assert_eq!(fs::read_to_string(scratch.path("copy.txt"))?, whole, "every line once, in its order");
    let servers = servers.to_owned();
    let values = tokio::task::spawn_blocking(move || values(&servers, "lines", 2 * HALF)).await??;
    assert_eq!(values.join("\n") + "\n", whole);
    // Who was stopped before has no tasks until it runs.
    let paused = hub.rest().status("paused").await?;
    ensure!(paused["connector"]["state"] == "PAUSED" && !paused.to_string().contains("RUNNING"), "{paused}");
    hub.rest().until_state("stopped", "STOPPED", 0).await
}

/// A hub with its own log: sources go on, and of a sink whose topic is elsewhere it is said.
async fn into_another_log(worker: &ConnectWorker, scratch: &Scratch) -> Result<()> {
    let hub = Hub::at(scratch.path("other")).start().await?;
    let servers = worker.bootstrap_servers();
    let mut arguments = vec!["--bootstrap-servers", servers.as_str(), "--group-id", "connect-conformance"];
    arguments.extend(["--config-storage-topic", INTERNAL[0], "--offset-storage-topic", INTERNAL[1]]);
    arguments.extend(["--status-storage-topic", INTERNAL[2], "--connector", "stopped", "--connector", "copy"]);
    let (code, answer, said) = import(&hub, &arguments).await?;
    ensure!(code == Some(0), "{code:?} {answer} {said}");
    assert_eq!(hub.rest().connectors().await?, ["copy", "stopped"]);
    until_offset(hub.rest(), "stopped", &json!({"position": lines(0).len()})).await?;
    let notes = &row(&answer, "copy")?["notes"];
    ensure!(notes.to_string().contains("lines-0: not in the hub's log"), "{notes}");
    hub.rest().until_running("copy", 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_with_the_workers_own_file_goes_on_in_its_topics() -> Result<()> {
    if apache_kafka::is_skipped() {
        return Ok(());
    }
    let scratch = Scratch::new()?;
    let mut worker = ConnectWorker::start().await?;
    fill(worker.rest(), &scratch).await?;
    stop(&mut worker, &scratch).await?;
    let config = worker.properties();
    let hub = Hub::at(scratch.path("hub")).argument("--config").argument(config.to_string_lossy()).start().await?;
    the_rest_came_once(&hub, &worker.bootstrap_servers(), &scratch).await?;
    let unknown = hub.rest().status("unknown").await?;
    let trace = &unknown["connector"]["trace"];
    ensure!(trace.to_string().contains(UNKNOWN), "it says what it lacks: {unknown}");
    Ok(())
}
