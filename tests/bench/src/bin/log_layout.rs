//! Where the log's bytes end up: the three candidates of the design, and the log as it is.
//!
//! Claims checked: `runtime/docs/adr/0002-where-the-bytes-end-up.md`; encoding takes at most 50 ns a record; one
//! partition takes a million 100-byte records a second, fsynced, for at most 0.3 CPU-seconds.
//!
//! `log_layout [SECONDS [DIR]]`: each line runs for SECONDS (default 10) in a new folder below DIR.
//! `log_layout commits COUNT [DIR]`: that many offset commits of 100 groups through the embedded broker, then how long
//! a start takes after a kill and after an orderly end.

use anyhow::{Context, Result};
use sluice_client::{Append, Broker, GroupOffset, TopicPartition};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_log::{DirStorage, FailPoints, Log, LogOptions, LogPart, LogParts, SystemClock, TopicId, TopicInfo};
use sluice_protocol::RecordBatchBuilder;
use std::fs::File;
use std::io::BufRead;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

const RECORDS: usize = 1000;
const VALUE_BYTES: usize = 100;
const GROUP_BYTES: usize = 1 << 20;
const WAL_FILE_BYTES: u64 = 64 << 20;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).peekable();
    let mode = args.next_if(|arg| arg.starts_with("commit"));
    if let Some(mode) = mode {
        let count = args.next().context("COUNT is missing")?;
        let dir = args.next().unwrap_or_else(|| std::env::temp_dir().display().to_string());
        let runtime = tokio::runtime::Runtime::new()?;
        return match mode.as_str() {
            "commit-into" => runtime.block_on(commit_into(count.parse().context("COUNT is a number")?, &dir)),
            _ => runtime.block_on(restarts(&count, &dir)),
        };
    }
    let seconds = args.next().map_or(Ok(10), |text| text.parse()).context("SECONDS is a number")?;
    let dir = args.next().unwrap_or_else(|| std::env::temp_dir().display().to_string());
    let time = Duration::from_secs(seconds);
    encode();
    println!("{:<34} {:>10} {:>10} {:>9} {:>8}", "layout, partitions", "MB/s", "M rec/s", "CPU-s/M", "RSS MiB");
    for partitions in [1, 100, 1000] {
        layout("(a) WAL + segments at once", partitions, time, &dir, Layout::AtOnce)?;
        layout("(b) WAL, moved when cold", partitions, time, &dir, Layout::WhenCold)?;
        layout("(c) WAL is the store", partitions, time, &dir, Layout::WalOnly)?;
    }
    for partitions in [1, 100, 1000] {
        log(partitions, time, &dir)?;
    }
    Ok(())
}

fn encode() {
    let values: Vec<u8> = (0..RECORDS * VALUE_BYTES).map(|i| i as u8).collect();
    let (started, cpu, rounds) = (Instant::now(), cpu_seconds(), 5000);
    let mut bytes = 0;
    for round in 0..rounds {
        bytes += batch(&values, round).len();
    }
    let records = f64::from(rounds as i32) * RECORDS as f64;
    let ns = started.elapsed().as_nanos() as f64 / records;
    println!("encode: {ns:.1} ns a record ({:.1} ns CPU), {bytes} bytes", (cpu_seconds() - cpu) * 1e9 / records);
}

fn batch(values: &[u8], at: i64) -> bytes::Bytes {
    let mut builder = RecordBatchBuilder::new(1 << 20);
    builder.reserve(RECORDS * (VALUE_BYTES + 12));
    for value in values.chunks_exact(VALUE_BYTES) {
        builder.push(at, None, Some(value)).expect("it fits");
    }
    builder.finish()
}

#[derive(Clone, Copy, PartialEq)]
enum Layout {
    AtOnce,
    WhenCold,
    WalOnly,
}

/// The write path alone, without indexes: groups of 1 MiB, one fdatasync each, shared evenly by the partitions.
fn layout(name: &str, partitions: usize, time: Duration, dir: &str, layout: Layout) -> Result<()> {
    let dir = tempfile::tempdir_in(dir)?;
    let group = vec![0x5a; GROUP_BYTES];
    let share = GROUP_BYTES / partitions.min(100);
    let segments = open_segments(dir.path(), partitions, layout)?;
    let mut ends = vec![0u64; partitions];
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let (mut total, mut file_number, mut next) = (0u64, 0, 0);
    while started.elapsed() < time {
        let path = dir.path().join(format!("{file_number}.wal"));
        let wal = File::options().read(true).write(true).create_new(true).open(&path)?;
        File::open(dir.path())?.sync_all()?;
        let mut at = 0;
        let mut pieces = Vec::new();
        while at < WAL_FILE_BYTES && started.elapsed() < time {
            wal.write_all_at(&group, at)?;
            wal.sync_data()?;
            for piece in group.chunks(share) {
                let partition = next % partitions;
                next += 1;
                if layout == Layout::AtOnce {
                    segments[partition].write_all_at(piece, ends[partition])?;
                    ends[partition] += piece.len() as u64;
                }
                pieces.push((partition, piece.len()));
            }
            at += GROUP_BYTES as u64;
            total += GROUP_BYTES as u64;
        }
        checkpoint(&wal, &segments, &mut ends, &pieces, layout)?;
        file_number += 1;
        // The disk is not filled: what is a WAL only goes at once, a store that is the WAL keeps a few files.
        let keep = if layout == Layout::WalOnly { 4 } else { 0 };
        if file_number > keep {
            std::fs::remove_file(dir.path().join(format!("{}.wal", file_number - keep - 1)))?;
        }
    }
    let records = total as f64 / VALUE_BYTES as f64;
    line(name, partitions, total, records, started.elapsed(), cpu_seconds() - cpu);
    Ok(())
}

