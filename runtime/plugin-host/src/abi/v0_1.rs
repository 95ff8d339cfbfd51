//! ABI 0.1: bindings, conversions, and the traits of `connect-api` over them.

pub mod base;
pub mod bindings;
mod connector;
mod sink;
mod source;
mod transformation;

pub(crate) use connector::{WasmConnector, describe};
pub(crate) use sink::WasmSinkTask;
pub(crate) use source::WasmSourceTask;
pub(crate) use transformation::open_transformation;

use bindings::base::types;
use sluice_capability::bindings::errors;
use sluice_capability::state::Batch;
use sluice_capability::{GuestState, HasGuest};
use sluice_connect_api::{ConnectError, ErrorDetails, ErrorKind, SourceOffsetPair};
use sluice_data::{ConnectBatch, SourcePartition};
use wasmtime::Store;
use wasmtime::component::{Linker, Resource};

/// Puts the base set on the linker.
pub(crate) fn add_to_linker(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    bindings::base::Base::add_to_linker::<GuestState, HasGuest>(linker, |state| state)
}

fn connect_error(error: errors::Error) -> ConnectError {
    let (kind, details) = match error {
        errors::Error::Retriable(details) => (ErrorKind::Retriable, details),
        errors::Error::Rejected(details) => (ErrorKind::Rejected, details),
        errors::Error::Fatal(details) => (ErrorKind::Fatal, details),
    };
    ConnectError { kind, details: error_details(details) }
}

fn error_details(details: errors::Details) -> ErrorDetails {
    ErrorDetails { code: details.code, message: details.message, backoff_ms: details.backoff_ms }
}

fn entries(config: &sluice_connect_api::ConfigMap) -> Vec<(String, String)> {
    config.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Takes the batches out of the guest's table: they are the host's again.
fn take_batches(store: &mut Store<GuestState>, handles: Vec<Resource<Batch>>) -> wasmtime::Result<Vec<ConnectBatch>> {
    handles.into_iter().map(|handle| Ok(store.data_mut().table.delete(handle)?.0)).collect()
}

fn wire_offset((partition, offset): SourceOffsetPair) -> types::SourceOffset {
    let offset = offset.map(|offset| serde_json::Value::Object(offset).to_string());
    types::SourceOffset { partition: partition.as_str().to_owned(), offset }
}

/// What a guest calls an offset must be a pair of JSON objects.
fn source_offset(offset: &types::SourceOffset) -> Result<SourceOffsetPair, ConnectError> {
    let malformed = |what: &str, text: &str| {
        let message = format!("the plugin gave {what} that is no JSON object: {text:?}");
        ConnectError::fatal("plugin.offset", message)
    };
    let partition = SourcePartition::parse(&offset.partition);
    let partition = partition.map_err(|_| malformed("a source partition", &offset.partition))?;
    let position = match &offset.offset {
        None => None,
        Some(text) => Some(serde_json::from_str(text).map_err(|_| malformed("a source offset", text))?),
    };
    Ok((partition, position))
}
