//! `sluice log …`. The work is the log's own (`sluice_log::offline`); here it is shown.

use crate::args::{DumpOptions, LogArguments, LogCommand, Output};
use crate::exit::{Exit, chain};
use crate::output::say;
use crate::worker_config::home;
use chrono::DateTime;
use serde_json::{Value, json};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_log::offline::{
    Affected, BatchInfo, BlockInfo, Change, DumpFilter, FileInfo, Overlay, Problem, ReadOnlyDir, RecordInfo,
    RepairPlan, Severity, VerifyReport, Visitor, dump, plan_repair, repair, verify,
};
use sluice_log::{DataDir, OpenError, Storage};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

pub fn run(arguments: LogArguments, output: Output) -> Result<(), Exit> {
    let data_dir = arguments.data_dir.unwrap_or_else(|| home("XDG_DATA_HOME", ".local/share"));
    // Held until the end: no broker can begin meanwhile.
    let locked = DataDir::inspect(&data_dir).map_err(refused)?;
    let log_dir = locked.log_dir();
    let storage: Arc<dyn Storage> = Arc::new(ReadOnlyDir::new(&log_dir));
    match arguments.command {
        LogCommand::Dump(options) => show_dump(&storage, options, output),
        LogCommand::Verify => show_verify(&storage, output),
        LogCommand::Repair { execute: false, .. } => {
            show_plan(&plan_repair(&storage).map_err(refused)?, None, output);
            Ok(())
        }
        LogCommand::Repair { execute: true, .. } => {
            let now = chrono::Utc::now().format("%Y%m%dT%H%M%S%.3f");
            let copies = data_dir.join(format!("before-repair-{now}"));
            let plan = repair(&log_dir, &copies).map_err(refused)?;
            show_plan(&plan, Some(&copies), output);
            Ok(())
        }
    }
}

fn refused(error: OpenError) -> Exit {
    let message = chain(&error);
    match error {
        OpenError::Locked { .. }
        | OpenError::NewerFormat { .. }
        | OpenError::Foreign { .. }
        | OpenError::Damaged { .. } => Exit::DataDir { message },
        OpenError::Io { .. } => Exit::Failed { message },
    }
}

// ---- verify

fn show_verify(storage: &Arc<dyn Storage>, output: Output) -> Result<(), Exit> {
    let mut report = verify(storage).map_err(refused)?;
    report.problems.extend(internal_topics(storage));
    if output == Output::Json {
        say(&format!("{:#}", report_json(&report)));
    } else {
        for problem in &report.problems {
            say(&problem_text(problem));
        }
        let VerifyReport { files, bytes, blocks, batches, topics, .. } = &report;
        say(&format!("{topics} topics in {files} files: {bytes} bytes, {blocks} blocks, {batches} batches were read"));
        if report.problems.is_empty() {
            say("everything is as it was written");
        }
    }
    if report.is_damaged() {
        let damaged = report.problems.iter().filter(|problem| problem.severity > Severity::Torn).count();
        return Err(Exit::Failed {
            message: format!("{damaged} problem(s); `sluice log repair --dry-run` says what a start would do"),
        });
    }
    Ok(())
}

/// Whether a broker would start: it reads the groups' offsets and the transactions' states then.
fn internal_topics(storage: &Arc<dyn Storage>) -> Vec<Problem> {
    let opened = EmbeddedBroker::open_simulated(Overlay::new(storage.clone()), EmbeddedConfig::new("."));
    let problem = |place: &str, what: String| Problem {
        severity: Severity::Damage,
        place: place.to_owned(),
        what,
        affected: Vec::new(),
    };
    match opened {
        Ok(broker) => {
            let unread = unreadable_offsets(&broker);
            broker.close();
            unread.into_iter().map(|what| problem("__consumer_offsets-0", what)).collect()
        }
        Err(error) => vec![problem("the internal topics", format!("a broker does not start: {}", chain(&error)))],
    }
}

