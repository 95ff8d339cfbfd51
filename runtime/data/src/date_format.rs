//! Java's `SimpleDateFormat`, in UTC and English: what `TimestampRouter`, `TimestampConverter` and header texts use.
//!
//! As Java's it parses leniently: numbers may overflow into the next field (month 13 is January), and what stands behind the
//! last field is not looked at. Source: Java `SimpleDateFormat`, `CalendarBuilder`.

mod parse;

use crate::calendar::CivilDay;
use std::fmt::Write;

const MS_PER_DAY: i64 = 86_400_000;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// From Monday.
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A pattern that was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct DateFormat {
    pattern: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    /// A pattern letter and how often it stands.
    Letter(char, usize),
}

/// Week letters (`wWFY`) are left out: nobody's topic is named by them.
const LETTERS: &str = "GyuMLdEaHkKhmsSDXZz";

impl DateFormat {
    /// # Errors
    /// For a letter that is not known, or a quote that does not end.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = pattern.chars().peekable();
        while let Some(character) = rest.next() {
            if character == '\'' {
                parts.push(Part::Text(quoted(&mut rest)?));
            } else if character.is_ascii_alphabetic() {
                if !LETTERS.contains(character) {
                    return Err(format!("Illegal pattern character '{character}'"));
                }
                let mut count = 1;
                while rest.next_if_eq(&character).is_some() {
                    count += 1;
                }
                if character == 'X' && count > 3 {
                    return Err("invalid ISO 8601 format: length=".to_owned() + &count.to_string());
                }
                parts.push(Part::Letter(character, count));
            } else {
                parts.push(Part::Text(character.to_string()));
            }
        }
        Ok(Self { pattern: pattern.to_owned(), parts })
    }

    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The text of a time in milliseconds since the epoch.
    #[must_use]
    pub fn format(&self, timestamp_ms: i64) -> String {
        let time = Time::of(timestamp_ms);
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Letter(letter, count) => time.write(*letter, *count, &mut out),
            }
        }
        out
    }

    /// Milliseconds since the epoch; `None` when the text does not begin as the pattern wants.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<i64> {
        parse::parse(&self.parts, text)
    }
}

/// The text up to the closing quote; two quotes are one.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    if rest.next_if_eq(&'\'').is_some() {
        return Ok("'".to_owned());
    }
    let mut text = String::new();
    while let Some(character) = rest.next() {
        match character {
            '\'' if rest.next_if_eq(&'\'').is_none() => return Ok(text),
            other => text.push(other),
        }
    }
    Err("Unterminated quote".to_owned())
}

/// A time taken apart.
struct Time {
    days: i64,
    day: CivilDay,
    ms_of_day: i64,
}

impl Time {
    fn of(timestamp_ms: i64) -> Self {
        let days = timestamp_ms.div_euclid(MS_PER_DAY);
        Self { days, day: CivilDay::from_days(days), ms_of_day: timestamp_ms.rem_euclid(MS_PER_DAY) }
    }

    fn hour(&self) -> i64 {
        self.ms_of_day / 3_600_000
    }

    fn write(&self, letter: char, count: usize, out: &mut String) {
        let number = match letter {
            'M' | 'L' if count >= 3 => {
                return out.push_str(shortened(MONTHS[self.day.month as usize - 1], count));
            }
            'E' => return out.push_str(shortened(self.weekday(), count)),
            'G' => return out.push_str(if self.day.year > 0 { "AD" } else { "BC" }),
            'a' => return out.push_str(if self.hour() < 12 { "AM" } else { "PM" }),
            'Z' => return out.push_str("+0000"),
            'X' => return out.push('Z'),
            'z' => return out.push_str(if count >= 4 { "Coordinated Universal Time" } else { "UTC" }),
            'y' if count == 2 => self.year_of_era() % 100,
            'y' => self.year_of_era(),
            'u' => (self.days + 3).rem_euclid(7) + 1,
            'M' | 'L' => self.day.month.into(),
            'd' => self.day.day.into(),
            'D' => CivilDay::day_of_year(self.days),
            'H' => self.hour(),
            'k' if self.hour() == 0 => 24,
            'k' => self.hour(),
            'K' => self.hour() % 12,
            'h' if self.hour() % 12 == 0 => 12,
            'h' => self.hour() % 12,
            'm' => self.ms_of_day / 60_000 % 60,
            's' => self.ms_of_day / 1000 % 60,
            _ => self.ms_of_day % 1000,
        };
        write!(out, "{number:0count$}").expect("writing into memory does not fail");
    }

    fn weekday(&self) -> &'static str {
        WEEKDAYS[(self.days + 3).rem_euclid(7) as usize]
    }

    fn year_of_era(&self) -> i64 {
        if self.day.year > 0 { self.day.year } else { 1 - self.day.year }
    }
}

fn shortened(name: &'static str, count: usize) -> &'static str {
    if count >= 4 { name } else { &name[..3] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "yyyy-MM-dd'T'HH:mm:ss.SSS";

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: Option<&str>) {
        let parsed = DateFormat::new(pattern).unwrap().parse(text);
        let expected = expected.map(str::to_owned);
        assert_eq!(parsed.map(|ms| DateFormat::new(FULL).unwrap().format(ms)), expected, "{pattern} of {text}");
    }

    #[test]
    fn times_are_written_as_java_writes_them() {
        let text = |pattern: &str, ms: i64| DateFormat::new(pattern).unwrap().format(ms);
        assert_eq!(text("yyyy-MM-dd'T'HH:mm:ss.SSS''EEE", 1_483_425_001_864), "2017-01-03T06:30:01.864'Tue");
        assert_eq!(text("yy MMM MMMM D u k K h a X Z z", 0), "70 Jan January 1 4 24 0 12 AM Z +0000 UTC");
        assert_eq!(text(FULL, -12_219_292_800_001), "1582-10-04T23:59:59.999");
        assert_eq!(text("yyyy G", -62_200_000_000_000), "0003 BC");
    }

    #[test]
    fn times_are_read_leniently() {
        check("yyyy-MM-dd", "2019-13-23", Some("2020-01-23T00:00:00.000"));
        check("yyyy-MM-dd", "2019-1-2xx", Some("2019-01-02T00:00:00.000"));
        check("yyyy-MM-dd", "2019.01.02", None);
        check("yyyyMMddHHmm", "202001020304", Some("2020-01-02T03:04:00.000"));
        check("yyyyMMdd", "2020010", Some("2019-12-31T00:00:00.000"));
        check("yyyyMMddHH", "2020010", None);
        check("d MMM yyyy h:mm a", " 3  february 2020 12:30 pm", Some("2020-02-03T12:30:00.000"));
        check("HH:mm X", "10:00 +02:00", Some("1970-01-01T08:00:00.000"));
        check("HH:mm X", "10:00 +2", None);
        check("HH:mm XXX", "10:00 +02:00", Some("1970-01-01T08:00:00.000"));
        check("HH:mm Z", "10:00 -0130", Some("1970-01-01T11:30:00.000"));
        check("HH:mm z", "10:00 GMT", Some("1970-01-01T10:00:00.000"));
        check("E, D yyyy", "Tue, 32 2021", Some("2021-02-01T00:00:00.000"));
    }

    #[test]
    fn a_wrong_pattern_says_why() {
        assert!(DateFormat::new("b").unwrap_err().contains("Illegal pattern"));
        assert!(DateFormat::new("'a").unwrap_err().contains("Unterminated"));
    }
}
