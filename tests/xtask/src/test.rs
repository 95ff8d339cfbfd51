//! `cargo xtask test`: every test of the project, one suite after the other, and the sum.
//!
//! Suites are built by cargo and then run from here: that gives the time of each, and a suite that dies without a word counts as failed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::Workspace;
use crate::{process, setup};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Usual,
    /// Long forms too: a hundred kills instead of a dozen.
    Full,
}

/// One test binary.
struct Suite {
    name: String,
    executable: PathBuf,
    /// Cargo runs tests in their package's folder; so do we.
    folder: PathBuf,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
    /// Tests that passed without running, for want of a program; they say so in a line that begins with `SKIPPED`.
    skipped: u64,
}

/// Runs the suites whose names contain one of `names`; without names all of them, and the tests in the documentation.
pub fn run(workspace: &Workspace, extent: Extent, names: &[String]) -> Result<()> {
    setup::run(workspace)?;
    let mut suites = build(workspace)?;
    suites.retain(|suite| names.is_empty() || names.iter().any(|name| suite.name.contains(name)));
    if suites.is_empty() {
        bail!("no suite is called like {}", names.join(" or "));
    }
    let mut total = Count::default();
    let mut failing = Vec::new();
    for suite in &suites {
        let begin = Instant::now();
        let (count, text) = run_suite(workspace, suite, extent)?;
        report(&suite.name, count, begin, &text);
        total.add(count);
        if count.failed > 0 {
            failing.push(suite.name.clone());
        }
    }
    if names.is_empty() {
        let begin = Instant::now();
        let (count, text) = doc_tests(workspace)?;
        report("doc tests", count, begin, &text);
        total.add(count);
        if count.failed > 0 {
            failing.push("doc tests".to_owned());
        }
    }
    if !failing.is_empty() {
        println!("failing suites: {}", failing.join(", "));
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    if total.failed > 0 { bail!("tests failed") } else { Ok(()) }
}

impl Count {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Builds the binary and all tests with one set of features; the answer names each test binary.
fn build(workspace: &Workspace) -> Result<Vec<Suite>> {
    let begin = Instant::now();
    let arguments = ["build", "--workspace", "--all-targets", "--message-format=json-render-diagnostics"];
    let output = process::output(workspace.cargo().args(arguments))?;
    let mut suites: Vec<Suite> = output.lines().filter_map(|line| suite_of(&workspace.root, line)).collect();
    suites.sort_by(|a, b| a.name.cmp(&b.name));
    println!("built {} suites in {:.0} s", suites.len(), begin.elapsed().as_secs_f64());
    Ok(suites)
}

fn suite_of(root: &Path, line: &str) -> Option<Suite> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let executable = PathBuf::from(message["executable"].as_str()?);
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    let crate_folder = folder.strip_prefix(root).unwrap_or(&folder).to_string_lossy().into_owned();
    let kind = message["target"]["kind"][0].as_str()?;
    let name = match kind {
        "test" | "bin" | "bench" => format!("{crate_folder} {kind} {}", message["target"]["name"].as_str()?),
        _ => crate_folder,
    };
    Some(Suite { name, executable, folder })
}

fn run_suite(workspace: &Workspace, suite: &Suite, extent: Extent) -> Result<(Count, String)> {
    let mut command = Command::new(&suite.executable);
    command.current_dir(&suite.folder).env("CARGO_TARGET_DIR", &workspace.target);
    if extent == Extent::Full {
        command.env("SLUICE_TEST_FULL", "1");
    }
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {}", suite.executable.display()))?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((judged(count_of(&text), output.status.success()), text))
}

fn doc_tests(workspace: &Workspace) -> Result<(Count, String)> {
    let output = workspace
        .cargo()
        .args(["test", "--workspace", "--doc", "--no-fail-fast"])
        .output()
        .context("cannot start cargo")?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((judged(count_of(&text), output.status.success()), text))
}

/// A suite that ends badly without a failed test (an abort, a broken build) has failed once.
fn judged(count: Count, success: bool) -> Count {
    if success || count.failed > 0 { count } else { Count { failed: 1, ..count } }
}

/// Sums the lines `test result: ok. 3 passed; 0 failed; …`.
fn count_of(text: &str) -> Count {
    let mut count = Count::default();
    count.skipped = skipped_in(text).count() as u64;
    for line in text.lines().filter_map(|line| line.strip_prefix("test result: ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let before = |unit: &str| {
            words.windows(2).find(|pair| pair[1] == unit).and_then(|pair| pair[0].parse::<u64>().ok()).unwrap_or(0)
        };
        count.passed += before("passed;");
        count.failed += before("failed;");
    }
    count.passed = count.passed.saturating_sub(count.skipped);
    count
}

/// They may stand behind `test a ... ` on the same line.
fn skipped_in(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.find("SKIPPED ").map(|at| &line[at..]))
}

fn report(name: &str, count: Count, begin: Instant, text: &str) {
    if count.failed > 0 {
        println!("{text}");
    } else if count.passed + count.skipped == 0 {
        return;
    }
    if count.failed == 0 {
        skipped_in(text).for_each(|line| println!("{line}"));
    }
    let verdict = if count.failed > 0 { "FAILED" } else { "ok" };
    println!(
        "{:7.1} s  {verdict:6}  {:4} passed, {} failed  {name}",
        begin.elapsed().as_secs_f64(),
        count.passed,
        count.failed
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_several_suites_are_summed() {
        let text = "running 3 tests\ntest a ... ok\n\ntest result: FAILED. 2 passed; 1 failed; 0 ignored; finished in 0.01s\n\
                    test result: ok. 4 passed; 0 failed; 0 ignored; finished in 0.01s\n";
        assert_eq!(count_of(text), Count { passed: 6, failed: 1, skipped: 0 });
    }

    #[test]
    fn a_skipped_test_is_not_counted_as_passed() {
        let text = "running 2 tests\ntest a ... SKIPPED a: no java on this machine; apt-get install -y java\nok\n\
                    test b ... ok\ntest result: ok. 2 passed; 0 failed; 0 ignored; finished in 0.01s\n";
        assert_eq!(count_of(text), Count { passed: 1, failed: 0, skipped: 1 });
        assert_eq!(skipped_in(text).next(), Some("SKIPPED a: no java on this machine; apt-get install -y java"));
    }

    #[test]
    fn a_suite_that_dies_without_a_result_has_failed() {
        assert_eq!(judged(Count::default(), false), Count { failed: 1, ..Count::default() });
        assert_eq!(judged(Count { passed: 3, ..Count::default() }, true), Count { passed: 3, ..Count::default() });
    }

    #[test]
    fn only_test_binaries_are_suites() {
        let artifact = |test: bool| {
            serde_json::json!({
                "reason": "compiler-artifact", "profile": {"test": test}, "executable": "/t/debug/deps/kill-1",
                "manifest_path": "/w/tests/integration/Cargo.toml", "target": {"kind": ["test"], "name": "kill"},
            })
            .to_string()
        };
        let suite = suite_of(Path::new("/w"), &artifact(true)).unwrap();
        assert_eq!(
            (suite.name.as_str(), suite.folder.as_path()),
            ("tests/integration test kill", Path::new("/w/tests/integration"))
        );
        assert!(suite_of(Path::new("/w"), &artifact(false)).is_none());
        assert!(suite_of(Path::new("/w"), "warning: not JSON").is_none());
    }
}
