//! Counts what passed, failed and was skipped, in the words of Rust's own test programs, so that `cargo xtask test` can sum it.

use std::sync::Mutex;
use std::time::Instant;

use anyhow::Result;

#[derive(Default)]
pub struct Report {
    counts: Mutex<Counts>,
    filter: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Report {
    /// Runs only what holds one of these words; everything where there are none.
    pub fn new(filter: Vec<String>) -> Report {
        Report { counts: Mutex::default(), filter }
    }

    /// Runs one test. Answers whether it passed.
    pub fn test(&self, name: &str, run: impl FnOnce() -> Result<()>) -> bool {
        if !self.filter.is_empty() && !self.filter.iter().any(|word| name.contains(word.as_str())) {
            return true;
        }
        let begin = Instant::now();
        let result = run();
        let seconds = begin.elapsed().as_secs_f64();
        match &result {
            Ok(()) => println!("test {name} ... ok ({seconds:.1} s)"),
            Err(error) => println!("test {name} ... FAILED ({seconds:.1} s)\n{error:#}"),
        }
        let mut counts = self.counts.lock().expect("no test panics while it counts");
        if result.is_ok() {
            counts.passed += 1
        } else {
            counts.failed += 1
        }
        result.is_ok()
    }

    /// Counts a test that cannot run here. On a machine of CI (`CI=true`) nothing may be missing.
    pub fn skip(&self, name: &str, reason: &str) {
        if std::env::var_os("CI").is_some_and(|value| value == "true") {
            self.test(name, || anyhow::bail!("skipped under CI=true: {reason}"));
            return;
        }
        println!("test {name} ... skipped: {reason}");
        self.counts.lock().expect("no test panics while it counts").skipped += 1;
    }

    /// Prints the sum. Answers whether nothing failed.
    pub fn finish(&self) -> bool {
        let Counts { passed, failed, skipped } = *self.counts.lock().expect("no test panics while it counts");
        let verdict = if failed == 0 { "ok" } else { "FAILED" };
        println!("\ntest result: {verdict}. {passed} passed; {failed} failed; {skipped} ignored");
        failed == 0
    }
}
