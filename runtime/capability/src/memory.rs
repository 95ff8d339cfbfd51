//! An output in the host's memory.

use crate::bindings::errors::Error;
use crate::error::CapabilityError;
use crate::state::ByteSink;
use bytes::Bytes;

/// What one output in memory may hold: the guest could not take more over either.
pub const MEMORY_OUTPUT_BYTES_MAX: usize = 64 << 20;

#[derive(Default)]
pub struct MemorySink(Vec<u8>);

#[async_trait::async_trait]
impl ByteSink for MemorySink {
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        if self.0.len() + bytes.len() > MEMORY_OUTPUT_BYTES_MAX {
            let message = format!(
                "an output in memory holds at most {MEMORY_OUTPUT_BYTES_MAX} bytes: write to a file or an object"
            );
            return Err(CapabilityError::rejected("output.too-large", message));
        }
        self.0.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<String, Error> {
        Ok(format!("{{\"bytes\":{}}}", self.0.len()))
    }

    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn into_memory(self: Box<Self>) -> Option<Bytes> {
        Some(self.0.into())
    }
}
