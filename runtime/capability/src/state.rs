//! The data of one guest's store, and the host's side of its resources.

use crate::bindings::errors::Error;
use sluice_data::ConnectBatch;
use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use wasmtime::component::{HasData, ResourceTable};

/// Ends when a source should be polled again.
pub type Wake = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Who a guest instance works for; part of every message about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestIdentity {
    pub connector: String,
    pub task: Option<u32>,
    pub plugin: String,
}

/// The data of one guest's store. The plugin host keeps its own part (limits, task context) in `host`.
pub struct GuestState {
    pub identity: GuestIdentity,
    pub table: ResourceTable,
    /// What the plugin host needs: downcast there.
    pub host: Box<dyn Any + Send>,
    /// What each granted capability prepared, by its name.
    capabilities: HashMap<&'static str, Box<dyn Any + Send>>,
    /// What should end the wait for a source's next poll, gathered during a poll.
    pub wakes: Vec<Wake>,
    /// Epoch ticks spent inside the guest since the last host call: the deadline counts these.
    pub ticks_in_guest: u32,
}

impl GuestState {
    #[must_use]
    pub fn new(identity: GuestIdentity, host: Box<dyn Any + Send>) -> Self {
        Self {
            identity,
            table: ResourceTable::new(),
            host,
            capabilities: HashMap::new(),
            wakes: Vec::new(),
            ticks_in_guest: 0,
        }
    }

    pub fn grant(&mut self, capability: &'static str, prepared: Box<dyn Any + Send>) {
        self.capabilities.insert(capability, prepared);
    }

    /// What the capability prepared for this guest, if it was granted at all.
    pub fn capability<T: 'static>(&mut self, name: &'static str) -> Option<&mut T> {
        self.ticks_in_guest = 0;
        self.capabilities.get_mut(name)?.downcast_mut()
    }

    /// Every host function calls this (or [`GuestState::capability`]) on entry and after waiting: time in the host does not
    /// count against the guest's deadline.
    pub fn entered_host(&mut self) -> &mut ResourceTable {
        self.ticks_in_guest = 0;
        &mut self.table
    }
}

/// Selects the whole [`GuestState`] for `add_to_linker`: `add_to_linker::<GuestState, HasGuest>(linker, |state| state)`.
pub struct HasGuest;

impl HasData for HasGuest {
    type Data<'a> = &'a mut GuestState;
}

/// A guest's handle on a batch.
pub struct Batch(pub ConnectBatch);

/// Long work in the background; dropping it cancels the work.
pub struct Operation {
    pub task: OperationTask,
}

/// Running, or its answer.
pub enum OperationTask {
    Running(AbortOnDrop),
    Done(Result<String, Error>),
}

/// A tokio task that ends with its handle.
pub struct AbortOnDrop(pub tokio::task::JoinHandle<Result<String, Error>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Where bytes go. Backends implement it; nothing is visible at the destination before `finish`.
#[async_trait::async_trait]
pub trait ByteSink: Send {
    /// # Errors
    /// What the guest is told.
    async fn write(&mut self, bytes: bytes::Bytes) -> Result<(), Error>;

    /// Makes the bytes visible and durable. The answer is a JSON object.
    ///
    /// # Errors
    /// What the guest is told.
    async fn finish(self: Box<Self>) -> Result<String, Error>;

    fn size_bytes(&self) -> u64;

    /// The bytes, for a sink in memory.
    fn into_memory(self: Box<Self>) -> Option<bytes::Bytes> {
        None
    }
}

/// A guest's handle on a [`ByteSink`]. Dropping it discards what was written.
pub struct Output(pub Box<dyn ByteSink>);

/// A batch encoder over an [`Output`].
pub struct Writer(pub Box<dyn BatchEncoder>);

/// Encodes batches into its output.
#[async_trait::async_trait]
pub trait BatchEncoder: Send {
    /// # Errors
    /// What the guest is told.
    async fn write(&mut self, batch: &ConnectBatch) -> Result<(), Error>;

    /// Written and still buffered.
    fn size_bytes(&self) -> u64;

    /// Ends the encoding and finishes the output.
    ///
    /// # Errors
    /// What the guest is told.
    async fn finish(self: Box<Self>) -> Result<String, Error>;
}
