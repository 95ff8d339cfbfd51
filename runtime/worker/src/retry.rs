//! How long to wait before the n-th retry. Source: Kafka `RetryWithToleranceOperator`.

use std::time::Duration;

const FIRST_DELAY: Duration = Duration::from_millis(300);

/// `errors.retry.*` as data: it neither sleeps nor counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    /// `None`: for ever.
    pub timeout: Option<Duration>,
    pub delay_max: Duration,
}

impl RetryPolicy {
    /// For calls that are repeated until they succeed or the task is stopped.
    pub fn forever(delay_max: Duration) -> Self {
        Self { timeout: None, delay_max }
    }

    /// The wait before retry `attempt` (from 1), `elapsed` after the first try; `None`: give up. 300 ms doubled each time;
    /// once that is above the maximum, a random part of it (`random` within 0..1). Never beyond the time that is left.
    #[must_use]
    pub fn delay(&self, attempt: u32, elapsed: Duration, random: f64) -> Option<Duration> {
        let left = match self.timeout {
            Some(timeout) => timeout.checked_sub(elapsed).filter(|left| !left.is_zero())?,
            None => Duration::MAX,
        };
        let doubled = FIRST_DELAY.saturating_mul(1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
        let delay = if doubled > self.delay_max { self.delay_max.mul_f64(random) } else { doubled };
        Some(delay.min(left))
    }
}

/// A number within 0..1 to spread retries with.
#[must_use]
pub fn jitter() -> f64 {
    // The standard library seeds each of these from the system's randomness.
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0u8);
    (random >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(policy: RetryPolicy, count: u32) -> Vec<u64> {
        let mut elapsed = Duration::ZERO;
        let waits = (1..=count).map_while(|attempt| {
            let delay = policy.delay(attempt, elapsed, 0.5)?;
            elapsed += delay;
            Some(delay.as_millis() as u64)
        });
        waits.collect()
    }

    /// Source: `RetryWithToleranceOperatorTest.testExponentialBackoff` of Apache Kafka.
    #[test]
    fn retries_wait_as_kafka_connect_waits() {
        let max = Duration::from_secs(60);
        let six_seconds = RetryPolicy { timeout: Some(Duration::from_secs(6)), delay_max: max };
        assert_eq!(delays(six_seconds, 10), [300, 600, 1200, 2400, 1500]);
        let forever = RetryPolicy::forever(max);
        assert_eq!(delays(forever, 8), [300, 600, 1200, 2400, 4800, 9600, 19200, 38400]);
        assert_eq!(forever.delay(9, Duration::ZERO, 0.5), Some(Duration::from_secs(30)));
        assert_eq!(forever.delay(90, Duration::ZERO, 0.0), Some(Duration::ZERO));
        let no_retry = RetryPolicy { timeout: Some(Duration::ZERO), delay_max: max };
        assert_eq!(no_retry.delay(1, Duration::ZERO, 0.5), None);
    }
}
