//! A share of memory that all connections draw from, in bytes.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit of the semaphore stands for.
const UNIT_BYTES: usize = 1024;

#[derive(Debug, Clone)]
pub(crate) struct MemoryPool {
    units: Arc<Semaphore>,
    units_max: usize,
}

/// Given back when dropped.
pub(crate) type Share = OwnedSemaphorePermit;

impl MemoryPool {
    pub(crate) fn new(bytes: usize) -> Self {
        let units_max = (bytes / UNIT_BYTES).clamp(1, u32::MAX as usize >> 1);
        Self { units: Arc::new(Semaphore::new(units_max)), units_max }
    }

    /// Waits until there is room. What is larger than the whole pool takes all of it.
    pub(crate) async fn take(&self, bytes: usize) -> Share {
        let units = bytes.div_ceil(UNIT_BYTES).clamp(1, self.units_max);
        self.units.clone().acquire_many_owned(units as u32).await.expect("the semaphore is never closed")
    }
}
