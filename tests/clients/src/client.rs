//! A client program: commands in, answers and events out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::broker::{may_lag, tail};

/// The longest that a command or a state of a group may take; a healthy one takes a tenth of it.
pub const LIMIT: Duration = Duration::from_secs(60);

pub struct Client {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    log: PathBuf,
    next_id: u64,
    members: BTreeMap<String, Member>,
    /// What was read of several topics at once, by topic.
    readings: BTreeMap<String, Vec<Value>>,
    /// What it said about itself: version, codecs, what it cannot do.
    info: Value,
}

/// Kafka's `isolation.level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Isolation {
    #[serde(rename = "read_committed")]
    Committed,
    #[serde(rename = "read_uncommitted")]
    Uncommitted,
}

/// A member of a group, as its events tell.
#[derive(Debug, Default, Clone)]
pub struct Member {
    pub assigned: BTreeSet<i64>,
    /// How often it was told what it has.
    pub assignments: usize,
    /// Partition, offset and value (hex), in the order of delivery.
    pub records: Vec<(i64, i64, String)>,
}

impl Client {
    /// Starts the program and asks who it is.
    ///
    /// # Errors
    /// When it does not start or does not answer.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> Result<Client> {
        let log = folder.join(format!("{name}.log"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&log)?);
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let output = child.stdout.take().context("a piped output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || forward(BufReader::new(output), &sender));
        let input = child.stdin.take();
        let mut client = Client {
            name: name.to_owned(),
            child,
            input,
            lines,
            log,
            next_id: 0,
            members: BTreeMap::new(),
            readings: BTreeMap::new(),
            info: Value::Null,
        };
        client.info = client.call("info", json!({}))?;
        Ok(client)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn version(&self) -> &str {
        self.info["version"].as_str().unwrap_or("?")
    }

    pub fn codecs(&self) -> Vec<String> {
        let codecs = self.info["codecs"].as_array().map(Vec::as_slice).unwrap_or_default();
        codecs.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Whether the program says that its client is able to do this: `idempotent`, `transactions`.
    pub fn is_able(&self, what: &str) -> bool {
        self.info[what].as_bool().unwrap_or(false)
    }

    /// Whether its client assigns partitions in this way: `range`, `cooperative-sticky`.
    pub fn assigns(&self, strategy: &str) -> bool {
        self.info["strategies"].as_array().is_some_and(|list| list.iter().any(|it| it == strategy))
    }

    /// What its client cannot express in a record: `null-header`, `null-value`, ….
    pub fn cannot(&self, what: &str) -> bool {
        self.info["cannot"].as_array().is_some_and(|list| list.iter().any(|it| it == what))
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// When the client failed; the message is the client's own, with the end of its log.
    pub fn call(&mut self, op: &str, arguments: Value) -> Result<Value> {
        let doing = format!("{}: {op}", self.name);
        self.next_id += 1;
        let id = self.next_id;
        let mut command = arguments;
        command["id"] = json!(id);
        command["op"] = json!(op);
        let input = self.input.as_mut().context("a client takes commands until it is dropped")?;
        writeln!(input, "{command}").and_then(|()| input.flush()).with_context(|| format!("{doing}: it has ended"))?;
        let deadline = Instant::now() + LIMIT;
        loop {
            let Some(mut line) = self.line(deadline).with_context(|| doing.clone())? else {
                bail!("{doing}: no answer within {LIMIT:?}; {}", tail(&self.log));
            };
            if line["id"] != json!(id) {
                continue;
            }
            if let Some(error) = line["error"].as_str() {
                bail!("{doing}: {error}; {}", tail(&self.log));
            }
            return Ok(line["ok"].take());
        }
    }

    /// Creates a topic that every client may use when this returns.
    ///
    /// # Errors
    /// The client's.
    pub fn create_topic(&mut self, topic: &str, partitions: usize) -> Result<()> {
        self.call("create_topic", json!({"topic": topic, "partitions": partitions}))?;
        while may_lag() && !self.lists(topic)? {}
        Ok(())
    }

    /// Whether it lists this topic.
    ///
    /// # Errors
    /// The client's.
    pub fn lists(&mut self, topic: &str) -> Result<bool> {
        let answer = self.call("list_topics", json!({}))?;
        Ok(answer["topics"].as_array().context("topics are a list")?.contains(&json!(topic)))
    }

    /// Reads this many records of partition 0 from its beginning.
    ///
    /// # Errors
    /// The client's.
    pub fn read(&mut self, topic: &str, count: usize, isolation: Isolation) -> Result<Vec<Value>> {
        if isolation == Isolation::Committed
            && let Some(records) = self.readings.remove(topic)
        {
            return Ok(records);
        }
        let asked = json!({"topic": topic, "partition": 0, "offset": 0, "count": count, "isolation": isolation});
        let answer = self.call("consume", asked)?;
        Ok(answer["records"].as_array().context("records are a list")?.clone())
    }

    /// Reads several topics at once, each from its beginning to a count, and keeps the committed records for [`Client::read`].
    /// Does nothing for a client that reads without a group.
    ///
    /// # Errors
    /// The client's.
    pub fn read_ahead(&mut self, topics: &[(String, usize)]) -> Result<()> {
        if !self.cannot("read-without-group") {
            return Ok(());
        }
        let counts: BTreeMap<&str, usize> = topics.iter().map(|(topic, count)| (topic.as_str(), *count)).collect();
        let answer = self.call("consume_many", json!({"topics": counts}))?;
        for (topic, records) in answer["records"].as_object().context("records by topic")? {
            let records = records.as_array().context("records are a list")?.clone();
            self.readings.insert(topic.clone(), records);
        }
        Ok(())
    }

    /// Waits until the members of groups are as wanted.
    ///
    /// # Errors
    /// When they are not in time; the message says what they were.
    pub fn until(&mut self, what: &str, wanted: impl Fn(&BTreeMap<String, Member>) -> bool) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !wanted(&self.members) {
            if self.line(deadline)?.is_none() {
                let seen: Vec<String> = self
                    .members
                    .iter()
                    .map(|(name, member)| format!("{name} has {:?}, read {}", member.assigned, member.records.len()))
                    .collect();
                bail!("{}: not within {LIMIT:?}: {what}; {}; {}", self.name, seen.join("; "), tail(&self.log));
            }
        }
        Ok(())
    }

    /// Takes in what it tells for a moment, while other clients are waited for too.
    ///
    /// # Errors
    /// When it or one of its members failed.
    pub fn listen(&mut self, moment: Duration) -> Result<()> {
        let deadline = Instant::now() + moment;
        while self.line(deadline)?.is_some() {}
        Ok(())
    }

    pub fn members(&self) -> &BTreeMap<String, Member> {
        &self.members
    }

    /// Forgets a member that has left.
    pub fn forget(&mut self, member: &str) -> Option<Member> {
        self.members.remove(member)
    }

    /// The next line; none when the deadline has passed. Events are taken into the members' state.
    fn line(&mut self, deadline: Instant) -> Result<Option<Value>> {
        let text = match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(text) => text,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("{} has ended; {}", self.name, tail(&self.log)),
        };
        let line: Value = serde_json::from_str(&text).with_context(|| format!("{} said {text:?}", self.name))?;
        let member = line["member"].as_str().unwrap_or_default();
        match line["event"].as_str() {
            Some("assigned") => {
                let partitions = line["partitions"].as_array().map(Vec::as_slice).unwrap_or_default();
                let member = self.members.entry(member.to_owned()).or_default();
                member.assigned = partitions.iter().filter_map(Value::as_i64).collect();
                member.assignments += 1;
            }
            Some("record") => {
                let record = (
                    line["partition"].as_i64().context("a record has a partition")?,
                    line["offset"].as_i64().context("a record has an offset")?,
                    line["value"].as_str().unwrap_or_default().to_owned(),
                );
                self.members.entry(member.to_owned()).or_default().records.push(record);
            }
            Some("failed") => bail!("{}: member {member} failed: {}; {}", self.name, line["error"], tail(&self.log)),
            _ => {}
        }
        Ok(Some(line))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The end of its input is the end of the program; one that does not see it is killed by its id.
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(reader: impl BufRead, sender: &Sender<String>) {
    for line in reader.lines().map_while(Result::ok) {
        if sender.send(line).is_err() {
            return;
        }
    }
}