/// Records of the groups' offsets that say nothing.
fn unreadable_offsets(broker: &EmbeddedBroker) -> Vec<String> {
    let Some(topic) = broker.topic("__consumer_offsets") else { return Vec::new() };
    let mut problems = Vec::new();
    for partition in 0..topic.partitions {
        let Ok((mut offset, end)) = broker.offsets(topic.id, partition) else { continue };
        while offset < end {
            // What cannot be read at all was told as a block.
            let Ok(read) = broker.read_now(topic.id, partition, offset, 1 << 20) else { break };
            for batch in sluice_protocol::batches(&read.records).flatten().filter(|batch| !batch.is_control()) {
                for record in batch.records().into_iter().flatten().flatten() {
                    let decoded = record.key.map(|key| sluice_group::records::decode(key, record.value));
                    if let Some(Err(error)) = decoded {
                        problems.push(format!("offset {}: {error}", record.offset));
                    }
                }
            }
            let last = sluice_protocol::batches(&read.records).flatten().map(|batch| batch.last_offset()).max();
            offset = last.map_or(end, |last| last + 1).max(offset + 1);
        }
    }
    problems
}

fn problem_text(problem: &Problem) -> String {
    let severity = severity(problem.severity);
    let affected: Vec<String> = problem.affected.iter().map(affected_text).collect();
    let lost = if affected.is_empty() { String::new() } else { format!(" ({})", affected.join(", ")) };
    format!("{severity}: {}: {}{lost}", problem.place, problem.what)
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Damage => "damage",
        Severity::Derived => "index",
        Severity::Torn => "torn",
    }
}

fn affected_text(lost: &Affected) -> String {
    format!("{}-{} offsets {} to {}", lost.topic, lost.partition, lost.base_offset, lost.end_offset - 1)
}

