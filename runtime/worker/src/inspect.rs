//! `inspect`: the last records before and after each stage of a task, taken only while somebody looks.
//!
//! A task looks at one relaxed flag per batch; when nobody watches it writes nothing down.

use crate::dead_letter::{Originals, render};
use crate::sink_fetch::FetchedRows;
use crate::worker::Worker;
use arrow_array::{Array, BinaryArray};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use sluice_connect_api::{ConverterRole, PluginRegistry};
use sluice_data::headers::row_headers;
use sluice_data::{ConnectBatch, ConnectorName};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Rows of one stage that somebody may ask for: each is written down in the task's own turn.
pub const INSPECT_RECORDS_MAX: usize = 100;

/// What passed one stage last, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct StageRecords {
    /// `polled` or `read`, `transforms.<alias>`, `converted`.
    pub stage: String,
    /// What did the stage, where a class did.
    pub class: Option<String>,
    /// `{topic, partition, offset, timestamp, key, value, headers}`; what is not known is left out.
    pub records: Vec<Value>,
}

/// What was seen of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectedTask {
    pub task: u32,
    /// A batch went all the way while somebody looked; otherwise the stages that it came to.
    pub complete: bool,
    pub stages: Vec<StageRecords>,
}

/// A stage's name and class.
pub(crate) type Stage<'a> = (String, Option<&'a str>);

/// Cheap to clone; the task has one, the worker the other.
#[derive(Clone)]
pub(crate) struct Inspector(Arc<Shared>);

struct Shared {
    /// Rows that are kept of each stage; 0: nobody looks.
    rows: AtomicUsize,
    watchers: Mutex<usize>,
    stages: Mutex<Vec<StageRecords>>,
    /// Batches that went all the way while somebody looked.
    complete: watch::Sender<u64>,
}

impl Default for Inspector {
    fn default() -> Self {
        let shared = Shared {
            rows: AtomicUsize::new(0),
            watchers: Mutex::default(),
            stages: Mutex::default(),
            complete: watch::channel(0).0,
        };
        Self(Arc::new(shared))
    }
}

impl Inspector {
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.0.rows.load(Ordering::Relaxed) > 0
    }

    /// Notes batches behind a stage; `partition` where the log has them.
    pub fn batches(
        &self,
        stage: Stage<'_>,
        batches: &[ConnectBatch],
        partition: Option<i32>,
        plugins: &PluginRegistry,
    ) {
        let Ok(originals) = Originals::new(plugins) else { return };
        let rows = self.0.rows.load(Ordering::Relaxed);
        let mut records = Vec::new();
        for batch in batches {
            let from = batch.len().saturating_sub(rows);
            records.extend((from..batch.len()).map(|row| shown_row(&originals, batch, row, partition)));
        }
        self.note(stage, records);
    }

    /// Notes keys and values as they go to the log.
    pub fn bytes(
        &self,
        stage: Stage<'_>,
        batch: &ConnectBatch,
        (keys, values): (Option<&BinaryArray>, Option<&BinaryArray>),
    ) {
        let from = batch.len().saturating_sub(self.0.rows.load(Ordering::Relaxed));
        let records = (from..batch.len()).map(|row| {
            let mut record = Map::from_iter([("topic".to_owned(), batch.topic().to_string().into())]);
            put_bytes(&mut record, "key", keys.and_then(|keys| at(keys, row)));
            put_bytes(&mut record, "value", values.and_then(|values| at(values, row)));
            record.into()
        });
        self.note(stage, records.collect());
    }

    /// Notes records as they came from the log.
    pub fn fetched(&self, stage: Stage<'_>, (topic, partition): (&str, i32), rows: &FetchedRows) {
        let from = rows.offsets.len().saturating_sub(self.0.rows.load(Ordering::Relaxed));
        let records = (from..rows.offsets.len()).map(|row| {
            let mut record = place(topic, Some(partition), Some(rows.offsets.value(row)), rows.timestamps.value(row));
            put_bytes(&mut record, "key", at(&rows.keys, row));
            put_bytes(&mut record, "value", at(&rows.values, row));
            if let Some(headers) = &rows.headers {
                record.insert("headers".to_owned(), shown_headers(row_headers(headers, row)));
            }
            record.into()
        });
        self.note(stage, records.collect());
    }

    /// A batch went all the way.
    pub fn completed(&self) {
        self.0.complete.send_modify(|count| *count += 1);
    }

    fn note(&self, (name, class): Stage<'_>, records: Vec<Value>) {
        let mut stages = self.0.stages.lock();
        // Under the lock: whoever stopped looking has cleared it, and nobody else would.
        let rows = self.0.rows.load(Ordering::Relaxed);
        if rows == 0 {
            return;
        }
        let index = stages.iter().position(|stage| stage.stage == name).unwrap_or_else(|| {
            stages.push(StageRecords { stage: name, class: class.map(str::to_owned), records: Vec::new() });
            stages.len() - 1
        });
        let kept = &mut stages[index].records;
        kept.extend(records);
        kept.drain(..kept.len().saturating_sub(rows));
    }

    fn watch(&self, rows: usize) -> Watching {
        let mut watchers = self.0.watchers.lock();
        *watchers += 1;
        self.0.rows.fetch_max(rows, Ordering::Relaxed);
        let complete = self.0.complete.subscribe();
        let before = *complete.borrow();
        Watching { inspector: self.clone(), complete, before }
    }
}

