//! Civil time without a clock: dates of milliseconds since the epoch, ISO 8601, fixed time zones.

/// A moment in some zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    pub month: u32,
    pub day: u32,
    pub day_of_year: u32,
    /// 1 is Monday.
    pub weekday: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub millisecond: u32,
}

const DAY_MS: i64 = 86_400_000;

impl Civil {
    /// Source: Howard Hinnant, `civil_from_days`.
    #[must_use]
    pub fn of_millis(millis: i64) -> Self {
        let days = millis.div_euclid(DAY_MS);
        let in_day = millis.rem_euclid(DAY_MS) as u32;
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_shifted_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_shifted_year + 2) / 153;
        let day = (day_of_shifted_year - (153 * shifted_month + 2) / 5 + 1) as u32;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            year,
            month,
            day,
            day_of_year: (days - days_of(year, 1, 1) + 1) as u32,
            weekday: (days + 3).rem_euclid(7) as u32 + 1,
            hour: in_day / 3_600_000,
            minute: in_day / 60_000 % 60,
            second: in_day / 1000 % 60,
            millisecond: in_day % 1000,
        }
    }
}

/// Days since the epoch of a date. Source: Howard Hinnant, `days_from_civil`.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The zone's distance from UTC: `UTC`, `GMT`, `Z`, `+02:00`, `GMT-3`.
#[must_use]
pub fn parse_zone(zone: &str) -> Option<i64> {
    let rest =
        ["Etc/UTC", "Etc/GMT", "UTC", "GMT", "Z"].iter().find_map(|name| zone.strip_prefix(name)).unwrap_or(zone);
    if rest.is_empty() {
        return Some(0);
    }
    // POSIX turned the signs of Etc/GMT+2 around: nobody means that.
    if zone.starts_with("Etc/") {
        return None;
    }
    parse_offset(rest)
}

fn parse_offset(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
        None => (digits, "0"),
    };
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..=18).contains(&hours) && (0..60).contains(&minutes)).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// Milliseconds of `2024-02-29`, `2024-02-29T12:34:56.789Z`, `2024-02-29 12:34:56+02:00`; without a zone it is UTC.
#[must_use]
pub fn parse_iso(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    if &text[4..5] != "-" || &text[7..8] != "-" || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let midnight = days_of(year, month, day) * DAY_MS;
    if text.len() == 10 {
        return Some(midnight);
    }
    if !matches!(text.as_bytes()[10], b'T' | b't' | b' ') {
        return None;
    }
    let (hour, minute) = (number(11..13)?, number(14..16)?);
    let mut rest = text.get(16..)?;
    let mut millis = (hour * 60 + minute) * 60_000;
    if rest.starts_with(':') {
        millis += number(17..19)? * 1000;
        rest = &text[19..];
    }
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        millis += format!("{:0<3}", &fraction[..length]).get(..3)?.parse::<i64>().ok()?;
        rest = &fraction[length..];
    }
    let offset = if rest.is_empty() { 0 } else { parse_zone(rest.trim())? };
    (hour < 24 && minute < 60).then_some(midnight + millis - offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let leap = Civil::of_millis(1_709_210_096_789);
        let expected = Civil {
            year: 2024,
            month: 2,
            day: 29,
            day_of_year: 60,
            weekday: 4,
            hour: 12,
            minute: 34,
            second: 56,
            millisecond: 789,
        };
        assert_eq!(leap, expected);
        let before = Civil::of_millis(-1);
        assert_eq!((before.year, before.month, before.day, before.hour), (1969, 12, 31, 23));
        for days in (-800_000..800_000).step_by(13) {
            let civil = Civil::of_millis(days * DAY_MS);
            assert_eq!(days_of(civil.year, civil.month.into(), civil.day.into()), days);
        }
    }

    #[test]
    fn iso_texts_are_moments() {
        for (text, millis) in [
            ("1970-01-01", Some(0)),
            ("2024-02-29T12:34:56.789Z", Some(1_709_210_096_789)),
            ("2024-02-29 14:34:56,7891+02:00", Some(1_709_210_096_789)),
            ("2024-02-29T12:34", Some(1_709_210_040_000)),
            ("2024-02-29T12:34:56.7", Some(1_709_210_096_700)),
            ("29.02.2024", None),
            ("2024-13-01", None),
            ("2024-02-29X", None),
            ("2024-02-29T99:00", None),
            ("ä024-02-29", None),
            ("", None),
        ] {
            assert_eq!(parse_iso(text), millis, "{text}");
        }
    }

    #[test]
    fn zones_are_fixed_distances() {
        for (zone, minutes) in [
            ("UTC", Some(0)),
            ("Etc/UTC", Some(0)),
            ("+02:00", Some(120)),
            ("GMT-3", Some(-180)),
            ("+0530", Some(330)),
            ("Europe/Berlin", None),
            ("+99:00", None),
            ("Etc/GMT+2", None),
        ] {
            assert_eq!(parse_zone(zone), minutes.map(|minutes| minutes * 60_000), "{zone}");
        }
    }
}
