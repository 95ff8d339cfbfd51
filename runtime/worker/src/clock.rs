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
