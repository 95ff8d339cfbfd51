//! How many rows are due. Pure: the clock is passed in.

/// How fast rows are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    Unlimited,
    PerSecond(f64),
}

/// A task that was held up makes up for at most so much.
const BURST_MS: u64 = 1_000;

/// Rows of very slow rates are looked for now and then.
const WAIT_MS_MAX: f64 = 60_000.0;

/// Counts rows against the time since the start.
#[derive(Debug)]
pub struct Pace {
    rate: Rate,
    start_ms: u64,
    made: u64,
}

impl Pace {
    pub fn new(rate: Rate, now_ms: u64) -> Self {
        Self { rate, start_ms: now_ms, made: 0 }
    }

    /// Rows that should have been made by now and were not.
    pub fn due(&mut self, now_ms: u64) -> u64 {
        let Rate::PerSecond(rows) = self.rate else { return u64::MAX };
        let wanted = |from_ms: u64| (now_ms.saturating_sub(from_ms) as f64 * rows / 1_000.0) as u64;
        let due = wanted(self.start_ms).saturating_sub(self.made);
        let burst = (rows * BURST_MS as f64 / 1_000.0).max(1.0) as u64;
        if due > burst {
            // What is behind by more than the burst is given up, or a long backpressure would end in a flood.
            self.made += due - burst;
        }
        due.min(burst)
    }

    pub fn made(&mut self, rows: u64) {
        self.made += rows;
    }

    /// How long until the next row is due; 0: it is.
    pub fn wait_ms(&self, now_ms: u64) -> u32 {
        let Rate::PerSecond(rows) = self.rate else { return 0 };
        let next_ms = self.start_ms as f64 + (self.made + 1) as f64 * 1_000.0 / rows;
        (next_ms - now_ms as f64).ceil().clamp(0.0, WAIT_MS_MAX) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_at_the_rate() {
        let mut pace = Pace::new(Rate::PerSecond(100.0), 0);
        let mut made = 0;
        for now_ms in (0..=10_000).step_by(70) {
            let due = pace.due(now_ms);
            pace.made(due);
            made += due;
        }
        assert_eq!(made, 994);
    }

    #[test]
    fn a_held_up_task_does_not_flood() {
        let mut pace = Pace::new(Rate::PerSecond(100.0), 0);
        let due = pace.due(60_000);
        assert_eq!(due, 100);
        pace.made(due);
        assert_eq!(pace.due(60_500), 50);
    }

    #[test]
    fn slow_rates_wait_for_whole_rows() {
        let mut pace = Pace::new(Rate::PerSecond(0.5), 0);
        assert_eq!((pace.due(1_999), pace.due(2_000)), (0, 1));
    }

    #[test]
    fn the_wait_ends_when_the_next_row_is_due() {
        let mut pace = Pace::new(Rate::PerSecond(3.0), 100);
        assert_eq!((pace.wait_ms(100), pace.wait_ms(430), pace.wait_ms(434)), (334, 4, 0));
        assert_eq!((pace.due(433), pace.due(434)), (0, 1));
        pace.made(1);
        assert_eq!(pace.wait_ms(440), 327);
        assert_eq!(Pace::new(Rate::Unlimited, 0).wait_ms(9), 0);
    }
}
