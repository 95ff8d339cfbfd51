//! [`SourceTask`] over a component.

use super::bindings::source::Source;
use super::bindings::source::exports::sluice::connector::source_task::Guest as Exports;
use super::{connect_error, error_details, source_offset, take_batches, wire_offset};
use crate::instance::{Guest, GuestHandle};
use crate::plugin::Plugin;
use sluice_capability::GuestState;
use sluice_connect_api::{ConnectError, ErrorKind, PolledBatches, SourceOffsetPair, SourceTask, TaskContext};
use std::sync::Arc;
use std::time::Instant;
use wasmtime::Store;
use wasmtime::component::Instance;

/// One task and its instance.
///
/// An instance that has read nothing for a while is closed, and opened again when it is polled: a guest's heap never shrinks, and a source
/// that stands still with everything committed has all its state in its stored offsets.
pub(crate) struct WasmSourceTask {
    plugin: Arc<Plugin>,
    context: TaskContext,
    guest: Option<GuestHandle<Source>>,
    /// The instance was given up until the next poll.
    is_resting: bool,
    /// Offsets of the last poll that gave something, until they are committed.
    unsettled: Vec<SourceOffsetPair>,
    /// When this instance last read something; `None`: not yet.
    last_read: Option<Instant>,
}

fn bind(store: &mut Store<GuestState>, instance: &Instance) -> wasmtime::Result<Source> {
    Source::new(store, instance)
}

fn exports(guest: &Guest<Source>) -> Exports {
    guest.exports.sluice_connector_source_task().clone()
}

impl WasmSourceTask {
    pub(crate) fn new(plugin: Arc<Plugin>, context: TaskContext) -> Self {
        Self { plugin, context, guest: None, is_resting: false, unsettled: Vec::new(), last_read: None }
    }

    /// Whether it has read something, and then nothing for a while. An instance that never read anything has not grown.
    fn has_stopped_reading(&self) -> bool {
        self.unsettled.is_empty()
            && self.last_read.is_some_and(|last_read| last_read.elapsed() >= self.plugin.limits().idle)
    }

    fn opened(&mut self) -> Result<&mut GuestHandle<Source>, ConnectError> {
        self.guest.as_mut().ok_or_else(|| ConnectError::fatal("plugin.not-open", "the task is not open"))
    }
}

#[async_trait::async_trait]
impl SourceTask for WasmSourceTask {
    async fn open(&mut self) -> Result<(), ConnectError> {
        self.guest = None;
        let state = self.plugin.task_state(&self.context)?;
        let mut guest = self.plugin.instantiate(state, bind).await?;
        let opened =
            guest.call("open", |guest| Box::pin(async { exports(guest).call_open(&mut guest.store).await })).await?;
        opened.map_err(connect_error)?;
        self.guest = Some(guest);
        self.is_resting = false;
        self.last_read = None;
        Ok(())
    }

    async fn poll(&mut self) -> Result<PolledBatches, ConnectError> {
        if self.has_stopped_reading() {
            self.close().await;
            self.open().await?;
        } else if self.is_resting {
            self.open().await?;
        }
        let polled = self.opened()?.call("poll", |guest| {
            Box::pin(async {
                guest.store.data_mut().wakes.clear();
                match exports(guest).call_poll(&mut guest.store).await? {
                    Ok(result) => {
                        let batches = take_batches(&mut guest.store, result.batches)?;
                        let wakes = std::mem::take(&mut guest.store.data_mut().wakes);
                        Ok(Ok((batches, result.offsets, result.rejected, wakes)))
                    }
                    Err(error) => Ok(Err(error)),
                }
            })
        });
        let (batches, offsets, rejected, wakes) = polled.await?.map_err(connect_error)?;
        wakes.into_iter().for_each(|wake| self.context.requests.poll_on(wake));
        let offsets = offsets.iter().map(source_offset).collect::<Result<Vec<_>, _>>()?;
        let rejected = rejected
            .into_iter()
            .map(|details| ConnectError { kind: ErrorKind::Rejected, details: error_details(details) });
        let polled = PolledBatches { batches, offsets, rejected: rejected.collect() };
        if !polled.is_empty() {
            self.last_read = Some(Instant::now());
            self.unsettled.clone_from(&polled.offsets);
        }
        Ok(polled)
    }

    async fn rest(&mut self) {
        if self.last_read.is_none() && self.unsettled.is_empty() || self.has_stopped_reading() {
            self.close().await;
            self.is_resting = true;
        }
    }

    async fn committed(&mut self, offsets: Vec<SourceOffsetPair>) -> Result<(), ConnectError> {
        self.unsettled.retain(|pair| !offsets.contains(pair));
        let offsets: Vec<_> = offsets.into_iter().map(wire_offset).collect();
        let committed = self.opened()?.call("committed", move |guest| {
            Box::pin(async move { exports(guest).call_committed(&mut guest.store, &offsets).await })
        });
        committed.await?.map_err(connect_error)
    }

    async fn close(&mut self) {
        let Some(mut guest) = self.guest.take() else { return };
        let closed =
            guest.call("close", |guest| Box::pin(async { exports(guest).call_close(&mut guest.store).await })).await;
        if let Err(error) = closed {
            tracing::warn!(connector = %self.context.id.connector, task = self.context.id.index, %error, "a source task did not close cleanly");
        }
    }
}