fn open_segments(dir: &Path, partitions: usize, layout: Layout) -> Result<Vec<File>> {
    let count = if layout == Layout::WalOnly { 0 } else { partitions };
    let open = |i| File::options().read(true).write(true).create_new(true).open(dir.join(format!("{i}.segment")));
    Ok((0..count).map(open).collect::<std::io::Result<_>>()?)
}

/// Before a WAL file may go, the segments must be durable.
fn checkpoint(
    wal: &File,
    segments: &[File],
    ends: &mut [u64],
    pieces: &[(usize, usize)],
    layout: Layout,
) -> Result<()> {
    if layout == Layout::WhenCold {
        let mut buffer = vec![0; GROUP_BYTES];
        let mut from = 0;
        for (partition, len) in pieces {
            wal.read_exact_at(&mut buffer[..*len], from)?;
            segments[*partition].write_all_at(&buffer[..*len], ends[*partition])?;
            ends[*partition] += *len as u64;
            from += *len as u64;
        }
    }
    segments.iter().try_for_each(File::sync_data)?;
    Ok(())
}

/// The log itself: encode, append through the queue with eight appends under way, acknowledged when fsynced.
fn log(partitions: i32, time: Duration, dir: &str) -> Result<()> {
    let dir = tempfile::tempdir_in(dir)?;
    let (log, _) = Log::open(LogParts {
        storage: Arc::new(DirStorage::open(dir.path())?),
        clock: Arc::new(SystemClock),
        fail_points: FailPoints::default(),
        observer: Arc::new(()),
        options: LogOptions::default(),
    })?;
    let id = TopicId([1; 16]);
    let config = [("retention.bytes".to_owned(), ((512 << 20) / partitions).to_string())].into();
    let (done, created) = mpsc::channel();
    let info = TopicInfo { name: "bench".into(), id, partitions, config };
    log.create_topic(info, move |outcome| drop(done.send(outcome)));
    created.recv()??;
    let values: Vec<u8> = (0..RECORDS * VALUE_BYTES).map(|i| i as u8).collect();
    let (done, answers) = mpsc::channel();
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let (mut sent, mut bytes) = (0i64, 0u64);
    while started.elapsed() < time {
        let records = batch(&values, sent);
        bytes += records.len() as u64;
        let part = LogPart { topic: id, partition: (sent % i64::from(partitions)) as i32, records };
        let done = done.clone();
        log.append(&[part], None, Box::new(move |outcome| drop(done.send(outcome))))?;
        sent += 1;
        while let Ok(outcome) = answers.try_recv() {
            outcome?;
        }
    }
    log.roll()?;
    let elapsed = started.elapsed();
    line("the log, fsynced", partitions as usize, bytes, sent as f64 * RECORDS as f64, elapsed, cpu_seconds() - cpu);
    Ok(())
}

async fn commit_into(count: u64, dir: &str) -> Result<()> {
    let broker = EmbeddedBroker::open(EmbeddedConfig::new(dir))?;
    let producer = broker.producer("bench").await?;
    let started = Instant::now();
    let mut under_way = std::collections::VecDeque::new();
    for number in 0..count {
        let group_offsets = vec![GroupOffset {
            group: format!("group-{}", number % 100),
            partition: TopicPartition::new("topic", (number / 100 % 10) as i32),
            offset: number as i64,
            metadata: String::new(),
        }];
        under_way.push_back(producer.send(Append { records: vec![], group_offsets }).await?);
        if under_way.len() > 10_000 {
            under_way.pop_front().context("just pushed")?.await?;
        }
    }
    for acknowledgement in under_way {
        acknowledgement.await?;
    }
    println!("{count} commits in {:.1} s, {} MiB on disk", started.elapsed().as_secs_f64(), broker.size_bytes() >> 20);
    // Killed here by its parent.
    std::future::pending().await
}

/// Has a child commit, kills it, and starts on what it left: after the kill, and again after an orderly end.
async fn restarts(count: &str, dir: &str) -> Result<()> {
    let dir = tempfile::tempdir_in(dir)?;
    let mut child = std::process::Command::new(std::env::current_exe()?)
        .args(["commit-into", count])
        .arg(dir.path())
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let mut told = String::new();
    std::io::BufReader::new(child.stdout.take().context("it is piped")?).read_line(&mut told)?;
    child.kill()?;
    child.wait()?;
    print!("{told}");
    for what in ["after the kill", "after an orderly end"] {
        let started = Instant::now();
        let broker = EmbeddedBroker::open(EmbeddedConfig::new(dir.path()))?;
        let opened = started.elapsed();
        let groups = broker.admin().group_offsets("group-7").await?.len();
        println!("restart {what}: {:.1} ms, {groups} offsets of one group", opened.as_secs_f64() * 1e3);
    }
    Ok(())
}

fn line(name: &str, partitions: usize, bytes: u64, records: f64, elapsed: Duration, cpu: f64) {
    let seconds = elapsed.as_secs_f64();
    println!(
        "{:<34} {:>10.0} {:>10.2} {:>9.3} {:>8.0}",
        format!("{name}, {partitions}"),
        bytes as f64 / 1e6 / seconds,
        records / 1e6 / seconds,
        cpu / (records / 1e6),
        peak_rss_mib()
    );
}

/// User and system time of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn peak_rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
