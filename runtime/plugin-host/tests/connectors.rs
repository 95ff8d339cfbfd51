//! The file connectors and datagen as components, over the real file capability.

mod support;

use arrow_array::cast::AsArray;
use sluice_connect_api::{Delivery, PluginFactory, PolledBatches, SourceTask};
use sluice_data::{ConnectBatch, SourcePartition};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::{Offsets, TestHost, config, connector_context, open_source, task_context};

/// A followed file, and the task that follows it.
struct Followed {
    host: TestHost,
    path: PathBuf,
    offsets: BTreeMap<SourcePartition, serde_json::Map<String, serde_json::Value>>,
}

impl Followed {
    fn new(content: &str) -> Self {
        let host = TestHost::new();
        let path = host.folder.path().join("log.txt");
        fs::write(&path, content).unwrap();
        Self { host, path, offsets: BTreeMap::new() }
    }

    async fn task(&self, more: &[(&str, &str)]) -> Box<dyn SourceTask> {
        let mut pairs = vec![("file", self.path.to_str().unwrap()), ("topic", "lines")];
        pairs.extend(more);
        let plugin = self.host.plugin("sluice-source-file").await;
        open_source(&plugin, config(&pairs), Offsets(self.offsets.clone())).await
    }

    fn append(&self, text: &str) {
        append(&self.path, text);
    }

    /// Polls until something comes, and keeps the offsets as a worker does.
    async fn poll(&mut self, task: &mut dyn SourceTask) -> PolledBatches {
        loop {
            let polled = task.poll().await.unwrap();
            for (partition, offset) in polled.offsets.clone() {
                self.offsets.insert(partition, offset.unwrap());
            }
            if !polled.is_empty() {
                return polled;
            }
        }
    }

    async fn lines(&mut self, task: &mut dyn SourceTask) -> Vec<String> {
        texts(&self.poll(task).await)
    }
}

