//! Times and spans, as people write them on a command line.

use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, TimeZone};

/// ms since the epoch of `2026-11-21T10:00:00.000Z` (or with an offset; without one, in the local time zone), of a date, of
/// `@1795255200000` or a bare number of ms.
pub fn parse_time(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text} is no time; write 2026-11-21T10:00:00Z or @ and the milliseconds since 1970");
    if let Ok(ms) = text.strip_prefix('@').unwrap_or(text).parse::<i64>() {
        return Ok(ms);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp_millis());
    }
    // Kafka's tools take an offset without its colon, too.
    if let Ok(time) = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z") {
        return Ok(time.timestamp_millis());
    }
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
        .ok_or_else(wrong)?;
    Local.from_local_datetime(&local).earliest().map(|time| time.timestamp_millis()).ok_or_else(wrong)
}

/// ms of `PT1H30M`, `P2DT3H` (ISO 8601, as Kafka's tools take it), or `90m`, `36h`, `2d`, `45s`, `500ms`.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text} is no duration; write PT1H30M, or 90m");
    let simple = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    if let Some(ms) =
        simple.iter().find_map(|(unit, ms)| text.strip_suffix(unit)?.parse::<i64>().ok()?.checked_mul(*ms))
    {
        return Ok(ms);
    }
    let (mut total, mut number, mut in_time, mut parts) = (0i64, String::new(), false, 0);
    for character in text.strip_prefix('P').ok_or_else(wrong)?.chars() {
        let unit_ms = match (character, in_time) {
            ('0'..='9', _) => {
                number.push(character);
                continue;
            }
            ('T', false) if number.is_empty() => {
                in_time = true;
                continue;
            }
            ('W', false) => 7 * 86_400_000,
            ('D', false) => 86_400_000,
            ('H', true) => 3_600_000,
            ('M', true) => 60_000,
            ('S', true) => 1_000,
            _ => return Err(wrong()),
        };
        let count: i64 = number.parse().map_err(|_| wrong())?;
        total = count.checked_mul(unit_ms).and_then(|ms| total.checked_add(ms)).ok_or_else(wrong)?;
        number.clear();
        parts += 1;
    }
    if parts == 0 || !number.is_empty() { Err(wrong()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_offset_or_as_milliseconds() {
        for text in
            ["2026-11-21T10:00:00Z", "2026-11-21T11:00:00.000+01:00", "2026-11-21T11:00:00.000+0100", "@1795255200000"]
        {
            assert_eq!(parse_time(text), Ok(1_795_255_200_000), "{text}");
        }
        let local = parse_time("2026-11-21T10:00:00").unwrap();
        assert!((local - 1_795_255_200_000).abs() <= 14 * 3_600_000);
        assert_eq!(parse_time("2026-11-21T00:00"), parse_time("2026-11-21"));
        assert!(parse_time("yesterday").is_err());
    }

    #[test]
    fn durations_are_kafkas_or_short() {
        for text in ["PT1H30M", "90m", "5400s", "5400000ms"] {
            assert_eq!(parse_duration(text), Ok(5_400_000), "{text}");
        }
        assert_eq!(parse_duration("P1DT1S"), Ok(86_401_000));
        for bad in ["", "P", "PT", "1H", "PT5", "P5M", "PTM", "99999999999999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
