//! A clock that stands still until a test moves it.

use super::Watched;
use sluice_worker::Clock;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Times {
    now: Duration,
    /// How far the wall clock was set, ms.
    set_by_ms: i64,
    /// When each sleeper wakes.
    deadlines: Vec<Duration>,
}

#[derive(Default)]
pub struct ManualClock(Watched<Times>);

/// Wall clock at the start, ms: no multiple of anything round.
pub const START_MS: i64 = 1_700_000_000_123;

impl ManualClock {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn advance(&self, duration: Duration) {
        self.0.change(|times| times.now += duration);
    }

    /// As an administrator sets the wall clock; nobody wakes.
    pub fn set_wall_clock_by(&self, ms: i64) {
        self.0.change(|times| times.set_by_ms += ms);
    }

    /// Returns once somebody sleeps until exactly then.
    pub async fn until_somebody_waits_for(&self, deadline: Duration) {
        self.0.until("a sleeper", |times| times.deadlines.contains(&deadline)).await;
    }
}

#[async_trait::async_trait]
impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        START_MS + self.0.look(|times| times.now.as_millis() as i64 + times.set_by_ms)
    }

    fn monotonic(&self) -> Duration {
        self.0.look(|times| times.now)
    }

    async fn sleep(&self, duration: Duration) {
        let deadline = self.0.change(|times| {
            let deadline = times.now + duration;
            times.deadlines.push(deadline);
            deadline
        });
        let _woken = Woken { clock: self, deadline };
        let mut times = self.0.0.subscribe();
        let _ = times.wait_for(|times| times.now >= deadline).await;
    }
}

struct Woken<'a> {
    clock: &'a ManualClock,
    deadline: Duration,
}

impl Drop for Woken<'_> {
    fn drop(&mut self) {
        self.clock.0.change(|times| {
            let at = times.deadlines.iter().position(|deadline| *deadline == self.deadline);
            at.map(|at| times.deadlines.swap_remove(at))
        });
    }
}