fn append(path: &Path, text: &str) {
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn texts(polled: &PolledBatches) -> Vec<String> {
    let values = polled.batches.iter().flat_map(|batch| batch.value().as_string::<i32>().iter().collect::<Vec<_>>());
    values.map(|value| value.unwrap().to_owned()).collect()
}

#[tokio::test]
async fn lines_arrive_in_order_and_a_growing_file_is_followed() {
    let mut file = Followed::new("one\ntwo\nunfin");
    let mut task = file.task(&[]).await;
    assert_eq!(file.lines(&mut *task).await, ["one", "two"]);
    assert!(task.poll().await.unwrap().is_empty(), "an unfinished line waits");
    file.append("ished\nfour\n");
    assert_eq!(file.lines(&mut *task).await, ["unfinished", "four"]);
}

#[tokio::test]
async fn the_offset_is_kafkas_and_a_restart_goes_on_behind_it() {
    let mut file = Followed::new("one\ntwo\n");
    let mut task = file.task(&[]).await;
    assert_eq!(file.lines(&mut *task).await, ["one", "two"]);
    let (partition, offset) = file.offsets.iter().next().unwrap();
    assert_eq!(partition.to_map()["filename"], file.path.to_str().unwrap());
    assert_eq!(offset["position"], 8);
    drop(task);

    file.append("three\n");
    let mut task = file.task(&[]).await;
    assert_eq!(file.lines(&mut *task).await, ["three"]);
}

#[tokio::test]
async fn a_renamed_file_is_read_to_its_end_before_the_new_one() {
    let mut file = Followed::new("one\n");
    let mut task = file.task(&[]).await;
    assert_eq!(file.lines(&mut *task).await, ["one"]);
    let old = file.path.with_extension("txt.1");
    fs::rename(&file.path, &old).unwrap();
    append(&old, "two\n");
    fs::write(&file.path, "three\n").unwrap();
    assert_eq!(file.lines(&mut *task).await, ["two"]);
    assert_eq!(file.lines(&mut *task).await, ["three"]);
    file.append("four\n");
    assert_eq!(file.lines(&mut *task).await, ["four"]);
}

#[tokio::test]
async fn a_truncated_file_is_read_from_its_start() {
    let mut file = Followed::new("one\ntwo\n");
    let mut task = file.task(&[]).await;
    assert_eq!(file.lines(&mut *task).await, ["one", "two"]);
    fs::write(&file.path, "new\n").unwrap();
    assert_eq!(file.lines(&mut *task).await, ["new"]);
}

#[tokio::test]
async fn a_file_that_is_not_there_yet_is_waited_for() {
    let mut file = Followed::new("");
    fs::remove_file(&file.path).unwrap();
    let mut task = file.task(&[]).await;
    assert!(task.poll().await.unwrap().is_empty());
    fs::write(&file.path, "late\n").unwrap();
    assert_eq!(file.lines(&mut *task).await, ["late"]);
}

#[tokio::test]
async fn an_over_long_line_is_rejected_with_its_position_and_the_rest_goes_on() {
    let mut file = Followed::new(&format!("one\n{}\nthree\n", "x".repeat(100)));
    let mut task = file.task(&[("max.line.bytes", "10")]).await;
    let mut lines = Vec::new();
    let mut rejected = Vec::new();
    while lines.len() < 2 {
        let polled = file.poll(&mut *task).await;
        lines.extend(texts(&polled));
        rejected.extend(polled.rejected);
    }
    assert_eq!(lines, ["one", "three"]);
    assert_eq!(rejected.len(), 1);
    assert!(rejected[0].details.message.contains("line at byte 4"), "{}", rejected[0]);
}

#[tokio::test]
async fn batch_size_bounds_a_poll_and_bytes_stay_raw_when_asked_for() {
    let mut file = Followed::new("a\nb\nc\n");
    let mut task = file.task(&[("batch.size", "2")]).await;
    assert_eq!(file.lines(&mut *task).await, ["a", "b"]);
    assert_eq!(file.lines(&mut *task).await, ["c"]);

    let mut raw = Followed::new("");
    fs::write(&raw.path, b"\xff\xfe\n").unwrap();
    let mut task = raw.task(&[("encoding", "bytes")]).await;
    let polled = raw.poll(&mut *task).await;
    assert_eq!(polled.batches[0].value().as_binary::<i32>().value(0), b"\xff\xfe");
    let mut task = Followed { offsets: BTreeMap::new(), ..raw };
    let mut text = task.task(&[]).await;
    assert_eq!(task.lines(&mut *text).await, ["\u{fffd}\u{fffd}"]);
}

#[tokio::test]
async fn a_folder_in_the_place_of_the_file_is_found_by_check() {
    let file = Followed::new("");
    let plugin = file.host.plugin("sluice-source-file").await;
    let config = config(&[("file", file.host.folder.path().to_str().unwrap()), ("topic", "t")]);
    let connector = plugin.connector(&connector_context(&config)).await.unwrap();
    let problems = connector.check(&config).await.unwrap();
    assert_eq!(problems[0].0, "file");
    assert!(problems[0].1.contains("is a folder"), "{problems:?}");
}

#[tokio::test]
async fn offsets_are_altered_only_in_kafkas_form() {
    let file = Followed::new("");
    let plugin = file.host.plugin("sluice-source-file").await;
    let config = config(&[("file", "f"), ("topic", "t")]);
    let connector = plugin.connector(&connector_context(&config)).await.unwrap();
    let partition = SourcePartition::parse(r#"{"filename":"f"}"#).unwrap();
    let offset = |json: &str| Some(serde_json::from_str(json).unwrap());
    let good = [(partition.clone(), offset(r#"{"position":5}"#))];
    assert!(connector.alter_offsets(&config, &good).await.unwrap());
    assert!(connector.alter_offsets(&config, &[(partition.clone(), None)]).await.unwrap());
    let bad = [(partition, offset(r#"{"position":"x"}"#))];
    let error = connector.alter_offsets(&config, &bad).await.unwrap_err();
    assert!(error.details.message.contains("position"));
}

fn delivery(batch: &ConnectBatch) -> Delivery {
    Delivery {
        topic: batch.topic().to_string(),
        topic_id: "id".to_owned(),
        partition: 0,
        first: 0,
        last: batch.len() as i64 - 1,
        token: "token".to_owned(),
        target: None,
        generation: 1,
        is_replay: false,
        planned_ms: 0,
        attributes: BTreeMap::new(),
    }
}

#[tokio::test]
async fn what_the_source_reads_the_sink_writes() {
    let mut file = Followed::new("eins\nzwei\ndrei\n");
    let mut source = file.task(&[]).await;
    let polled = file.poll(&mut *source).await;
    let target = file.host.folder.path().join("out.txt");
    let sink = file.host.plugin("sluice-sink-file").await;
    let given = config(&[("file", target.to_str().unwrap())]);
    let mut task = sink.sink_task(task_context(given, Offsets::default())).await.unwrap();
    task.open(&[("lines".to_owned(), 0)]).await.unwrap();
    for batch in &polled.batches {
        assert!(task.put(&delivery(batch), std::slice::from_ref(batch)).await.unwrap().is_empty());
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "eins\nzwei\ndrei\n");
}

async fn generated(host: &TestHost, offsets: Offsets, rows: usize) -> (Vec<ConnectBatch>, Offsets) {
    let plugin = host.plugin("sluice-source-datagen").await;
    let given = config(&[
        ("kafka.topic", "orders"),
        ("quickstart", "stock_trades"),
        ("random.seed", "7"),
        ("rows.per.second", "0"),
        ("batch.rows", "10"),
    ]);
    let mut task = open_source(&plugin, given, Offsets(offsets.0.clone())).await;
    let (mut batches, mut offsets) = (Vec::new(), offsets);
    while batches.iter().map(ConnectBatch::len).sum::<usize>() < rows {
        let polled = task.poll().await.unwrap();
        offsets.0.extend(polled.offsets.into_iter().map(|(partition, offset)| (partition, offset.unwrap())));
        batches.extend(polled.batches);
    }
    (batches, offsets)
}

#[tokio::test]
async fn generated_rows_go_on_after_a_restart_as_if_there_had_been_none() {
    let host = TestHost::new();
    let (whole, _) = generated(&host, Offsets::default(), 40).await;
    let (mut cut, offsets) = generated(&host, Offsets::default(), 20).await;
    cut.extend(generated(&host, offsets, 20).await.0);
    let values = |batches: &[ConnectBatch]| batches.iter().map(|batch| Arc::clone(batch.value())).collect::<Vec<_>>();
    assert_eq!(values(&whole), values(&cut));
    let names: Vec<&str> = whole[0].value().as_struct().column_names();
    assert_eq!(names, ["side", "quantity", "symbol", "price", "account", "userid"]);
    assert_eq!(whole[0].key().len(), 10);
}
