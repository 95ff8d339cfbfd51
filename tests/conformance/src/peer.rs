//! A JVM with Kafka's jars, and the programs of `java/` that answer for them.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use sluice_obtain::{Cache, Missing, sources};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

const CACHE: Cache = Cache { suite: "conformance" };

/// A running JVM. Dropped, it ends.
pub struct Peer {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// # Errors
    /// When the jars cannot be obtained or the JVM does not start. The inner error names a tool that this machine lacks.
    pub fn start() -> Result<std::result::Result<Self, Missing>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("java");
        let mut command = match CACHE.java(&folder.join("pom.xml"), &sources(&folder, "java")?)? {
            Ok(command) => command,
            Err(missing) => return Ok(Err(missing)),
        };
        // Kafka writes some dates in the zone, and all names in the language, of its process.
        command.args([
            "-Duser.timezone=UTC",
            "-Duser.language=en",
            "-Duser.country=US",
            "-Xmx512m",
            "-XX:+UseSerialGC",
        ]);
        command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "Conformance"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().context("cannot start java")?;
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().context("the output was piped")?);
        Ok(Ok(Self { process, input, output }))
    }

    /// One question, one answer.
    ///
    /// # Errors
    /// When the JVM has ended, or its program does not know the question.
    pub fn ask(&mut self, question: &Value) -> Result<Value> {
        let input = self.input.as_mut().context("the peer was stopped")?;
        writeln!(input, "{question}")?;
        input.flush()?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("the JVM has ended: {:?}", self.process.wait()?);
        }
        let answer: Value = serde_json::from_str(&line).with_context(|| format!("no JSON: {line}"))?;
        if let Some(failed) = answer.get("failed") {
            bail!("the JVM's program failed: {failed} for {question}");
        }
        Ok(answer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

/// A peer, or `None` after the line that says why this test does not run here.
///
/// # Panics
/// When the jars cannot be obtained, and under `CI=true` when a tool is missing.
#[must_use]
pub fn peer_or_skip(test: &str) -> Option<Peer> {
    match Peer::start().expect("the JVM starts") {
        Ok(peer) => Some(peer),
        Err(missing) => {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{test} {missing}");
            println!("SKIPPED {test}: {missing}");
            None
        }
    }
}
