//! Dates and times as SQLite databases hold them: text, milliseconds (JDBC's form) or Julian days.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Timelike};

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// A point in time, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant {
    pub seconds: i64,
    pub nanos: u32,
}

impl Instant {
    pub fn from_ms(ms: i64) -> Self {
        Self { seconds: ms.div_euclid(1_000), nanos: (ms.rem_euclid(1_000) * 1_000_000) as u32 }
    }

    /// SQLite keeps Julian days with a precision of about a millisecond.
    pub fn from_julian_day(day: f64) -> Option<Self> {
        let ms = ((day - 2_440_587.5) * DAY_MS as f64).round();
        (ms.abs() < 1e16).then(|| Self::from_ms(ms as i64))
    }

    /// `YYYY-MM-DD`, then optionally a `T` or a blank and `HH:MM[:SS[.fraction]]`, then optionally `Z` or `±HH:MM`.
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        let date = NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()?;
        let rest = &text[10..];
        if rest.is_empty() {
            return Some(Self::from_naive(date.and_time(NaiveTime::MIN), 0));
        }
        let (time, zone) = split_zone(rest.strip_prefix(['T', ' '])?)?;
        Some(Self::from_naive(date.and_time(time_from_text(time)?), zone))
    }

    /// Rounded as SQLite's own date functions round, so that a guest that compares with them sees the same millisecond.
    pub fn ms(self) -> Option<i64> {
        self.seconds.checked_mul(1_000)?.checked_add(i64::from((self.nanos + 500_000) / 1_000_000))
    }

    pub fn micros(self) -> Option<i64> {
        self.seconds.checked_mul(1_000_000)?.checked_add(i64::from(self.nanos / 1_000))
    }

    pub fn nanos_since_epoch(self) -> Option<i64> {
        self.seconds.checked_mul(1_000_000_000)?.checked_add(i64::from(self.nanos))
    }

    pub fn iso(self, digits: SecondsFormat) -> Option<String> {
        Some(DateTime::from_timestamp(self.seconds, self.nanos)?.to_rfc3339_opts(digits, true))
    }

    fn from_naive(local: NaiveDateTime, zone_seconds: i64) -> Self {
        let utc = local.and_utc();
        Self { seconds: utc.timestamp() - zone_seconds, nanos: utc.timestamp_subsec_nanos() }
    }
}

/// `HH:MM[:SS[.fraction]]` as milliseconds of the day.
pub fn time_ms_from_text(text: &str) -> Option<i32> {
    let time = time_from_text(text.trim())?;
    Some((time.num_seconds_from_midnight() * 1_000 + time.nanosecond() / 1_000_000) as i32)
}

fn time_from_text(text: &str) -> Option<NaiveTime> {
    let formats: &[&str] = if text.len() == 5 { &["%H:%M"] } else { &["%H:%M:%S%.f"] };
    formats.iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok())
}

/// The time without its zone, and the zone in seconds east.
fn split_zone(text: &str) -> Option<(&str, i64)> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else { return Some((text, 0)) };
    let (time, zone) = text.split_at(at);
    let (hours, minutes) = zone[1..].split_once(':').unwrap_or((zone.get(1..3)?, zone.get(3..).unwrap_or("")));
    let seconds =
        hours.parse::<i64>().ok()? * 3_600 + if minutes.is_empty() { 0 } else { minutes.parse::<i64>().ok()? * 60 };
    Some((time.trim_end(), if zone.starts_with('-') { -seconds } else { seconds }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_in_every_form_that_sqlite_writes() {
        let ms = |text: &str| Instant::from_text(text).and_then(Instant::ms);
        let expected = Some(1_767_323_045_000);
        for text in [
            "2026-01-02 03:04:05",
            "2026-01-02T03:04:05Z",
            "2026-01-02T05:04:05+02:00",
            "2026-01-02 03:04:05.000",
            "2026-01-01T22:04:05-0500",
        ] {
            assert_eq!(ms(text), expected, "{text}");
        }
        assert_eq!(ms("2026-01-02 03:04"), Some(1_767_323_040_000));
        assert_eq!(ms("2026-01-02"), Some(1_767_312_000_000));
        assert_eq!(Instant::from_text("1969-12-31 23:59:59.999999").unwrap().micros(), Some(-1));
        for text in ["", "yesterday", "2026-13-01", "2026-01-02 25:00:00", "2026-01-02x", "äääääääää"] {
            assert_eq!(ms(text), None, "{text}");
        }
        assert_eq!(Instant::from_julian_day(2_440_587.5).unwrap().ms(), Some(0));
        assert_eq!(time_ms_from_text("03:04:05.678"), Some(11_045_678));
    }
}
