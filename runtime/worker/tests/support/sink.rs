//! A sink that writes down every delivery, and a target that recognises deliveries by their token.

use super::source::definition;
use super::{BatchHeader, Watched};
use arrow_array::{Array, StringArray};
use sluice_connect_api::connector::ConnectorContext;
use sluice_connect_api::sink::PartitionOffset;
use sluice_connect_api::{
    ConnectError, Connector, ConnectorKind, Delivery, ErrorDetails, PluginDefinition, PluginFactory, RecordFailure,
    SinkTask, SourceTask, TaskContext,
};
use sluice_data::ConnectBatch;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub const CLASS: &str = "test.RecordingSink";

/// What the target has and what the sink is to do.
#[derive(Debug, Default, Clone)]
pub struct State {
    /// Every call of `put`, also those that failed.
    pub deliveries: Vec<Delivery>,
    /// Of every row of every put, by offset.
    pub headers: BTreeMap<i64, Vec<BatchHeader>>,
    /// Rows by token: a token that is there already changes nothing, as in a target that deduplicates.
    pub stored: BTreeMap<String, Vec<(i64, String)>>,
    /// Given by the next puts, in order; nothing is stored then.
    pub errors: VecDeque<ConnectError>,
    /// Values that are refused one by one.
    pub refused: Vec<String>,
    /// Values that make the whole put fail as rejected.
    pub poison: Vec<String>,
    /// The last offset that is stored, for a target that keeps it with the rows and leaves out what comes again; else none.
    pub own_offset: Option<i64>,
    /// Vouches for nothing as long as it is set.
    pub withholds: bool,
    pub opened: Vec<Vec<(String, i32)>>,
    pub closed: u32,
    /// Puts do not answer as long as it is set.
    pub hangs: bool,
}

impl State {
    /// Every stored row in order of offset, duplicates too.
    pub fn rows(&self) -> Vec<(i64, String)> {
        let mut rows: Vec<_> = self.stored.values().flatten().cloned().collect();
        rows.sort();
        rows
    }

    pub fn ranges(&self) -> Vec<(i64, i64)> {
        self.deliveries.iter().map(|delivery| (delivery.first, delivery.last)).collect()
    }
}

#[derive(Default)]
pub struct Target(pub Watched<State>);

impl Target {
    pub async fn until_rows(&self, count: usize) {
        self.0.until("rows", |state| state.rows().len() >= count).await;
    }

    pub fn rows(&self) -> Vec<(i64, String)> {
        self.0.look(State::rows)
    }
}

pub struct RecordingSink {
    definition: PluginDefinition,
    target: Arc<Target>,
}

impl RecordingSink {
    pub fn new(target: Arc<Target>) -> Self {
        Self { definition: definition(CLASS), target }
    }
}

#[async_trait::async_trait]
impl PluginFactory for RecordingSink {
    fn definition(&self) -> &PluginDefinition {
        &self.definition
    }
    fn kind(&self) -> ConnectorKind {
        ConnectorKind::Sink
    }
    async fn connector(&self, _: &ConnectorContext) -> Result<Box<dyn Connector>, ConnectError> {
        Err(ConnectError::fatal("test", "the worker never asks for it"))
    }
    async fn source_task(&self, _: TaskContext) -> Result<Box<dyn SourceTask>, ConnectError> {
        Err(ConnectError::fatal("test", "it is a sink"))
    }
    async fn sink_task(&self, _: TaskContext) -> Result<Box<dyn SinkTask>, ConnectError> {
        Ok(Box::new(Task { target: Arc::clone(&self.target) }))
    }
}

struct Task {
    target: Arc<Target>,
}

#[async_trait::async_trait]
impl SinkTask for Task {
    async fn open(&mut self, assignment: &[(String, i32)]) -> Result<(), ConnectError> {
        self.target.0.change(|state| state.opened.push(assignment.to_vec()));
        Ok(())
    }

    async fn put(&mut self, delivery: &Delivery, batches: &[ConnectBatch]) -> Result<Vec<RecordFailure>, ConnectError> {
        self.target.0.until("an end of the hanging", |state| !state.hangs).await;
        let mut rows: Vec<(i64, String)> = batches.iter().flat_map(rows).collect();
        rows.sort();
        let headers = batches.iter().flat_map(|batch| {
            (0..batch.len()).map(|row| (batch.row_ids().value(row), BatchHeader::of_row(batch, row)))
        });
        self.target.0.change(|state| {
            state.headers.extend(headers);
            state.deliveries.push(delivery.clone());
            if let Some(error) = state.errors.pop_front() {
                return Err(error);
            }
            if let Some((_, poison)) = rows.iter().find(|(_, value)| state.poison.contains(value)) {
                return Err(ConnectError::rejected("poison", format!("{poison} cannot be stored")));
            }
            let (refused, mut stored): (Vec<_>, Vec<_>) =
                rows.into_iter().partition(|(_, value)| state.refused.contains(value));
            if let Some(last) = &mut state.own_offset {
                stored.retain(|(offset, _)| offset > last);
                *last = delivery.last.max(*last);
            }
            state.stored.entry(delivery.token.clone()).or_insert(stored);
            let failure = |(row_id, value): (i64, String)| RecordFailure {
                row_id,
                details: ErrorDetails {
                    code: "refused".to_owned(),
                    message: format!("{value} is refused"),
                    backoff_ms: None,
                },
            };
            Ok(refused.into_iter().map(failure).collect())
        })
    }

    async fn pre_commit(&mut self, offsets: &[PartitionOffset]) -> Result<Vec<PartitionOffset>, ConnectError> {
        let withholds = self.target.0.look(|state| state.withholds);
        Ok(if withholds { Vec::new() } else { offsets.to_vec() })
    }

    async fn close(&mut self) {
        self.target.0.change(|state| state.closed += 1);
    }
}

fn rows(batch: &ConnectBatch) -> Vec<(i64, String)> {
    let values = batch.value().as_any().downcast_ref::<StringArray>().expect("the tests store text");
    let rows = 0..batch.len();
    rows.map(|row| (batch.row_ids().value(row), values.value(row).to_owned())).collect()
}
