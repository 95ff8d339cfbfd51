//! Time as an input, so that tests drive it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[async_trait::async_trait]
pub trait Clock: Send + Sync {
    /// Wall clock, milliseconds since the epoch.
    fn now_ms(&self) -> i64;
    /// Never goes back.
    fn monotonic(&self) -> Duration;
    async fn sleep(&self, duration: Duration);
}

/// A wait may end later by so much.
const SLACK_MS_MAX: u128 = 32;
/// And by at most such a part of itself.
const SLACK_PART: u128 = 16;

/// The wait, a little longer, so that tasks that wait alike wake at the same moments: one sync of the log serves what they all have,
/// and the processor sleeps in between. As Linux's timer slack.
#[must_use]
pub(crate) fn with_slack(now: Duration, wait: Duration) -> Duration {
    let slack_ms = (wait.as_millis() / SLACK_PART).clamp(1, SLACK_MS_MAX);
    // Powers of two, so that the moments of longer waits are moments of shorter ones too.
    let slack = Duration::from_millis(1 << slack_ms.ilog2());
    let beyond = (now + wait).as_nanos() % slack.as_nanos();
    if wait.as_millis() < SLACK_PART || beyond == 0 {
        return wait;
    }
    wait + slack - Duration::from_nanos(u64::try_from(beyond).unwrap_or_default())
}

/// The machine's clocks and tokio's timer.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

#[async_trait::async_trait]
impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_waits_end_at_common_moments_never_early_and_hardly_late() {
        let ms = Duration::from_millis;
        for (now, wait) in [(0, 1_000), (3, 1_000), (17, 999), (1_000_001, 5_000), (31, 60_000)] {
            let slack = with_slack(ms(now), ms(wait));
            assert!(slack >= ms(wait) && slack < ms(wait + 32), "{slack:?}");
            assert_eq!((ms(now) + slack).as_millis() % 32, 0);
        }
        assert_eq!(with_slack(ms(5), ms(100)), ms(103), "4 ms are the power of two below a sixteenth");
        assert_eq!(with_slack(Duration::from_micros(500), ms(15)), ms(15));
    }
}
