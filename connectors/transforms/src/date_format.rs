//! Java's `SimpleDateFormat` patterns, in UTC and English.

use chrono::{DateTime, Datelike, Timelike, Utc};
use std::fmt::Write;

/// A pattern that was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct DateFormat(Vec<Part>);

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    /// A pattern letter and how often it stands.
    Letter(char, usize),
}

const LETTERS: &str = "yuMLdEaHkKhmsSDXZz";

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
                parts.push(Part::Letter(character, count));
            } else {
                parts.push(Part::Text(character.to_string()));
            }
        }
        Ok(Self(parts))
    }

    /// `None` for a time that no calendar has.
    pub fn format(&self, timestamp_ms: i64) -> Option<String> {
        let time = DateTime::from_timestamp_millis(timestamp_ms)?;
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Letter(letter, count) => write_letter(&time, *letter, *count, &mut out),
            }
        }
        Some(out)
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

fn write_letter(time: &DateTime<Utc>, letter: char, count: usize, out: &mut String) {
    let hour12 = match time.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let number = match letter {
        'y' if count == 2 => time.year().rem_euclid(100),
        'y' => time.year(),
        'u' => time.weekday().number_from_monday() as i32,
        'M' | 'L' if count >= 3 => {
            out.push_str(&time.format(if count == 3 { "%b" } else { "%B" }).to_string());
            return;
        }
        'M' | 'L' => time.month() as i32,
        'd' => time.day() as i32,
        'D' => time.ordinal() as i32,
        'H' => time.hour() as i32,
        'k' => {
            if time.hour() == 0 {
                24
            } else {
                time.hour() as i32
            }
        }
        'K' => (time.hour() % 12) as i32,
        'h' => hour12 as i32,
        'm' => time.minute() as i32,
        's' => time.second() as i32,
        'S' => time.timestamp_subsec_millis() as i32,
        other => {
            let text = match other {
                'E' => time.format(if count <= 3 { "%a" } else { "%A" }).to_string(),
                'a' => time.format("%p").to_string(),
                'Z' => "+0000".to_owned(),
                'X' => "Z".to_owned(),
                _ => "UTC".to_owned(),
            };
            out.push_str(&text);
            return;
        }
    };
    write!(out, "{number:0count$}").expect("writing into memory does not fail");
}
