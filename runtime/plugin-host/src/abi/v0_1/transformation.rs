//! [`Transformation`] over a component.

use super::bindings::transformation::Transforming;
use super::bindings::transformation::exports::sluice::connector::transformation::Guest as Exports;
use super::{connect_error, entries, take_batches};
use crate::instance::{Guest, GuestFuture, GuestHandle};
use crate::plugin::{Grant, Plugin};
use crate::secrets;
use sluice_capability::bindings::errors::Error;
use sluice_capability::state::Batch;
use sluice_capability::{GuestIdentity, GuestState};
use sluice_connect_api::{ConfigMap, ConnectError, Transformation, TransformationError};
use sluice_data::ConnectBatch;
use wasmtime::Store;
use wasmtime::component::{Instance, Resource};

struct WasmTransformation {
    guest: GuestHandle<Transforming>,
}

fn bind(store: &mut Store<GuestState>, instance: &Instance) -> wasmtime::Result<Transforming> {
    Transforming::new(store, instance)
}

fn exports(guest: &Guest<Transforming>) -> Exports {
    guest.exports.sluice_connector_transformation().clone()
}

/// An instance that took this config.
pub(crate) async fn open_transformation(
    plugin: &Plugin,
    config: &ConfigMap,
) -> Result<Box<dyn Transformation>, ConnectError> {
    let identity = GuestIdentity { connector: String::new(), task: None, plugin: plugin.label().to_string() };
    let state = plugin.state(identity, config, None, Grant::Nothing)?;
    let mut guest = plugin.instantiate(state, bind).await?;
    let seen = entries(&secrets::visible(&plugin.definition().config, config));
    let opened = guest
        .call("open", move |guest| Box::pin(async move { exports(guest).call_open(&mut guest.store, &seen).await }));
    opened.await?.map_err(connect_error)?;
    Ok(Box::new(WasmTransformation { guest }))
}

/// Lends the batch for one call.
fn apply(guest: &mut Guest<Transforming>, batch: ConnectBatch) -> GuestFuture<'_, Result<Vec<ConnectBatch>, Error>> {
    Box::pin(async move {
        let own: Resource<Batch> = guest.store.data_mut().table.push(Batch(batch))?;
        let lent = Resource::new_borrow(own.rep());
        let answer = exports(guest).call_apply(&mut guest.store, lent).await?;
        guest.store.data_mut().table.delete(own)?;
        match answer {
            Ok(batches) => Ok(Ok(take_batches(&mut guest.store, batches)?)),
            Err(error) => Ok(Err(error)),
        }
    })
}

#[async_trait::async_trait]
impl Transformation for WasmTransformation {
    async fn apply(&mut self, batch: &ConnectBatch) -> Result<Vec<ConnectBatch>, TransformationError> {
        let batch = batch.clone();
        self.guest.call("apply", move |guest| apply(guest, batch)).await?.map_err(connect_error)
    }

    async fn close(&mut self) {
        let closed =
            self.guest.call("close", |guest| Box::pin(async { exports(guest).call_close(&mut guest.store).await }));
        if let Err(error) = closed.await {
            tracing::warn!(%error, "a transformation did not close cleanly");
        }
    }
}
