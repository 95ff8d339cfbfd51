//! Claim: with a warm cache the hub answers 100 ms after its start and has delivered a record after 250 ms.

use anyhow::Result;
use sluice_bench::{Bar, Options, Report, StartJob};
use sluice_harness::Scratch;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let scratch = Scratch::new()?;
    let mut job = StartJob::create(&scratch).await?;
    let (mut answers, mut deliveries) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let times = job.start().await?;
        answers.push(times.answers_ms);
        deliveries.push(times.delivers_ms);
    }
    let mut report = Report::new("start", options);
    report.row("exec to REST answers", "ms", &answers, Bar::AtMost(100.0));
    report.row("exec to first record delivered", "ms", &deliveries, Bar::AtMost(250.0));
    report.finish()
}
