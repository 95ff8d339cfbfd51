//! A share of memory that all connections draw from, in bytes.

use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// What one permit of the semaphore stands for.
const UNIT_BYTES: usize = 1024;

#[derive(Debug, Clone)]
pub(crate) struct MemoryPool {
    units: Arc<Semaphore>,
    units_max: usize,
    turn: Arc<Mutex<()>>,
}

/// Given back when dropped.
#[derive(Debug)]
pub(crate) enum Share {
    Units(OwnedSemaphorePermit),
    /// The right to go past the pool's end.
    Turn(#[expect(dead_code, reason = "held until dropped")] OwnedMutexGuard<()>),
}

impl Share {
    /// Gives back all but what `bytes` need.
    pub(crate) fn keep(&mut self, bytes: usize) {
        if let Self::Units(permit) = self {
            let surplus = permit.num_permits().saturating_sub(bytes.div_ceil(UNIT_BYTES).max(1));
            drop(permit.split(surplus));
        }
    }
}

impl MemoryPool {
    pub(crate) fn new(bytes: usize) -> Self {
        let units_max = (bytes / UNIT_BYTES).clamp(1, u32::MAX as usize >> 1);
        Self { units: Arc::new(Semaphore::new(units_max)), units_max, turn: Arc::default() }
    }

    /// How much is taken, and of how much.
    pub(crate) fn used_bytes(&self) -> (usize, usize) {
        let free = self.units.available_permits().min(self.units_max);
        ((self.units_max - free) * UNIT_BYTES, self.units_max * UNIT_BYTES)
    }

    /// Waits until there is room. What is larger than the whole pool takes all of it. Whoever holds nothing of the pool
    /// yet may wait here for as long as it takes.
    pub(crate) async fn take(&self, bytes: usize) -> Share {
        let units = bytes.div_ceil(UNIT_BYTES).clamp(1, self.units_max);
        let taken = self.units.clone().acquire_many_owned(units as u32).await;
        Share::Units(taken.expect("the semaphore is never closed"))
    }

    /// More for somebody who holds some already. If all of them waited for each other, none would ever give anything
    /// back; so when the pool is empty, one of them at a time gets the turn: it goes on without the pool.
    pub(crate) async fn take_more(&self, bytes: usize) -> Share {
        tokio::select! {
            biased;
            share = self.take(bytes) => share,
            turn = self.turn.clone().lock_owned() => Share::Turn(turn),
        }
    }
}