/// Somebody looks, until this is dropped.
struct Watching {
    inspector: Inspector,
    complete: watch::Receiver<u64>,
    /// Batches that had gone all the way by then.
    before: u64,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let shared = &self.inspector.0;
        let mut watchers = shared.watchers.lock();
        *watchers -= 1;
        if *watchers == 0 {
            let mut stages = shared.stages.lock();
            shared.rows.store(0, Ordering::Relaxed);
            *stages = Vec::new();
        }
    }
}

impl Worker {
    /// Looks at the connector's tasks until a batch has gone all the way in each, or `wait` is over: the last `records` at
    /// each stage, which are those of the batches that passed meanwhile. Without tasks there is nothing to see.
    pub async fn inspect(&self, connector: &ConnectorName, records: usize, wait: Duration) -> Vec<InspectedTask> {
        let records = records.clamp(1, INSPECT_RECORDS_MAX);
        let watching = self.inspectors(connector).into_iter().map(|(task, inspector)| (task, inspector.watch(records)));
        let mut watching: Vec<(u32, Watching)> = watching.collect();
        let all = async {
            for (_, watching) in &mut watching {
                // A task that ended meanwhile completes nothing more, and the sender is held here.
                let before = watching.before;
                let _ = watching.complete.wait_for(|count| *count > before).await;
            }
        };
        let _ = tokio::time::timeout(wait, all).await;
        let seen = |(task, watching): &(u32, Watching)| InspectedTask {
            task: *task,
            complete: *watching.complete.borrow() > watching.before,
            stages: watching.inspector.0.stages.lock().clone(),
        };
        watching.iter().map(seen).collect()
    }
}

fn shown_row(originals: &Originals, batch: &ConnectBatch, row: usize, partition: Option<i32>) -> Value {
    let (timestamps, asked) = (batch.timestamps(), batch.partitions());
    let partition = partition.or_else(|| asked.filter(|it| it.is_valid(row)).map(|it| it.value(row)));
    // A source's rows have no offset before they are in the log.
    let offset = batch.offsets().map(|offsets| offsets.value(row));
    let timestamp = if timestamps.is_valid(row) { timestamps.value(row) } else { 0 };
    let mut record = place(batch.topic(), partition, offset, timestamp);
    record.insert("key".to_owned(), render(originals, ConverterRole::Key, batch, row));
    record.insert("value".to_owned(), render(originals, ConverterRole::Value, batch, row));
    if let Some(headers) = batch.headers() {
        record.insert("headers".to_owned(), shown_headers(row_headers(headers, row)));
    }
    record.into()
}

fn place(topic: &str, partition: Option<i32>, offset: Option<i64>, timestamp: i64) -> Map<String, Value> {
    let mut record = Map::from_iter([("topic".to_owned(), topic.into())]);
    let mut put = |name: &str, value: Option<i64>| value.map(|value| record.insert(name.to_owned(), value.into()));
    put("partition", partition.map(i64::from));
    put("offset", offset);
    put("timestamp", Some(timestamp).filter(|timestamp| *timestamp > 0));
    record
}

fn at(column: &BinaryArray, row: usize) -> Option<&[u8]> {
    column.is_valid(row).then(|| column.value(row))
}

/// As text where it is text.
fn put_bytes(record: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => record.insert(name.to_owned(), Value::Null),
        Some((_, Ok(text))) => record.insert(name.to_owned(), text.into()),
        Some((bytes, Err(_))) => record.insert(format!("{name}_base64"), STANDARD.encode(bytes).into()),
    };
}

fn shown_headers<'a>(headers: impl Iterator<Item = sluice_data::headers::Header<'a>>) -> Value {
    let text = |value: Option<&[u8]>| value.map(|value| String::from_utf8_lossy(value).into_owned());
    headers.map(|header| json!({ "key": header.name, "value": text(header.value) })).collect()
}
