//! What one guest may use. Every limit has a name, a unit and a reason.

use std::time::Duration;
use wasmtime::{StoreLimits, StoreLimitsBuilder};

/// Limits of one guest instance, and of their number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestLimits {
    /// Linear memory of one instance. Going above it fails the task.
    pub memory_bytes: usize,
    /// Time inside the guest between two calls of a capability. A guest that computes longer than this is taken for looping.
    pub deadline: Duration,
    /// Wall clock of one call, waiting for capabilities included: a capability that never answers must not hang a task for ever.
    pub call: Duration,
    /// Bytes that one call may hand to the host outside batches, so that a list without end does not fill the host's memory.
    pub output_bytes: usize,
    /// Handles on host resources that one instance may hold.
    pub handles: usize,
    /// Log lines a second that are passed on; the rest is counted and reported once a second.
    pub log_lines_per_second: u32,
    /// Instances in the process: each reserves address space, and the kernel's number of mappings is bounded (65,530 by default).
    pub instances: usize,
    /// An instance that had nothing to do for so long is dropped and made again when it has.
    pub idle: Duration,
}

impl Default for GuestLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            deadline: Duration::from_secs(1),
            call: Duration::from_secs(600),
            output_bytes: 64 << 20,
            handles: 10_000,
            log_lines_per_second: 100,
            instances: 4_000,
            idle: Duration::from_secs(30),
        }
    }
}

/// Core instances, tables and memories of one component: Rust guests have one of each, adapters add a few.
const CORE_INSTANCES_MAX: usize = 64;
const TABLES_MAX: usize = 64;
const MEMORIES_MAX: usize = 8;
const TABLE_ELEMENTS_MAX: usize = 200_000;

impl GuestLimits {
    pub(crate) fn store_limits(&self) -> StoreLimits {
        StoreLimitsBuilder::new()
            .memory_size(self.memory_bytes)
            .instances(CORE_INSTANCES_MAX)
            .tables(TABLES_MAX)
            .memories(MEMORIES_MAX)
            .table_elements(TABLE_ELEMENTS_MAX)
            .trap_on_grow_failure(true)
            .build()
    }
}

/// Passes on so many lines a second and counts the rest.
#[derive(Debug)]
pub(crate) struct LogRate {
    per_second: u32,
    second: u64,
    passed: u32,
    suppressed: u64,
}

/// What to do with one more line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LogDecision {
    /// Pass it on; so many were suppressed in an earlier second and have not been reported yet.
    Pass {
        suppressed_before: u64,
    },
    Suppress,
}

impl LogRate {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second, second: 0, passed: 0, suppressed: 0 }
    }

    /// `second` is any clock that does not go back.
    pub(crate) fn decide(&mut self, second: u64) -> LogDecision {
        if second != self.second {
            self.second = second;
            self.passed = 0;
        }
        if self.passed >= self.per_second {
            self.suppressed += 1;
            return LogDecision::Suppress;
        }
        self.passed += 1;
        LogDecision::Pass { suppressed_before: std::mem::take(&mut self.suppressed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_flood_is_cut_and_its_size_is_reported_with_the_next_line() {
        let mut rate = LogRate::new(2);
        let passed = (0..1_000).filter(|_| rate.decide(7) != LogDecision::Suppress).count();
        assert_eq!(passed, 2);
        assert_eq!(rate.decide(8), LogDecision::Pass { suppressed_before: 998 });
        assert_eq!(rate.decide(8), LogDecision::Pass { suppressed_before: 0 });
    }
}
