//! A source that counts: `n-0`, `n-1`, … up to a total, with its position as offset.

use super::{BatchHeader, Watched};
use arrow_array::{Int32Array, StringArray};
use arrow_schema::{DataType, Field};
use sluice_connect_api::connector::{ConnectorContext, TaskRequests};
use sluice_connect_api::{
    ConfigDef, ConnectError, Connector, ConnectorKind, PluginDefinition, PluginFactory, PolledBatches, SinkTask,
    SourceOffsetPair, SourceTask, TaskContext,
};
use sluice_data::headers::{Header, HeadersBuilder};
use sluice_data::{ConnectBatch, SourcePartition};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub const CLASS: &str = "test.CountingSource";

/// What the source is to do and what it saw.
#[derive(Debug, Default, Clone)]
pub struct Script {
    pub total: i64,
    pub per_poll: i64,
    /// Given by the next polls, in order, before any number.
    pub errors: VecDeque<ConnectError>,
    /// Numbers that are rejected as input: told, and left out.
    pub rejected: Vec<i64>,
    /// Numbers that become a value of no schema that the converter knows.
    pub keyed: bool,
    /// Of the records of these numbers.
    pub headers: BTreeMap<i64, Vec<BatchHeader>>,
    /// The partition that every record asks for.
    pub partition: Option<i32>,
    /// Asked for with whatever a poll gives.
    pub pause: Option<Duration>,
    pub polls: u64,
    /// Positions that were told to be committed.
    pub committed: Vec<i64>,
    pub closed: bool,
    /// Polls never answer.
    pub hangs: bool,
}

#[derive(Default)]
pub struct Counter(pub Watched<Script>);

impl Counter {
    pub fn give(&self, total: i64, per_poll: i64) {
        self.0.change(|script| (script.total, script.per_poll) = (total, per_poll));
    }

    pub async fn until_committed(&self, position: i64) {
        self.0.until("a commit", |script| script.committed.last() == Some(&position)).await;
    }
}

pub fn partition() -> SourcePartition {
    SourcePartition::parse(r#"{"stream":"numbers"}"#).unwrap()
}

pub fn definition(class: &str) -> PluginDefinition {
    PluginDefinition {
        class: class.to_owned(),
        aliases: Vec::new(),
        version: "1".to_owned(),
        documentation: String::new(),
        config: ConfigDef::default(),
        capabilities: Vec::new(),
        attributes: Default::default(),
    }
}

pub struct CountingSource {
    definition: PluginDefinition,
    counter: Arc<Counter>,
}

impl CountingSource {
    pub fn new(counter: Arc<Counter>) -> Self {
        Self { definition: definition(CLASS), counter }
    }
}

#[async_trait::async_trait]
impl PluginFactory for CountingSource {
    fn definition(&self) -> &PluginDefinition {
        &self.definition
    }
    fn kind(&self) -> ConnectorKind {
        ConnectorKind::Source
    }
    async fn connector(&self, _: &ConnectorContext) -> Result<Box<dyn Connector>, ConnectError> {
        Err(ConnectError::fatal("test", "the worker never asks for it"))
    }
    async fn source_task(&self, context: TaskContext) -> Result<Box<dyn SourceTask>, ConnectError> {
        let stored = context.offsets.offset(&partition());
        let position = stored.and_then(|offset| offset["position"].as_i64()).unwrap_or(0);
        Ok(Box::new(Task { counter: Arc::clone(&self.counter), requests: context.requests, position }))
    }
    async fn sink_task(&self, _: TaskContext) -> Result<Box<dyn SinkTask>, ConnectError> {
        Err(ConnectError::fatal("test", "it is a source"))
    }
}

struct Task {
    counter: Arc<Counter>,
    requests: Arc<dyn TaskRequests>,
    position: i64,
}

#[async_trait::async_trait]
impl SourceTask for Task {
    async fn open(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    async fn poll(&mut self) -> Result<PolledBatches, ConnectError> {
        let script = self.counter.0.change(|script| {
            script.polls += 1;
            let error = script.errors.pop_front();
            error.map_or_else(|| Ok(script.clone()), Err)
        })?;
        if script.hangs {
            std::future::pending::<()>().await;
        }
        let end = (self.position + script.per_poll).min(script.total);
        if end <= self.position {
            return Ok(PolledBatches::default());
        }
        let (rejected, numbers): (Vec<i64>, Vec<i64>) =
            (self.position..end).partition(|number| script.rejected.contains(number));
        let rejected =
            rejected.iter().map(|number| ConnectError::rejected("odd", format!("number {number} is refused")));
        self.position = end;
        script.pause.into_iter().for_each(|pause| self.requests.pause(pause));
        let offset = serde_json::from_value(serde_json::json!({ "position": end })).unwrap();
        let batches = if numbers.is_empty() { Vec::new() } else { vec![batch(&numbers, &script)] };
        Ok(PolledBatches { batches, offsets: vec![(partition(), Some(offset))], rejected: rejected.collect() })
    }

    async fn committed(&mut self, offsets: Vec<SourceOffsetPair>) -> Result<(), ConnectError> {
        let positions = offsets.iter().filter_map(|(_, offset)| offset.as_ref()?["position"].as_i64());
        self.counter.0.change(|script| script.committed.extend(positions));
        Ok(())
    }

    async fn close(&mut self) {
        self.counter.0.change(|script| script.closed = true);
    }
}

fn batch(numbers: &[i64], script: &Script) -> ConnectBatch {
    let text = |prefix: &str| numbers.iter().map(|number| format!("{prefix}-{number}")).collect::<Vec<_>>();
    let field = Field::new("value", DataType::Utf8, true);
    let mut builder = ConnectBatch::builder("numbers", &field, Arc::new(StringArray::from(text("n"))));
    if script.keyed {
        builder = builder.key(&field, Arc::new(StringArray::from(text("k"))));
    }
    if !script.headers.is_empty() {
        let mut headers = HeadersBuilder::default();
        for number in numbers {
            for BatchHeader { name, value, schema } in script.headers.get(number).into_iter().flatten() {
                headers.push(Header { name, value: value.as_deref(), schema: schema.as_deref() });
            }
            headers.end_row();
        }
        builder = builder.headers(headers.finish());
    }
    if let Some(partition) = script.partition {
        builder = builder.partitions(Int32Array::from_value(partition, numbers.len()));
    }
    builder.timestamp_ms(5).build().unwrap()
}
