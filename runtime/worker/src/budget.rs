//! [`MemoryBudget`]: what queues, batches and appends in flight of all tasks may hold together.
//!
//! Nobody waits for somebody else's bytes, so there is no deadlock: a task that finds the budget exhausted first lets go
//! of what it holds itself (waits for its own appends, delivers its own batches early), and a task that holds nothing may
//! always take one poll or fetch. So the bound is the budget plus one poll per active task.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Cheap to clone; clones share the bytes.
#[derive(Debug, Clone)]
pub struct MemoryBudget(Arc<Bytes>);

#[derive(Debug)]
struct Bytes {
    limit: usize,
    used: AtomicUsize,
}

impl MemoryBudget {
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self(Arc::new(Bytes { limit: limit_bytes, used: AtomicUsize::new(0) }))
    }

    /// Counts bytes that are there already, also beyond the limit.
    #[must_use]
    pub fn reserve(&self, bytes: usize) -> Reservation {
        self.0.used.fetch_add(bytes, Ordering::Relaxed);
        Reservation { budget: self.clone(), bytes }
    }

    /// Whether whoever holds something should let go of it before taking more.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.used_bytes() >= self.0.limit
    }

    #[must_use]
    pub fn free_bytes(&self) -> usize {
        self.0.limit.saturating_sub(self.used_bytes())
    }

    #[must_use]
    pub fn limit_bytes(&self) -> usize {
        self.0.limit
    }

    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }
}

/// Bytes that count until this is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: MemoryBudget,
    bytes: usize,
}

impl Reservation {
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `bytes` out of this one, or all it has.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { budget: self.budget.clone(), bytes }
    }

    /// Makes one of two.
    pub fn merge(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.budget.0, &other.budget.0), "reservations of one budget");
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_count_until_they_are_dropped() {
        let budget = MemoryBudget::new(100);
        let mut one = budget.reserve(60);
        assert!(!budget.is_exhausted());
        one.merge(budget.reserve(60));
        assert!(budget.is_exhausted());
        assert_eq!((one.bytes(), budget.used_bytes()), (120, 120));
        let two = one.split(50);
        drop(one);
        assert_eq!((two.bytes(), budget.used_bytes()), (50, 50));
        drop(two);
        assert_eq!(budget.used_bytes(), 0);
    }
}
