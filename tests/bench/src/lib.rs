//! Benchmarks: each names the claim it checks.
