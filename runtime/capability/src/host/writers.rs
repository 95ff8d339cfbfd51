//! The resources `output` and `writer`.

use crate::bindings::errors::Error;
use crate::bindings::writers;
use crate::error::{CapabilityError, HostResult};
use crate::format;
use crate::memory::MemorySink;
use crate::state::{ByteSink, GuestState, Operation, Output, Writer};
use wasmtime::component::Resource;

impl GuestState {
    /// A new output for the guest.
    ///
    /// # Errors
    /// When the guest holds too many.
    pub fn push_output(&mut self, sink: Box<dyn ByteSink>) -> wasmtime::Result<Resource<Output>> {
        Ok(self.entered_host().push(Output(sink))?)
    }
}

impl writers::Host for GuestState {}

impl writers::HostOutput for GuestState {
    async fn memory(&mut self) -> wasmtime::Result<Resource<Output>> {
        self.push_output(Box::new(MemorySink::default()))
    }

    async fn write(&mut self, this: Resource<Output>, bytes: Vec<u8>) -> HostResult<()> {
        let answer = self.entered_host().get_mut(&this)?.0.write(bytes.into()).await;
        self.entered_host();
        Ok(answer)
    }

    async fn size_bytes(&mut self, this: Resource<Output>) -> wasmtime::Result<u64> {
        Ok(self.entered_host().get(&this)?.0.size_bytes())
    }

    async fn finish(&mut self, this: Resource<Output>) -> HostResult<String> {
        let output = self.entered_host().delete(this)?;
        let answer = output.0.finish().await;
        self.entered_host();
        Ok(answer)
    }

    async fn into_bytes(&mut self, this: Resource<Output>) -> HostResult<Vec<u8>> {
        let output = self.entered_host().delete(this)?;
        let not_in_memory =
            || CapabilityError::fatal("output.not-in-memory", "this output goes elsewhere: call finish");
        Ok(output.0.into_memory().map(|bytes| bytes.to_vec()).ok_or_else(not_in_memory))
    }

    async fn drop(&mut self, this: Resource<Output>) -> wasmtime::Result<()> {
        self.entered_host().delete(this)?;
        Ok(())
    }
}

impl writers::HostWriter for GuestState {
    async fn open(
        &mut self,
        name: String,
        options: Vec<(String, String)>,
        to: Resource<Output>,
    ) -> HostResult<Resource<Writer>> {
        let output = self.entered_host().delete(to)?;
        match format::open(&name, &options, output.0) {
            Ok(encoder) => Ok(Ok(self.table.push(Writer(encoder))?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn write(&mut self, this: Resource<Writer>, batch: Resource<crate::state::Batch>) -> HostResult<()> {
        let batch = self.batch(&batch)?;
        let answer = self.table.get_mut(&this)?.0.write(&batch).await;
        self.entered_host();
        Ok(answer)
    }

    async fn size_bytes(&mut self, this: Resource<Writer>) -> wasmtime::Result<u64> {
        Ok(self.entered_host().get(&this)?.0.size_bytes())
    }

    async fn finish(&mut self, this: Resource<Writer>) -> HostResult<String> {
        let writer = self.entered_host().delete(this)?;
        let answer: Result<String, Error> = writer.0.finish().await;
        self.entered_host();
        Ok(answer)
    }

    async fn start_finish(&mut self, this: Resource<Writer>) -> wasmtime::Result<Resource<Operation>> {
        let writer = self.entered_host().delete(this)?;
        Ok(self.table.push(Operation::spawn(writer.0.finish()))?)
    }

    async fn drop(&mut self, this: Resource<Writer>) -> wasmtime::Result<()> {
        self.entered_host().delete(this)?;
        Ok(())
    }
}
