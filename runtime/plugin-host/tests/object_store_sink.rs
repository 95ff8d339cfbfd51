//! The object-store sink as a component, over the real object-store capability in a local folder.

mod support;

use arrow_array::{ArrayRef, Int64Array, StringArray, StructArray};
use arrow_schema::{DataType, Field, Fields};
use sluice_capability::Ceiling;
use sluice_capability_object_store::ObjectStoreCapability;
use sluice_connect_api::{Delivery, PluginFactory, SinkTask};
use sluice_data::ConnectBatch;
use sluice_plugin_host::{HostConfig, Plugin, PluginHost};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use support::{Offsets, component, config, connector_context, short_limits, task_context};

struct Lake {
    folder: tempfile::TempDir,
    plugin: Arc<Plugin>,
}

impl Lake {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = ObjectStoreCapability::new(&Ceiling::default(), Vec::new());
        let settings = HostConfig { cache_dir: folder.path().join("cache"), limits: short_limits() };
        let host = PluginHost::new(settings, vec![Box::new(store)]).unwrap();
        let plugin = host.load_bytes("sink", component("sluice-sink-object-store")).await.unwrap();
        Self { folder, plugin }
    }

    fn config(&self, more: &[(&str, &str)]) -> sluice_connect_api::ConfigMap {
        let url = format!("file://{}", self.folder.path().display());
        let mut pairs = vec![("s3.bucket.name", "lake"), ("store.url", url.as_str()), ("flush.size", "4")];
        pairs.extend(more);
        config(&pairs)
    }

    async fn task(&self, more: &[(&str, &str)]) -> Box<dyn SinkTask> {
        let mut task = self.plugin.sink_task(task_context(self.config(more), Offsets::default())).await.unwrap();
        task.open(&[("orders".to_owned(), 1)]).await.unwrap();
        task
    }

    /// Every object with its bytes.
    fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        let root = self.folder.path().join("lake");
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else {
                    found.insert(key_of(&root, &entry), fs::read(&entry).unwrap());
                }
            }
        }
        found
    }
}

fn key_of(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()
}

/// Offsets 40 to 43, times on two days.
fn orders() -> ConnectBatch {
    let fields =
        Fields::from(vec![Field::new("id", DataType::Int64, false), Field::new("region", DataType::Utf8, false)]);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1, 2, 3, 4])), Arc::new(StringArray::from(vec!["eu", "us", "eu", "a/b"]))];
    let field = Field::new("value", DataType::Struct(fields.clone()), false);
    ConnectBatch::builder("orders", &field, Arc::new(StructArray::new(fields, columns, None)))
        .timestamps(Int64Array::from(vec![0, 86_400_000, 5, 86_400_001]))
        .offsets(Int64Array::from(vec![40, 41, 42, 43]))
        .build()
        .unwrap()
}

fn delivery(is_replay: bool) -> Delivery {
    Delivery {
        topic: "orders".into(),
        topic_id: "id".into(),
        partition: 1,
        first: 40,
        last: 43,
        token: "token".into(),
        target: None,
        generation: 1,
        is_replay,
        planned_ms: 0,
        attributes: BTreeMap::new(),
    }
}

const JSON: (&str, &str) = ("format.class", "io.confluent.connect.s3.format.json.JsonFormat");
const PARQUET: (&str, &str) = ("format.class", "io.confluent.connect.s3.format.parquet.ParquetFormat");

#[tokio::test]
async fn a_delivery_is_an_object_named_by_its_first_offset() {
    let lake = Lake::new().await;
    let mut task = lake.task(&[JSON]).await;
    assert!(task.put(&delivery(false), &[orders()]).await.unwrap().is_empty());
    let objects = lake.objects();
    let lines = "{\"id\":1,\"region\":\"eu\"}\n{\"id\":2,\"region\":\"us\"}\n{\"id\":3,\"region\":\"eu\"}\n{\"id\":4,\"region\":\"a/b\"}\n";
    let expected = [("topics/orders/partition=1/orders+1+0000000040.json".to_owned(), lines.as_bytes().to_vec())];
    assert_eq!(objects, expected.into());
}

#[tokio::test]
async fn a_replay_overwrites_its_objects_with_themselves() {
    let lake = Lake::new().await;
    let by_field = [PARQUET, ("partitioner.class", "FieldPartitioner"), ("partition.field.name", "region")];
    let mut task = lake.task(&by_field).await;
    task.put(&delivery(false), &[orders()]).await.unwrap();
    let first = lake.objects();
    let keys: Vec<&str> = first.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "topics/orders/region=a%2Fb/orders+1+0000000043.snappy.parquet",
            "topics/orders/region=eu/orders+1+0000000040.snappy.parquet",
            "topics/orders/region=us/orders+1+0000000041.snappy.parquet",
        ]
    );
    let mut again = lake.task(&by_field).await;
    again.put(&delivery(true), &[orders()]).await.unwrap();
    assert!(lake.objects() == first);
}

#[tokio::test]
async fn rows_go_to_the_days_of_their_timestamps() {
    let lake = Lake::new().await;
    let daily =
        [JSON, ("partitioner.class", "DailyPartitioner"), ("timestamp.extractor", "Record"), ("topics.dir", "t")];
    let mut task = lake.task(&daily).await;
    task.put(&delivery(false), &[orders()]).await.unwrap();
    let objects = lake.objects();
    let counted: Vec<(&str, usize)> = objects
        .iter()
        .map(|(key, bytes)| (key.as_str(), bytes.iter().filter(|byte| **byte == b'\n').count()))
        .collect();
    assert_eq!(
        counted,
        [
            ("t/orders/year=1970/month=01/day=01/orders+1+0000000040.json", 2),
            ("t/orders/year=1970/month=01/day=02/orders+1+0000000041.json", 2),
        ]
    );
}

#[tokio::test]
async fn a_record_without_a_value_is_reported_or_left_out() {
    let lake = Lake::new().await;
    let batch = orders();
    let marked = arrow_array::BooleanArray::from(vec![false, true, false, false]);
    let field = Field::new("tombstone", DataType::Boolean, false);
    let batch = batch.with_column("tombstone", &field, Arc::new(marked)).unwrap();
    let failures = lake.task(&[JSON]).await.put(&delivery(false), std::slice::from_ref(&batch)).await.unwrap();
    assert_eq!(failures.iter().map(|failure| failure.row_id).collect::<Vec<_>>(), [41]);
    let ignoring = [JSON, ("behavior.on.null.values", "ignore")];
    assert!(lake.task(&ignoring).await.put(&delivery(false), &[batch]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_bucket_that_cannot_be_reached_is_found_by_the_check() {
    let lake = Lake::new().await;
    let good = lake.config(&[JSON]);
    let connector = lake.plugin.connector(&connector_context(&good)).await.unwrap();
    assert_eq!(connector.check(&good).await.unwrap(), vec![]);
    fs::write(lake.folder.path().join("file"), "").unwrap();
    let bad = lake.config(&[JSON, ("s3.bucket.name", "file")]);
    let connector = lake.plugin.connector(&connector_context(&bad)).await.unwrap();
    assert_eq!(connector.check(&bad).await.unwrap()[0].0, "store.url");
}
