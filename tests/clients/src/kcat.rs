//! kcat: librdkafka's command line.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::Client;

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

pub struct Kcat<'a> {
    pub command: fn() -> Result<Command>,
    pub broker: &'a str,
}

impl Kcat<'_> {
    /// What it prints, given arguments separated by blanks and a format with `-f`.
    fn run(&self, arguments: &str, format: Option<&str>, input: &str) -> Result<String> {
        let mut command = (self.command)()?;
        command.args(["-b", self.broker]).args(arguments.split_whitespace());
        if let Some(format) = format {
            command.args(["-f", format]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("a piped input")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kcat {arguments}: {}, {errors}", output.status);
        String::from_utf8(output.stdout).context("text")
    }

    pub fn version(&self) -> Result<String> {
        let output = (self.command)()?.arg("-V").output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().find(|line| line.starts_with("Version")).unwrap_or("?").to_owned())
    }
}

/// Written with each codec, with keys, headers and a tombstone; listed; read from an offset, from a time, and to its end.
pub fn what_it_writes_it_reads(kcat: &Kcat<'_>, admin: &mut Client) -> Result<()> {
    for codec in CODECS {
        let topic = format!("kcat-{codec}");
        admin.create_topic(&topic, 1)?;
        let lines: String = (0..100).map(|index| format!("key {index}:value {index} ü\n")).collect();
        let idempotent = codec != "none";
        let produce =
            format!("-P -t {topic} -z {codec} -K : -Z -H name=header -X enable.idempotence={idempotent} -p 0");
        kcat.run(&produce, None, &lines)?;
        kcat.run(&produce, None, "tombstone:\n")?;
        let read = kcat.run(&format!("-C -t {topic} -o beginning -e -q"), Some("%o %k=%s %h %S\\n"), "")?;
        let mut expected: Vec<String> = (0..100)
            .map(|index| {
                format!("{index} key {index}=value {index} ü name=header {}", format!("value {index} ü").len())
            })
            .collect();
        expected.push("100 tombstone=NULL name=header -1".to_owned());
        let read: Vec<&str> = read.lines().collect();
        ensure!(read.len() == expected.len(), "{codec}: {} records", read.len());
        let same = read.iter().zip(&expected).all(|(read, expected)| read.replace("= ", "=NULL ") == *expected);
        ensure!(same || read == expected, "{codec}: {:?}, not {:?}", &read[98..], &expected[98..]);
        let tail = kcat.run(&format!("-C -t {topic} -p 0 -o -3 -e -q"), Some("%o "), "")?;
        ensure!(tail == "98 99 100 ", "the last three: {tail}");
        let found = kcat.run(&format!("-Q -t {topic}:0:1"), None, "")?;
        ensure!(found.contains("offset 0"), "by time: {found}");
        let from = kcat.run(&format!("-C -t {topic} -p 0 -o s@1 -c 1 -q"), Some("%o"), "")?;
        ensure!(from == "0", "from a time: {from}");
    }
    let listed = kcat.run("-L -t kcat-none", None, "")?;
    ensure!(listed.contains("topic \"kcat-none\" with 1 partitions"), "{listed}");
    Ok(())
}

/// As a member of a group (`-G`): it ends at the end of the partitions, and goes on there when it comes again.
pub fn its_group_goes_on_where_it_was(kcat: &Kcat<'_>, admin: &mut Client) -> Result<()> {
    admin.create_topic("kcat-group", 1)?;
    kcat.run("-P -t kcat-group", None, "one\ntwo\n")?;
    let group = "-X auto.offset.reset=earliest -e -q -G kcat-readers kcat-group";
    let first = kcat.run(group, None, "")?;
    ensure!(first == "one\ntwo\n", "first {first:?}");
    kcat.run("-P -t kcat-group", None, "three\n")?;
    let second = kcat.run(group, None, "")?;
    ensure!(second == "three\n", "then {second:?}");
    Ok(())
}

/// So many values of partition 0 of a topic, from its beginning; waits for them.
pub fn first_values(kcat: &Kcat<'_>, topic: &str, count: usize) -> Result<Vec<String>> {
    let output = kcat.run(&format!("-C -t {topic} -p 0 -o beginning -c {count} -q"), None, "")?;
    Ok(output.lines().map(str::to_owned).collect())
}
