//! Watching records arrive.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use sluice_harness::Rest;

/// Looking costs whom one looks at: between two looks passes this share of the time so far, or what these allow.
const PAUSE_SHARE: f64 = 0.005;
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(100);
const SENT: &str = "kafka_connect_sink_task_metrics_sink_record_send_total";

/// Records a second, from the first that were seen at the destination to the last: what a connector takes to start is left out, on
/// either side.
///
/// # Errors
/// What `count` says, and when not all are there within the limit.
pub async fn arrival_rate(wanted: u64, limit: Duration, mut count: impl FnMut() -> Result<u64>) -> Result<f64> {
    let begin = Instant::now();
    let mut first = None;
    loop {
        let arrived = count()?;
        let now = Instant::now();
        if arrived >= wanted {
            // All at once: then the start is a part of it.
            let (at, before) = first.unwrap_or((begin, 0));
            return Ok((wanted - before) as f64 / (now - at).as_secs_f64());
        }
        if arrived > 0 && first.is_none() {
            first = Some((now, arrived));
        }
        if begin.elapsed() > limit {
            bail!("{arrived} of {wanted} arrived within {limit:?}");
        }
        tokio::time::sleep(pause(begin)).await;
    }
}

fn pause(begin: Instant) -> Duration {
    begin.elapsed().mul_f64(PAUSE_SHARE).clamp(PAUSE_MIN, PAUSE_MAX)
}

/// Waits until a sink has delivered so many records; each delivery is counted once it has been made.
///
/// # Errors
/// Of REST, and when not all are there within the limit.
pub async fn until_sent(rest: &Rest, sink: &str, records: u64, limit: Duration) -> Result<()> {
    let begin = Instant::now();
    loop {
        let sent = rest.metric(SENT, &format!("{sink}\"")).await?.unwrap_or(0);
        if sent >= records {
            return Ok(());
        }
        ensure!(begin.elapsed() < limit, "{sent} of {records}: {}", rest.status(sink).await?);
        tokio::time::sleep(pause(begin)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_there_at_first_sight_took_no_time() {
        let mut seen = [0, 900, 900, 1_000].into_iter();
        let rate = arrival_rate(1_000, Duration::from_secs(5), || Ok(seen.next().unwrap_or(1_000))).await.unwrap();
        assert!(rate > 0.0 && rate <= 100.0 / 0.002, "{rate}");
    }

    #[tokio::test]
    async fn a_flow_that_ends_early_is_an_error() {
        let error = arrival_rate(10, Duration::from_millis(5), || Ok(9)).await.unwrap_err();
        assert!(error.to_string().contains("9 of 10"), "{error}");
    }
}
