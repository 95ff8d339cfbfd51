//! What the demo shows while it runs: a small table that is drawn over itself on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use sluice_harness::{Feed, Hub, Pipeline, Rest};

use crate::{EVENTS, LINES};

const WRITTEN: &str = "kafka_connect_source_task_metrics_source_record_write_total";
const SENT: &str = "kafka_connect_sink_task_metrics_sink_record_send_total";
const LAG: &str = "kafka_connect_sink_task_metrics_sink_record_lag_max";

pub struct Progress {
    is_terminal: bool,
    begin: Instant,
    shown: Option<Instant>,
    lines_on_screen: usize,
    connectors: BTreeMap<&'static str, Seen>,
}

/// What one connector moved. Counters begin at zero in a new process; what the dead ones moved is added.
#[derive(Default, Clone, Copy)]
struct Seen {
    before: u64,
    now: u64,
    shown: u64,
    lag: Option<u64>,
}

impl Progress {
    pub fn new(is_terminal: bool) -> Progress {
        Progress { is_terminal, begin: Instant::now(), shown: None, lines_on_screen: 0, connectors: BTreeMap::new() }
    }

    /// Draws, unless it was drawn a moment ago.
    pub async fn show(&mut self, hub: &Hub, feed: &Feed) -> Result<()> {
        let pause = Duration::from_millis(if self.is_terminal { 250 } else { 1_000 });
        let since = self.shown.map(|shown| shown.elapsed());
        if since.is_some_and(|since| since < pause) {
            return Ok(());
        }
        self.read(hub.rest()).await?;
        let seconds = since.unwrap_or(pause).as_secs_f64();
        self.draw(feed, seconds);
        self.shown = Some(Instant::now());
        Ok(())
    }

    pub fn note(&mut self, text: &str) {
        println!("{:5.1} s  {text}", self.begin.elapsed().as_secs_f64());
        self.lines_on_screen = 0;
    }

    pub fn hub_died(&mut self) {
        for seen in self.connectors.values_mut() {
            seen.before += std::mem::take(&mut seen.now);
        }
    }

    async fn read(&mut self, rest: &Rest) -> Result<()> {
        for name in Pipeline::NAMES {
            let this = format!("{name}\"");
            let written = rest.metric(WRITTEN, &this).await?;
            let sent = rest.metric(SENT, &this).await?;
            let seen = self.connectors.entry(name).or_default();
            seen.now = written.or(sent).unwrap_or(0);
            seen.lag = rest.metric(LAG, &this).await?;
        }
        Ok(())
    }

    fn draw(&mut self, feed: &Feed, seconds: f64) {
        let clock = self.begin.elapsed().as_secs_f64();
        let (lines, events) = (feed.lines(), feed.events());
        let head = format!("{clock:5.1} s  written: {lines} of {LINES} lines, {events} of {EVENTS} order events");
        let mut rows = Vec::new();
        for (name, seen) in &mut self.connectors {
            let total = seen.before + seen.now;
            let rate = total.saturating_sub(seen.shown) as f64 / seconds;
            let lag = seen.lag.map_or_else(|| "-".to_owned(), |lag| lag.to_string());
            seen.shown = total;
            rows.push((*name, total, rate, lag));
        }
        if !self.is_terminal {
            let moved: Vec<String> = rows
                .iter()
                .map(|(name, total, rate, lag)| format!("{name} {total} ({rate:.0}/s, lag {lag})"))
                .collect();
            println!("{head}; {}", moved.join(", "));
            return;
        }
        if self.lines_on_screen > 0 {
            print!("\x1b[{}A\x1b[J", self.lines_on_screen);
        }
        println!("{head}\n         {:<20} {:>9} {:>9} {:>7}", "connector", "records", "rate/s", "lag");
        for (name, total, rate, lag) in &rows {
            println!("         {name:<20} {total:>9} {rate:>9.0} {lag:>7}");
        }
        self.lines_on_screen = rows.len() + 2;
    }
}
