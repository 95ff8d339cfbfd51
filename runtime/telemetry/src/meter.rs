//! [`Meter`]: one thing that is measured, and the numbers that are shown of it. Taken once per batch, never per record.
//!
//! Rates, means and extremes are those of the last 30 to 60 seconds: two samples of 30 seconds each, the older one goes when a
//! third begins. Source: Kafka `SampledStat`, with its defaults.

use parking_lot::Mutex;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

const SAMPLE: Duration = Duration::from_secs(30);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Since the first metric of this process.
fn now() -> Duration {
    START.elapsed()
}

/// Which number of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// Everything that was ever added.
    Total,
    /// Of what was added, per second.
    Rate,
    /// What was set last.
    Last,
    Min,
    Max,
    Avg,
    /// One minus the mean.
    Rest,
    /// The mean of what was set, each by how long it held, since the meter was made.
    Share,
    /// Seconds since something was set or added.
    Age,
}

/// Cheap to clone; clones share what is measured.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    total: f64,
    last: f64,
    made: Duration,
    changed: Option<Duration>,
    /// What was set before `last`, times the seconds that it held.
    held: f64,
    current: Sample,
    before: Option<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    start: Duration,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Default for Meter {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State::new(now()))))
    }
}

impl Meter {
    pub fn increment(&self, count: u64) {
        self.add(count as f64);
    }

    pub fn add(&self, amount: f64) {
        self.0.lock().add(amount, now());
    }

    pub fn set(&self, value: f64) {
        self.0.lock().set(value, now());
    }

    /// In milliseconds.
    pub fn took(&self, time: Duration) {
        self.set(time.as_secs_f64() * 1e3);
    }

    #[must_use]
    pub fn shown(&self, shown: Shown) -> f64 {
        self.0.lock().shown(shown, now())
    }
}

impl State {
    fn new(now: Duration) -> Self {
        let current = Sample::new(now);
        Self { total: 0.0, last: 0.0, made: now, changed: None, held: 0.0, current, before: None }
    }

    fn add(&mut self, amount: f64, now: Duration) {
        self.total += amount;
        self.changed = Some(now);
        self.sample(amount, now);
    }

    fn set(&mut self, value: f64, now: Duration) {
        self.held = self.held_until(now);
        (self.last, self.changed) = (value, Some(now));
        self.sample(value, now);
    }

    fn held_until(&self, now: Duration) -> f64 {
        self.held + self.last * now.saturating_sub(self.changed.unwrap_or(now)).as_secs_f64()
    }

    fn sample(&mut self, value: f64, now: Duration) {
        if now.saturating_sub(self.current.start) >= SAMPLE {
            self.before = Some(std::mem::replace(&mut self.current, Sample::new(now)));
        }
        let sample = &mut self.current;
        sample.count += 1;
        sample.sum += value;
        (sample.min, sample.max) = (sample.min.min(value), sample.max.max(value));
    }

    fn shown(&self, shown: Shown, now: Duration) -> f64 {
        let samples = || self.before.iter().chain([&self.current]);
        let recent = || samples().filter(|sample| sample.count > 0 && now.saturating_sub(sample.start) < 2 * SAMPLE);
        let count: u64 = recent().map(|sample| sample.count).sum();
        let sum: f64 = recent().map(|sample| sample.sum).sum();
        // Without a sample there is no mean: not a number, as in Kafka.
        let avg = if count == 0 { f64::NAN } else { sum / count as f64 };
        match shown {
            Shown::Total => self.total,
            Shown::Rate => {
                let since = recent().map(|sample| now.saturating_sub(sample.start)).max().unwrap_or_default();
                sum / since.max(SAMPLE).as_secs_f64()
            }
            Shown::Last => self.last,
            Shown::Min => recent().map(|sample| sample.min).fold(f64::NAN, f64::min),
            Shown::Max => recent().map(|sample| sample.max).fold(f64::NAN, f64::max),
            Shown::Avg => avg,
            Shown::Rest => 1.0 - avg,
            Shown::Share => {
                let age = now.saturating_sub(self.made).as_secs_f64();
                if age > 0.0 { self.held_until(now) / age } else { self.last }
            }
            Shown::Age => self.changed.map_or(f64::NAN, |changed| now.saturating_sub(changed).as_secs_f64()),
        }
    }
}

impl Sample {
    fn new(start: Duration) -> Self {
        Self { start, count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Shown {
    /// Prometheus' word for it.
    #[must_use]
    pub fn kind(self) -> &'static str {
        if self == Self::Total { "counter" } else { "gauge" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_rate_is_over_30_to_60_seconds_and_falls_to_nothing_behind_them() {
        let mut state = State::new(at(100));
        state.add(60.0, at(100));
        assert_eq!(state.shown(Shown::Rate, at(110)), 2.0, "one burst is not a rate of six");
        state.add(60.0, at(130));
        assert_eq!(state.shown(Shown::Rate, at(140)), 3.0);
        assert_eq!(state.shown(Shown::Rate, at(160)), 2.0, "the older sample is gone");
        assert_eq!(state.shown(Shown::Rate, at(190)), 0.0);
        assert_eq!(state.shown(Shown::Total, at(190)), 120.0);
        assert_eq!(state.shown(Shown::Age, at(190)), 60.0);
    }

    #[test]
    fn means_and_extremes_are_of_recent_values_and_then_no_number() {
        let mut state = State::new(at(0));
        for (value, second) in [(8.0, 0), (2.0, 10), (5.0, 40)] {
            state.set(value, at(second));
        }
        let shown = |second, shown| state.shown(shown, at(second));
        assert_eq!([Shown::Min, Shown::Max, Shown::Avg, Shown::Last].map(|what| shown(41, what)), [2.0, 8.0, 5.0, 5.0]);
        assert_eq!((shown(70, Shown::Max), shown(70, Shown::Rest)), (5.0, -4.0));
        assert!(shown(200, Shown::Max).is_nan() && shown(200, Shown::Avg).is_nan());
        assert_eq!(shown(200, Shown::Last), 5.0);
    }

    #[test]
    fn a_share_weighs_each_value_by_how_long_it_held() {
        let mut state = State::new(at(0));
        state.set(1.0, at(10));
        state.set(0.0, at(40));
        assert_eq!(state.shown(Shown::Share, at(100)), 0.3);
        state.set(1.0, at(100));
        assert_eq!(state.shown(Shown::Share, at(200)), 0.65);
    }
}
