//! The way back: a text to a time, field by field.

use super::{MONTHS, MS_PER_DAY, Part, WEEKDAYS};
use crate::calendar::CivilDay;

/// What was read. Of fields that exclude each other the last one counts, as in Java's calendar.
#[derive(Default)]
struct Fields {
    year: Option<i64>,
    is_before_christ: bool,
    month: i64,
    day: Option<Day>,
    hour: Option<Hour>,
    is_afternoon: bool,
    minute: i64,
    second: i64,
    ms: i64,
    offset_ms: i64,
}

#[derive(Clone, Copy)]
enum Day {
    OfMonth(i64),
    OfYear(i64),
}

#[derive(Clone, Copy)]
enum Hour {
    OfDay(i64),
    OfHalf(i64),
}

pub fn parse(parts: &[Part], text: &str) -> Option<i64> {
    let mut fields = Fields::default();
    let mut rest = text;
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Text(expected) => rest = rest.strip_prefix(expected.as_str())?,
            Part::Letter(letter, count) => {
                // Numbers that touch each other end where their count of letters says.
                let is_abutting = matches!(parts.get(index + 1), Some(Part::Letter(..)));
                rest = fields.read(*letter, *count, is_abutting, rest)?;
            }
        }
    }
    // Java refuses when nothing at all was consumed.
    (rest.len() < text.len()).then(|| fields.time())
}

impl Fields {
    /// The rest behind this field.
    fn read<'a>(&mut self, letter: char, count: usize, is_abutting: bool, text: &'a str) -> Option<&'a str> {
        let blanks = text.len() - text.trim_start_matches([' ', '\t']).len();
        let text = &text[blanks..];
        if text.is_empty() {
            return None;
        }
        match letter {
            'M' | 'L' if count >= 3 => {
                let (index, rest) = name(text, &MONTHS)?;
                self.month = index as i64;
                return Some(rest);
            }
            'E' => return name(text, &WEEKDAYS).map(|(_, rest)| rest),
            'a' | 'G' => {
                let names = if letter == 'a' { ["AM", "PM"] } else { ["BC", "AD"] };
                let index = names.iter().position(|name| starts_with(text, name))?;
                match letter {
                    'a' => self.is_afternoon = index == 1,
                    _ => self.is_before_christ = index == 0,
                }
                return Some(&text[2..]);
            }
            'z' | 'Z' => return self.read_zone(text),
            'X' => return self.read_iso_zone(text, count),
            _ => {}
        }
        // The blanks count as part of a field of fixed width.
        let width = if is_abutting { Some(count.checked_sub(blanks)?) } else { None };
        let (value, rest) = number(text, width)?;
        let digits = text.len() - rest.len();
        match letter {
            'y' if count <= 2 && digits == 2 && !text.starts_with('-') => self.year = Some(two_digit_year(value)),
            'y' => self.year = Some(value),
            'M' | 'L' => self.month = value - 1,
            'd' => self.day = Some(Day::OfMonth(value)),
            'D' => self.day = Some(Day::OfYear(value)),
            'H' => self.hour = Some(Hour::OfDay(value)),
            'k' => self.hour = Some(Hour::OfDay(if value == 24 { 0 } else { value })),
            'K' => self.hour = Some(Hour::OfHalf(value)),
            'h' => self.hour = Some(Hour::OfHalf(if value == 12 { 0 } else { value })),
            'm' => self.minute = value,
            's' => self.second = value,
            'S' => self.ms = value,
            _ => {}
        }
        Some(rest)
    }

    /// `+hhmm`, `-hhmm`, `GMT`, `UTC`, `GMT+hh:mm`.
    fn read_zone<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        if let Some((sign, rest)) = sign(text) {
            return self.read_offset(sign, rest, 4, false);
        }
        let rest = ["GMT", "UTC"].iter().find(|name| starts_with(text, name)).map(|name| &text[name.len()..])?;
        match sign(rest) {
            Some((sign, digits)) if starts_with(text, "GMT") => self.read_offset(sign, digits, 4, true),
            _ => Some(rest),
        }
    }

    /// `Z`, `+hh` (one letter), `+hhmm` (two), `+hh:mm` (three).
    fn read_iso_zone<'a>(&mut self, text: &'a str, count: usize) -> Option<&'a str> {
        if let Some(rest) = text.strip_prefix('Z') {
            return Some(rest);
        }
        let (sign, rest) = sign(text)?;
        self.read_offset(sign, rest, if count == 1 { 2 } else { 4 }, count == 3)
    }

    fn read_offset<'a>(&mut self, sign: i64, text: &'a str, digits: usize, colon: bool) -> Option<&'a str> {
        let two = |text: &str| text.get(..2).filter(|two| two.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok();
        let hours: i64 = two(text)?;
        let mut rest = &text[2..];
        let mut minutes = 0;
        if digits == 4 {
            rest = if colon { rest.strip_prefix(':')? } else { rest };
            minutes = two(rest)?;
            rest = &rest[2..];
        }
        if hours > 23 || minutes > 59 {
            return None;
        }
        self.offset_ms = sign * (hours * 60 + minutes) * 60_000;
        Some(rest)
    }

    fn time(&self) -> i64 {
        let year = self.year.unwrap_or(1970);
        let year = if self.is_before_christ { 1 - year } else { year };
        let days = match self.day {
            Some(Day::OfYear(day)) => CivilDay::to_days(year, 0, 1) + day - 1,
            Some(Day::OfMonth(day)) => CivilDay::to_days(year, self.month, day),
            None => CivilDay::to_days(year, self.month, 1),
        };
        let hours = match self.hour {
            Some(Hour::OfDay(hour)) => hour,
            Some(Hour::OfHalf(hour)) => hour + if self.is_afternoon { 12 } else { 0 },
            None if self.is_afternoon => 12,
            None => 0,
        };
        let seconds = (hours * 60 + self.minute) * 60 + self.second;
        days.wrapping_mul(MS_PER_DAY).wrapping_add(seconds * 1000 + self.ms - self.offset_ms)
    }
}

