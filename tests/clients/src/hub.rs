//! A hub at work: what its file source writes is read by Kafka's tools meanwhile.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::broker::LINES_TOPIC;
use crate::client::LIMIT;
use crate::kcat::{self, Kcat};
use crate::{Client, tools};

/// Lines come into the file while they are read: with kcat, then, with more of them, with the console consumer.
pub fn what_a_file_source_writes_is_read(
    kcat: &Kcat<'_>,
    tools: &mut Client,
    admin: &mut Client,
    lines: &Path,
) -> Result<()> {
    append(lines, 0..10)?;
    // The hub creates the topic with the first record; kcat gives up on a topic that is not there.
    let begin = Instant::now();
    while !admin.lists(LINES_TOPIC)? {
        ensure!(begin.elapsed() < LIMIT, "the hub wrote nothing within {LIMIT:?}");
    }
    let read = kcat::first_values(kcat, LINES_TOPIC, 10)?;
    ensure!(read == expected(10), "kcat read {read:?}");
    append(lines, 10..20)?;
    let read = tools::first_values(tools, LINES_TOPIC, 20)?;
    ensure!(read == expected(20), "the console consumer read {read:?}");
    Ok(())
}

fn append(file: &Path, numbers: std::ops::Range<usize>) -> Result<()> {
    let text: String = numbers.map(|number| format!("line {number}\n")).collect();
    Ok(OpenOptions::new().append(true).open(file)?.write_all(text.as_bytes())?)
}

fn expected(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("line {number}")).collect()
}
