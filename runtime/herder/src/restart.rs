//! Supervised restart: failed tasks and connectors come back by themselves, ever more slowly, until it is hopeless.

use sluice_connect_api::ConfigMap;
use std::time::{Duration, Instant};

/// When what failed is started again. Connector keys override the worker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// `sluice.task.restart.enabled`; off is Kafka Connect's behaviour.
    pub enabled: bool,
    /// `sluice.task.restart.backoff.ms`: the first wait; each next one is twice as long. Up to a fifth is taken off by chance, so
    /// that what failed together does not come back together.
    pub backoff: Duration,
    /// `sluice.task.restart.backoff.max.ms`: the longest wait. Running for so long also counts as recovered.
    pub backoff_max: Duration,
    /// `sluice.task.restart.max.attempts`: after so many in a row it stays FAILED until somebody restarts it.
    pub attempts_max: u32,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { enabled: true, backoff: Duration::from_secs(1), backoff_max: Duration::from_secs(60), attempts_max: 10 }
    }
}

/// The part of a wait that chance may take off.
const JITTER: f64 = 0.2;

pub(crate) const RESTART_ENABLED: &str = "sluice.task.restart.enabled";
pub(crate) const RESTART_BACKOFF: &str = "sluice.task.restart.backoff.ms";
pub(crate) const RESTART_BACKOFF_MAX: &str = "sluice.task.restart.backoff.max.ms";
pub(crate) const RESTART_ATTEMPTS_MAX: &str = "sluice.task.restart.max.attempts";

impl RestartPolicy {
    /// With the connector's own keys; values that do not parse were refused by validation and change nothing here.
    #[must_use]
    pub fn with(mut self, config: &ConfigMap) -> Self {
        let number = |key: &str| config.get(key).and_then(|value| value.trim().parse::<u64>().ok());
        if let Some(enabled) = config.get(RESTART_ENABLED) {
            self.enabled = enabled.trim().eq_ignore_ascii_case("true");
        }
        if let Some(millis) = number(RESTART_BACKOFF) {
            self.backoff = Duration::from_millis(millis);
        }
        if let Some(millis) = number(RESTART_BACKOFF_MAX) {
            self.backoff_max = Duration::from_millis(millis);
        }
        if let Some(attempts) = number(RESTART_ATTEMPTS_MAX) {
            self.attempts_max = u32::try_from(attempts).unwrap_or(u32::MAX);
        }
        self
    }
}

/// How often something has failed in a row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Failures {
    attempts: u32,
    running_since: Option<Instant>,
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Restart {
        attempt: u32,
        after: Duration,
    },
    /// The circuit is open: somebody has to look.
    GiveUp {
        attempts: u32,
    },
    /// Switched off.
    Leave,
}

impl Failures {
    pub(crate) fn started(&mut self, now: Instant) {
        self.running_since = Some(now);
    }

    /// Forgets the past: somebody restarted it by hand, or changed its config.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// `jitter` within 0..1 is the part of the fifth that is taken off the wait.
    pub(crate) fn failed(&mut self, policy: &RestartPolicy, now: Instant, jitter: f64) -> Verdict {
        if !policy.enabled {
            return Verdict::Leave;
        }
        let ran = self.running_since.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if ran >= policy.backoff_max {
            self.attempts = 0;
        }
        if self.attempts >= policy.attempts_max {
            return Verdict::GiveUp { attempts: self.attempts };
        }
        let after = policy.backoff.saturating_mul(1 << self.attempts.min(20)).min(policy.backoff_max);
        self.attempts += 1;
        Verdict::Restart { attempt: self.attempts, after: after.mul_f64(1.0 - JITTER * jitter) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RestartPolicy {
        RestartPolicy { attempts_max: 4, ..RestartPolicy::default() }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_then_it_gives_up() {
        let policy = RestartPolicy { backoff_max: Duration::from_secs(4), ..policy() };
        let (mut failures, now) = (Failures::default(), Instant::now());
        let mut waits = Vec::new();
        let verdict = loop {
            match failures.failed(&policy, now, 0.0) {
                Verdict::Restart { after, .. } => waits.push(after.as_secs()),
                other => break other,
            }
        };
        assert_eq!(waits, [1, 2, 4, 4]);
        assert_eq!(verdict, Verdict::GiveUp { attempts: 4 });
    }

    #[test]
    fn a_task_that_ran_long_enough_starts_counting_anew() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        for _ in 0..4 {
            failures.failed(&policy(), now, 0.0);
        }
        failures.started(now);
        let later = now + Duration::from_secs(61);
        let expected = Verdict::Restart { attempt: 1, after: Duration::from_secs(1) };
        assert_eq!(failures.failed(&policy(), later, 0.0), expected);
    }

    #[test]
    fn chance_takes_up_to_a_fifth_off_a_wait() {
        let waited = |jitter| Failures::default().failed(&policy(), Instant::now(), jitter);
        let after = |millis| Verdict::Restart { attempt: 1, after: Duration::from_millis(millis) };
        assert_eq!((waited(0.0), waited(0.5), waited(1.0)), (after(1000), after(900), after(800)));
    }

    #[test]
    fn restarts_are_switched_off_by_the_connectors_own_key() {
        let config = ConfigMap::from([(RESTART_ENABLED.to_owned(), "False".to_owned())]);
        assert_eq!(Failures::default().failed(&policy().with(&config), Instant::now(), 0.0), Verdict::Leave);
    }
}