/// The longest number at the start, of at most `width` characters when that is given.
fn number(text: &str, width: Option<usize>) -> Option<(i64, &str)> {
    let available = match width {
        // A field of fixed width needs all of it.
        Some(width) => text.get(..width)?,
        None => text,
    };
    let unsigned = available.strip_prefix('-').unwrap_or(available);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let value: i64 = match unsigned[..digits].parse::<i64>() {
        Ok(value) => value,
        Err(_) if digits > 0 => i64::MAX,
        Err(_) => return None,
    };
    let is_negative = unsigned.len() < available.len();
    let rest = &text[digits + usize::from(is_negative)..];
    // Java's int: the low bits of a long.
    let value = i64::from(value as i32);
    Some((if is_negative { -value } else { value }, rest))
}

/// The full name or its first three letters, in any case.
fn name<'a>(text: &'a str, names: &[&str]) -> Option<(usize, &'a str)> {
    let full = names.iter().position(|name| starts_with(text, name)).map(|index| (index, names[index].len()));
    let (index, length) =
        full.or_else(|| names.iter().position(|name| starts_with(text, &name[..3])).map(|index| (index, 3)))?;
    Some((index, &text[length..]))
}

fn starts_with(text: &str, name: &str) -> bool {
    text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

fn sign(text: &str) -> Option<(i64, &str)> {
    text.strip_prefix('+').map(|rest| (1, rest)).or_else(|| text.strip_prefix('-').map(|rest| (-1, rest)))
}

/// Within 80 years before and 20 years after today.
fn two_digit_year(value: i64) -> i64 {
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.as_millis());
    let start = CivilDay::from_days((now_ms / MS_PER_DAY as u128) as i64).year - 80;
    let century = start.div_euclid(100) * 100;
    century + value + if value < start.rem_euclid(100) { 100 } else { 0 }
}
