//! `sluice consume`.

use super::format::{Format, to_json};
use super::time::parse_time;
use super::{connect, exit, stop_at_signal};
use crate::args::{ConsumeOptions, Isolation, Output};
use crate::exit::Exit;
use sluice_client_kafka::tools::{self, StartAt};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Duration;

/// Each record on a line of its own.
const FORMAT_DEFAULT: &str = "%v\\n";

pub fn run(options: ConsumeOptions, output: Output) -> Result<(), Exit> {
    let usage = |message: String| Exit::Usage { message };
    let format = options.format.as_deref().unwrap_or(FORMAT_DEFAULT);
    let format = if options.json || (output == Output::Json && options.format.is_none()) {
        None
    } else {
        Some(Format::parse(format).map_err(usage)?)
    };
    let from = match &options.offset {
        Some(text) => start_at(text).map_err(usage)?,
        None if options.from_beginning => StartAt::Earliest,
        None => StartAt::Latest,
    };
    let stop = stop_at_signal()?;
    let cluster = connect(&options.bootstrap)?;
    let asked = tools::ConsumeOptions {
        topic: options.topic,
        partitions: options.partition,
        from,
        group: options.group,
        max_messages: options.max_messages,
        timeout: options.timeout_ms.map(Duration::from_millis),
        until_end: options.until_end,
        read_uncommitted: options.isolation_level == Isolation::ReadUncommitted,
    };
    let mut out = io::stdout().lock();
    let mut line = Vec::new();
    let mut broken = None;
    let consumed = tools::consume(&cluster, &asked, &stop, |record| {
        line.clear();
        match &format {
            Some(format) => format.write(record, &mut line),
            None => {
                line.extend(to_json(record).to_string().bytes());
                line.push(b'\n');
            }
        }
        // Nothing is committed that was not handed over.
        match out.write_all(&line).and_then(|()| out.flush()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                broken = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    match broken {
        // Whoever reads has enough.
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Some(error) => Err(Exit::Failed { message: format!("the standard output cannot be written: {error}") }),
        None => consumed.map(drop).map_err(exit),
    }
}

fn start_at(text: &str) -> Result<StartAt, String> {
    match text {
        "earliest" | "beginning" => Ok(StartAt::Earliest),
        "latest" | "end" => Ok(StartAt::Latest),
        _ => {
            if let Ok(offset) = text.parse::<i64>() {
                let negative = || format!("offset {text} is below zero; earliest, latest or a time is meant?");
                return if offset < 0 { Err(negative()) } else { Ok(StartAt::Offset(offset)) };
            }
            parse_time(text).map(StartAt::Time)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_a_word_a_number_or_a_time() {
        assert_eq!(start_at("earliest"), Ok(StartAt::Earliest));
        assert_eq!(start_at("end"), Ok(StartAt::Latest));
        assert_eq!(start_at("17"), Ok(StartAt::Offset(17)));
        assert_eq!(start_at("@17"), Ok(StartAt::Time(17)));
        assert_eq!(start_at("1970-01-01T00:00:01Z"), Ok(StartAt::Time(1000)));
        assert!(start_at("-1").is_err() && start_at("soon").is_err());
    }
}
