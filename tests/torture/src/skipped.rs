//! What cannot run on a machine is said aloud.

use std::io::{self, Write};

/// Past the test harness, which keeps what passing tests print.
///
/// # Panics
/// Under `CI=true`: there every test runs.
pub fn skipped(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "SKIPPED {test}: {reason}");
    let _ = writeln!(io::stderr(), "SKIPPED {test}: {reason}");
}
