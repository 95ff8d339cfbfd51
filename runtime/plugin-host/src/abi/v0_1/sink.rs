//! [`SinkTask`] over a component.

use super::base::GuestDelivery;
use super::bindings::base::types;
use super::bindings::sink::Sink;
use super::bindings::sink::exports::sluice::connector::sink_task::Guest as Exports;
use super::{connect_error, error_details};
use crate::instance::{Guest, GuestHandle};
use crate::plugin::Plugin;
use sluice_capability::GuestState;
use sluice_capability::bindings::errors::Error;
use sluice_capability::state::Batch;
use sluice_connect_api::sink::PartitionOffset;
use sluice_connect_api::{ConnectError, Delivery, RecordFailure, SinkTask, TaskContext};
use sluice_data::ConnectBatch;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::Store;
use wasmtime::component::{Instance, Resource};

/// One task and its instance.
///
/// After everything was vouched for and nothing came for a while the instance is closed; the next delivery opens one again,
/// as after a rebalance.
pub(crate) struct WasmSinkTask {
    plugin: Arc<Plugin>,
    context: TaskContext,
    guest: Option<GuestHandle<Sink>>,
    assignment: Vec<(String, i32)>,
    last_put: Option<Instant>,
}

fn bind(store: &mut Store<GuestState>, instance: &Instance) -> wasmtime::Result<Sink> {
    Sink::new(store, instance)
}

fn exports(guest: &Guest<Sink>) -> Exports {
    guest.exports.sluice_connector_sink_task().clone()
}

impl WasmSinkTask {
    pub(crate) fn new(plugin: Arc<Plugin>, context: TaskContext) -> Self {
        Self { plugin, context, guest: None, assignment: Vec::new(), last_put: None }
    }

    async fn opened(&mut self) -> Result<&mut GuestHandle<Sink>, ConnectError> {
        if self.guest.is_none() {
            self.guest = Some(self.new_guest().await?);
        }
        Ok(self.guest.as_mut().expect("made above"))
    }

    async fn new_guest(&mut self) -> Result<GuestHandle<Sink>, ConnectError> {
        let state = self.plugin.task_state(&self.context)?;
        let mut guest = self.plugin.instantiate(state, bind).await?;
        let assignment: Vec<types::TopicPartition> =
            self.assignment.iter().map(|(topic, partition)| topic_partition(topic, *partition)).collect();
        let opened = guest.call("open", move |guest| {
            Box::pin(async move { exports(guest).call_open(&mut guest.store, &assignment).await })
        });
        opened.await?.map_err(connect_error)?;
        Ok(guest)
    }
}

fn topic_partition(topic: &str, partition: i32) -> types::TopicPartition {
    types::TopicPartition { topic: topic.to_owned(), partition }
}

/// Lends the delivery and gives the batches for one call.
async fn put(
    guest: &mut Guest<Sink>,
    delivery: Delivery,
    batches: Vec<ConnectBatch>,
) -> wasmtime::Result<Result<Vec<types::RecordFailure>, Error>> {
    let table = &mut guest.store.data_mut().table;
    let delivery = table.push(GuestDelivery(delivery))?;
    let lent = Resource::new_borrow(delivery.rep());
    let mut handles: Vec<Resource<Batch>> = Vec::with_capacity(batches.len());
    for batch in batches {
        handles.push(table.push(Batch(batch))?);
    }
    let answer = exports(guest).call_put(&mut guest.store, lent, &handles).await?;
    guest.store.data_mut().table.delete(delivery)?;
    Ok(answer)
}

#[async_trait::async_trait]
impl SinkTask for WasmSinkTask {
    async fn open(&mut self, assignment: &[(String, i32)]) -> Result<(), ConnectError> {
        self.guest = None;
        self.assignment = assignment.to_vec();
        self.opened().await.map(|_| ())
    }

    async fn put(&mut self, delivery: &Delivery, batches: &[ConnectBatch]) -> Result<Vec<RecordFailure>, ConnectError> {
        self.last_put = Some(Instant::now());
        let (delivery, batches) = (delivery.clone(), batches.to_vec());
        let answer = self.opened().await?.call("put", move |guest| Box::pin(put(guest, delivery, batches))).await?;
        let failure = |failure: types::RecordFailure| RecordFailure {
            row_id: failure.row_id,
            details: error_details(failure.details),
        };
        Ok(answer.map_err(connect_error)?.into_iter().map(failure).collect())
    }

    async fn pre_commit(&mut self, offsets: &[PartitionOffset]) -> Result<Vec<PartitionOffset>, ConnectError> {
        let Some(guest) = &mut self.guest else {
            return Ok(offsets.to_vec());
        };
        let asked: Vec<types::PartitionOffset> = offsets
            .iter()
            .map(|at| types::PartitionOffset { partition: topic_partition(&at.topic, at.partition), offset: at.offset })
            .collect();
        let answer = guest.call("pre-commit", move |guest| {
            Box::pin(async move { exports(guest).call_pre_commit(&mut guest.store, &asked).await })
        });
        let answer = answer.await?.map_err(connect_error)?;
        let vouched: Vec<PartitionOffset> = answer
            .into_iter()
            .map(|at| PartitionOffset {
                topic: at.partition.topic,
                partition: at.partition.partition,
                offset: at.offset,
            })
            .collect();
        let is_settled = offsets.iter().all(|asked| vouched.contains(asked));
        let idle = self.plugin.limits().idle;
        if is_settled && self.last_put.is_some_and(|last_put| last_put.elapsed() >= idle) {
            self.close().await;
        }
        Ok(vouched)
    }

    async fn close(&mut self) {
        let Some(mut guest) = self.guest.take() else { return };
        let closed =
            guest.call("close", |guest| Box::pin(async { exports(guest).call_close(&mut guest.store).await })).await;
        if let Err(error) = closed {
            tracing::warn!(connector = %self.context.id.connector, task = self.context.id.index, %error, "a sink task did not close cleanly");
        }
    }
}
