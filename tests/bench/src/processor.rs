//! Processor time of this process, finer than the kernel's ticks.

use anyhow::{Context, Result};

/// Nanoseconds that all living threads of this process ran. Take differences while none of them ends.
///
/// # Errors
/// Without `/proc/self/task/*/schedstat`.
pub fn processor_nanoseconds() -> Result<u64> {
    let mut total = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let schedstat = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        total += schedstat.split(' ').next().context("schedstat has fields")?.parse::<u64>()?;
    }
    Ok(total)
}
