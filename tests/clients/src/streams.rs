//! Kafka Streams: an application that is killed in the middle of its work.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::broker::tail;
use crate::client::Isolation;
use crate::records::first_timestamp;
use crate::{Client, Record};

const APPLICATION: &str = "words";
const LINES_PER_ROUND: usize = 100;
/// In two partitions.
const WORDS_PER_ROUND: usize = 2 * LINES_PER_ROUND * WORDS.len();
const WORDS: [&str; 7] = ["all", "is", "counted", "once", "and", "nothing", "lost"];

/// An application in a JVM of its own. Dropped, it is killed.
struct Application {
    child: Child,
    _input: ChildStdin,
}

impl Application {
    /// Returns when it runs.
    fn start(mut command: Command, broker: &str, folder: &Path, log: &PathBuf) -> Result<Application> {
        command.args(["WordCount", broker, APPLICATION]).arg(folder.join("streams"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(log)?);
        let mut child = command.spawn().context("cannot start Kafka Streams")?;
        let input = child.stdin.take().context("a piped input")?;
        let states = BufReader::new(child.stdout.take().context("a piped output")?);
        let application = Application { child, _input: input };
        for state in states.lines() {
            match state?.as_str() {
                "RUNNING" => return Ok(application),
                "ERROR" => break,
                _ => {}
            }
        }
        bail!("the application did not come to run; {}", tail(log));
    }

    fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Counts words over a repartition and a changelog topic with `exactly_once_v2`. The application is killed while it counts, and more
/// is written while it is dead. Each count of each word comes once and in order.
pub fn words_are_counted_once_across_kills(
    command: impl Fn() -> Result<Command>,
    client: &mut Client,
    broker: &str,
    folder: &Path,
) -> Result<()> {
    let (lines, counts) = (format!("{APPLICATION}-lines"), format!("{APPLICATION}-counts"));
    client.create_topic(&lines, 2)?;
    client.create_topic(&counts, 1)?;
    let log = folder.join("streams.log");
    let kills = if std::env::var_os("SLUICE_TEST_FULL").is_some() { 5 } else { 1 };
    let mut application = Application::start(command()?, broker, folder, &log)?;
    for kill in 0..kills {
        write(client, &lines)?;
        // All that was there before this round, and a little of it.
        let seen = kill * 3 * WORDS_PER_ROUND + LINES_PER_ROUND;
        client.read(&counts, seen, Isolation::Committed).with_context(|| tail(&log))?;
        write(client, &lines)?;
        application.kill()?;
        write(client, &lines)?;
        application = Application::start(command()?, broker, folder, &log)?;
    }
    let read = client.read(&counts, kills * 3 * WORDS_PER_ROUND, Isolation::Committed).with_context(|| tail(&log))?;
    drop(application);
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for record in read {
        let record = Record::from_json(&record)?;
        let word = String::from_utf8(record.key.context("a word")?)?;
        let count: u64 = String::from_utf8(record.value.context("a count")?)?.parse()?;
        let last = last.entry(word.clone()).or_default();
        ensure!(count == *last + 1, "{word}: {count} after {last}");
        *last = count;
    }
    let each = u64::try_from(kills * 3 * 2 * LINES_PER_ROUND)?;
    ensure!(last.len() == WORDS.len() && last.values().all(|count| *count == each), "in the end {last:?}");
    Ok(())
}

fn write(client: &mut Client, topic: &str) -> Result<()> {
    let line =
        Record { key: None, value: Some(WORDS.join(" ").into_bytes()), headers: vec![], timestamp: first_timestamp() };
    let records: Vec<Value> = vec![line.to_json(); LINES_PER_ROUND];
    for partition in 0..2 {
        client.call(
            "produce",
            json!({"topic": topic, "partition": partition, "codec": "lz4", "idempotent": true, "records": records}),
        )?;
    }
    Ok(())
}
