//! Benchmarks: each names the claim it checks.
//!
//! A bench is a program in `src/bin` that drives the real binary, counts at the destination, and files a [`Report`]. `cargo xtask bench`
//! builds them in release and runs them; `README.md` holds the claims and what was measured.

mod counted;
pub mod kafka;
mod native_file;
mod options;
mod processor;
mod report;
pub mod runtime;
mod start_job;

use anyhow::{Result, ensure};
use sluice_harness::target_folder;
use std::path::PathBuf;

pub use counted::records_in_topic;
pub use native_file::{NATIVE_CLASS, NativeFileTask, file_capability, register_native};
pub use options::Options;
pub use processor::processor_nanoseconds;
pub use report::{Bar, Report};
pub use start_job::{StartJob, StartTimes};

/// A component that `cargo xtask setup` built.
///
/// # Errors
/// When it was not built.
pub fn component(name: &str) -> Result<PathBuf> {
    let path = target_folder()?.join("components").join(format!("{name}.wasm"));
    ensure!(path.exists(), "{} is missing; run `cargo xtask setup`", path.display());
    Ok(path)
}

/// The middle of the values; of an even number, the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_not_the_mean() {
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), 3.0);
        assert!(median(&[]).is_nan());
    }
}
