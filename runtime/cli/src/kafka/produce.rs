//! `sluice produce`.

use super::format::unescape;
use super::{connect, exit, stop_at_signal};
use crate::args::{Compression, ProduceOptions};
use crate::exit::Exit;
use sluice_client_kafka::tools::{self, NewRecord, ProducedRecord, RecordProducer};
use std::io::{self, BufRead};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Lines that wait between the reader and the producer.
const LINES_AHEAD: usize = 1024;
/// How often answers and a stop are looked for while no line comes.
const LOOK: Duration = Duration::from_millis(100);
/// Failures that are named one by one.
const FAILURES_SHOWN: u64 = 20;

type Line = io::Result<Vec<u8>>;

pub fn run(options: ProduceOptions) -> Result<(), Exit> {
    let shape = Shape::new(&options)?;
    let stop = stop_at_signal()?;
    let cluster = connect(&options.bootstrap)?;
    let delivery_timeout = Duration::from_millis(options.timeout_ms);
    let compression = match options.compression {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Snappy => "snappy",
        Compression::Lz4 => "lz4",
        Compression::Zstd => "zstd",
    };
    let acks = match options.acks.as_str() {
        "0" => 0,
        "1" => 1,
        _ => -1,
    };
    let asked = tools::ProduceOptions {
        topic: options.topic.clone(),
        partition: options.partition,
        compression: compression.to_owned(),
        acks,
        delivery_timeout,
    };
    let producer = RecordProducer::open(&cluster, &asked).map_err(exit)?;
    let mut tally = Tally::default();
    let read = send_lines(&lines(), &producer, &shape, &stop, &mut tally);
    let all_answered = producer.finish(delivery_timeout + Duration::from_secs(5));
    tally.take(&producer);
    if !all_answered {
        let missing = tally.sent - tally.answered;
        return Err(Exit::Failed { message: format!("{missing} records were neither acknowledged nor refused") });
    }
    read?;
    match tally.failed {
        0 => Ok(()),
        failed => Err(Exit::Failed {
            message: format!("{failed} of {} records were not written to {}", tally.lines, options.topic),
        }),
    }
}

/// How a line becomes a record.
struct Shape {
    key_separator: Option<Vec<u8>>,
    null_value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Shape {
    fn new(options: &ProduceOptions) -> Result<Self, Exit> {
        let usage = |message: String| Exit::Usage { message };
        let key_separator = options.key_separator.as_deref().map(unescape).transpose().map_err(usage)?;
        if key_separator.as_ref().is_some_and(Vec::is_empty) {
            return Err(usage("--key-separator cannot be empty".to_owned()));
        }
        let null_value = options.null_value.as_ref().map(|text| text.clone().into_bytes());
        let mut headers = Vec::new();
        for given in &options.headers {
            let (name, value) =
                given.split_once('=').ok_or_else(|| usage(format!("--header {given} is not NAME=VALUE")))?;
            let value = value.as_bytes().to_vec();
            headers.push((name.to_owned(), Some(value).filter(|value| Some(value) != null_value.as_ref())));
        }
        Ok(Self { key_separator, null_value, headers })
    }

    fn record<'a>(&'a self, line: &'a [u8], number: u64) -> Result<NewRecord<'a>, String> {
        let (key, value) = match &self.key_separator {
            None => (None, line),
            Some(separator) => {
                let at = line.windows(separator.len()).position(|window| window == separator.as_slice());
                let at = at.ok_or("it has no key separator")?;
                (Some(&line[..at]), &line[at + separator.len()..])
            }
        };
        let or_null = |bytes: &&[u8]| self.null_value.as_deref() != Some(*bytes);
        Ok(NewRecord { key: key.filter(or_null), value: Some(value).filter(or_null), headers: &self.headers, number })
    }
}

/// What became of the lines.
#[derive(Default)]
struct Tally {
    lines: u64,
    sent: u64,
    answered: u64,
    failed: u64,
}

impl Tally {
    fn take(&mut self, producer: &RecordProducer) {
        for ProducedRecord { number, outcome } in producer.answers() {
            self.answered += 1;
            if let Err(reason) = outcome {
                self.fail(number, &reason);
            }
        }
    }

    fn fail(&mut self, line: u64, reason: &str) {
        self.failed += 1;
        if self.failed <= FAILURES_SHOWN {
            eprintln!("line {line} was not written: {reason}");
        } else if self.failed == FAILURES_SHOWN + 1 {
            eprintln!("further lines that were not written are only counted");
        }
    }
}

fn send_lines(
    lines: &Receiver<Line>,
    producer: &RecordProducer,
    shape: &Shape,
    stop: &AtomicBool,
    tally: &mut Tally,
) -> Result<(), Exit> {
    while !stop.load(Ordering::Relaxed) {
        match lines.recv_timeout(LOOK) {
            Ok(Ok(line)) => {
                tally.lines += 1;
                let sent = shape.record(&line, tally.lines).and_then(|record| producer.send(&record));
                match sent {
                    Ok(()) => tally.sent += 1,
                    Err(reason) => tally.fail(tally.lines, &reason),
                }
            }
            Ok(Err(error)) => {
                return Err(Exit::Failed { message: format!("the standard input cannot be read: {error}") });
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        tally.take(producer);
    }
    Ok(())
}

/// The lines of the standard input, without their ends, read by a thread of their own: a signal must not wait for a line.
fn lines() -> Receiver<Line> {
    let (sender, receiver) = sync_channel(LINES_AHEAD);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = match input.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => {
                    if line.last() == Some(&b'\n') {
                        line.pop();
                    }
                    Ok(line)
                }
                Err(error) => Err(error),
            };
            let is_over = read.is_err();
            if sender.send(read).is_err() || is_over {
                return;
            }
        }
    });
    receiver
}
