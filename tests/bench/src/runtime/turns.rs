//! One job in turns: ours at Kafka's durability, theirs, and ours as it is without configuration.

use anyhow::Result;

use super::side::{Side, Used};
use crate::kafka::Class;
use crate::{Bar, Options, Report};

const SIDES: [Side; 3] = [Side::Sluice(Class::PageCache), Side::KafkaConnect, Side::Sluice(Class::Fsync)];

/// What a job took on one side.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    pub per_second: f64,
    /// Of hub and log, or of worker and broker.
    pub seconds: f64,
    /// Megabytes.
    pub runtime_peak: f64,
    pub broker_peak: f64,
}

/// All turns of each side.
#[derive(Debug, Default)]
pub struct Turns {
    pub ours: Vec<Turn>,
    pub theirs: Vec<Turn>,
    pub durable: Vec<Turn>,
}

impl Turn {
    pub fn new(per_second: f64, before: &Used, after: &Used) -> Turn {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        Turn {
            per_second,
            seconds: after.all_seconds_since(before),
            runtime_peak: megabytes(after.runtime.peak_rss_bytes),
            broker_peak: after.broker.map_or(f64::NAN, |usage| megabytes(usage.peak_rss_bytes)),
        }
    }
}

impl Turns {
    /// # Errors
    /// The first of a turn.
    pub async fn take(options: &Options, turn: impl AsyncFn(Side) -> Result<Turn>) -> Result<Turns> {
        let mut turns = [Vec::new(), Vec::new(), Vec::new()];
        for run in 0..options.runs {
            for (side, turns) in SIDES.iter().zip(&mut turns) {
                turns.push(turn(*side).await?);
                eprintln!("run {run}, {side:?}: {:?}", turns[run]);
            }
        }
        let [ours, theirs, durable] = turns;
        Ok(Turns { ours, theirs, durable })
    }

    /// Rate, processor and memory of each side; `records` went through in a turn.
    pub fn report(&self, job: &str, records: u64, report: &mut Report) {
        for (name, turns) in [("ours", &self.ours), ("ours, fsynced", &self.durable), ("Connect", &self.theirs)] {
            report.row(&format!("{job}, {name}: rate"), "k/s", &of(turns, |it| it.per_second / 1e3), Bar::None);
            let per_million: Vec<f64> = turns.iter().map(|it| it.seconds * 1e6 / records as f64).collect();
            report.row(&format!("{job}, {name} with its log: CPU per M"), "s", &per_million, Bar::None);
            report.row(&format!("{job}, {name}: peak RSS"), "MB", &of(turns, |it| it.runtime_peak), Bar::None);
        }
    }

    /// Ours over theirs, by the medians.
    pub fn ratio(&self, pick: fn(&Turn) -> f64) -> f64 {
        crate::median(&of(&self.ours, pick)) / crate::median(&of(&self.theirs, pick))
    }
}

pub fn of(turns: &[Turn], pick: fn(&Turn) -> f64) -> Vec<f64> {
    turns.iter().map(pick).collect()
}