fn report_json(report: &VerifyReport) -> Value {
    let problem = |problem: &Problem| {
        let affected = problem.affected.iter().map(|lost| {
            json!({
                "topic": lost.topic,
                "partition": lost.partition,
                "base_offset": lost.base_offset,
                "end_offset": lost.end_offset,
            })
        });
        json!({
            "severity": severity(problem.severity),
            "place": problem.place,
            "what": problem.what,
            "affected": affected.collect::<Vec<_>>(),
        })
    };
    json!({
        "files": report.files,
        "bytes": report.bytes,
        "blocks": report.blocks,
        "batches": report.batches,
        "topics": report.topics,
        "damaged": report.is_damaged(),
        "problems": report.problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

// ---- repair

fn show_plan(plan: &RepairPlan, copies: Option<&Path>, output: Output) {
    let change = |change: &Change| match change {
        Change::Cut { from_bytes, to_bytes } => format!("cut from {from_bytes} to {to_bytes} bytes"),
        Change::Removed { size_bytes } => format!("removed ({size_bytes} bytes)"),
        Change::Written { size_bytes } => format!("written ({size_bytes} bytes)"),
    };
    let changes = plan.changes.iter().map(|(name, what)| (name.clone(), change(what)));
    let aside = plan.set_aside.iter().map(|name| (name.clone(), "put aside; it is made anew".to_owned()));
    let mut lines: Vec<(String, String)> = aside.chain(changes).collect();
    lines.sort();
    let lost = |file: u64, position: u64, size: u64| format!("log file {file} at byte {position}, {size} bytes");
    let torn: Vec<String> = plan.report.torn.iter().map(|it| lost(it.file, it.position, it.size_bytes)).collect();
    let damaged: Vec<String> = plan.report.damaged.iter().map(|it| lost(it.file, it.position, it.size_bytes)).collect();
    if output == Output::Json {
        let lines: serde_json::Map<String, Value> = lines.into_iter().map(|(name, what)| (name, json!(what))).collect();
        let copies = copies.map(|path| path.display().to_string());
        say(&format!("{:#}", json!({ "files": lines, "torn": torn, "damaged": damaged, "copies": copies })));
        return;
    }
    for place in &torn {
        say(&format!("torn: {place}: was never known durable and is cut off"));
    }
    for place in &damaged {
        say(&format!("damage: {place}: stays, fenced; reading its offsets answers an error, all others are served"));
    }
    for (name, what) in &lines {
        say(&format!("{name}: {what}"));
    }
    match copies {
        Some(copies) => say(&format!("done; what was before is in {}", copies.display())),
        None if lines.is_empty() => say("a start would change nothing"),
        None => say("nothing was changed; --execute does it and keeps copies"),
    }
}

// ---- dump

fn show_dump(storage: &Arc<dyn Storage>, options: DumpOptions, output: Output) -> Result<(), Exit> {
    let depth = match (&options, options.records) {
        (_, true) => Depth::Records,
        (DumpOptions { topic: None, partition: None, offset: None, blocks: false, .. }, _) => Depth::Files,
        _ => Depth::Batches,
    };
    let filter = DumpFilter {
        topic: options.topic,
        partition: options.partition,
        offset: options.offset,
        records: options.records,
    };
    let out = BufWriter::new(io::stdout().lock());
    let mut printer = Printer { out, output, depth, left: options.limit.unwrap_or(u64::MAX), failed: None };
    dump(storage, &filter, &mut printer).map_err(refused)?;
    let ended = printer.failed.take().map_or(Ok(()), Err).and_then(|()| printer.out.flush());
    match ended {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Exit::Failed { message: format!("the standard output cannot be written: {error}") })
        }
        _ => Ok(()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Files,
    Batches,
    Records,
}

struct Printer<'a> {
    out: BufWriter<io::StdoutLock<'a>>,
    output: Output,
    depth: Depth,
    left: u64,
    failed: Option<io::Error>,
}

impl Printer<'_> {
    fn line(&mut self, json: &Value, text: &str) -> bool {
        let written = match self.output {
            Output::Json => writeln!(self.out, "{json}"),
            Output::Table => writeln!(self.out, "{text}"),
        };
        self.failed = written.err();
        self.failed.is_none()
    }

    fn counted(&mut self, json: &Value, text: &str) -> bool {
        self.left = self.left.saturating_sub(1);
        self.line(json, text) && self.left > 0
    }
}

fn time(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).map_or_else(|| ms.to_string(), |time| time.format("%FT%T%.3fZ").to_string())
}

impl Visitor for Printer<'_> {
    fn file(&mut self, file: &FileInfo) -> bool {
        let durability = if file.unsynced == Some(true) { ", acknowledged before it was synced" } else { "" };
        let created = file.created_ms.map_or_else(|| "without a header".to_owned(), |ms| format!("begun {}", time(ms)));
        let marks = [
            (file.is_cleaned, "compacted"),
            (file.is_indexed, "indexed"),
            (!file.damaged.is_empty(), "DAMAGED"),
            (file.torn.is_some(), "torn tail"),
        ];
        let marks: String = marks.iter().filter(|(set, _)| *set).map(|(_, mark)| format!(", {mark}")).collect();
        let text = format!(
            "{} {} bytes, {created}, {} blocks, up to append {}{durability}{marks}",
            file.name, file.size_bytes, file.blocks, file.sequence
        );
        let json = json!({
            "file": file.name,
            "bytes": file.size_bytes,
            "compacted": file.is_cleaned,
            "created": file.created_ms,
            "unsynced": file.unsynced,
            "append": file.sequence,
            "blocks": file.blocks,
            "indexed": file.is_indexed,
            "damaged": file.damaged.len(),
            "torn": file.torn.as_ref().map(|torn| torn.position),
        });
        self.line(&json, &text)
    }

    fn block(&mut self, block: &BlockInfo) -> bool {
        if self.depth == Depth::Files {
            return true;
        }
        let BlockInfo {
            topic, partition, base_offset, end_offset, position, size_bytes, sequence, part, parts, ..
        } = block;
        let text = format!(
            "  block at {position}, {size_bytes} bytes: {topic}-{partition} offsets {base_offset} to {}, epoch {}, append \
             {sequence} part {} of {parts}, newest {}",
            end_offset - 1,
            block.leader_epoch,
            part + 1,
            time(block.max_timestamp)
        );
        let json = json!({
            "block": position,
            "file": block.file,
            "bytes": size_bytes,
            "topic": topic,
            "partition": partition,
            "base_offset": base_offset,
            "end_offset": end_offset,
            "leader_epoch": block.leader_epoch,
            "append": sequence,
            "part": part,
            "parts": parts,
            "durable": block.durable,
            "max_timestamp": block.max_timestamp,
        });
        self.line(&json, &text)
    }

    fn batch(&mut self, batch: &BatchInfo) -> bool {
        if self.depth == Depth::Files {
            return true;
        }
        let compression = batch.compression.to_lowercase();
        let producer = if batch.producer_id < 0 {
            String::new()
        } else {
            let BatchInfo { producer_id, producer_epoch, base_sequence, .. } = batch;
            format!(", producer {producer_id} epoch {producer_epoch} sequence {base_sequence}")
        };
        let kind = match (batch.marker, batch.is_transactional) {
            (Some(true), _) => ", commit marker",
            (Some(false), _) => ", abort marker",
            (None, true) => ", transactional",
            (None, false) => "",
        };
        let problem = batch.problem.as_ref().map_or_else(String::new, |what| format!(", DAMAGED: {what}"));
        let text = format!(
            "    batch {} to {}: {} records, {} bytes, {compression}{producer}{kind}{problem}",
            batch.base_offset, batch.last_offset, batch.count, batch.size_bytes
        );
        let json = json!({
            "batch": batch.base_offset,
            "last_offset": batch.last_offset,
            "records": batch.count,
            "bytes": batch.size_bytes,
            "compression": compression,
            "producer_id": batch.producer_id,
            "producer_epoch": batch.producer_epoch,
            "base_sequence": batch.base_sequence,
            "transactional": batch.is_transactional,
            "committed": batch.marker,
            "base_timestamp": batch.base_timestamp,
            "max_timestamp": batch.max_timestamp,
            "problem": batch.problem,
        });
        if self.depth == Depth::Records { self.line(&json, &text) } else { self.counted(&json, &text) }
    }

    fn record(&mut self, record: &RecordInfo) -> bool {
        let shown = |bytes: Option<&Vec<u8>>| match bytes {
            None => "NULL".to_owned(),
            Some(bytes) => bytes.escape_ascii().to_string(),
        };
        let headers: Vec<String> = record
            .headers
            .iter()
            .map(|(name, value)| format!("{}={}", name.escape_ascii(), shown(value.as_ref())))
            .collect();
        let headers = if headers.is_empty() { String::new() } else { format!(" [{}]", headers.join(", ")) };
        let text = format!(
            "      {} {} key {} value {}{headers}",
            record.offset,
            time(record.timestamp),
            shown(record.key.as_ref()),
            shown(record.value.as_ref())
        );
        let consumed = sluice_client_kafka::tools::ConsumedRecord {
            topic: "",
            partition: 0,
            offset: record.offset,
            timestamp: Some(record.timestamp),
            is_append_time: false,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: Vec::new(),
        };
        let mut json = crate::kafka::to_json(&consumed);
        if let Some(object) = json.as_object_mut() {
            for member in ["topic", "partition", "timestamp_type"] {
                object.remove(member);
            }
            object.insert("record".to_owned(), json!(record.offset));
            object.insert("headers".to_owned(), record.headers.iter().map(header_json).collect());
        }
        self.counted(&json, &text)
    }
}

fn header_json((name, value): &(Vec<u8>, Option<Vec<u8>>)) -> Value {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    json!({ "name": text(name), "value": value.as_ref().map(text) })
}
