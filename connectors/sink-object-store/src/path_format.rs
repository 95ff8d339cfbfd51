//! Directory patterns in Joda's form: `'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH`.

use crate::time::Civil;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFormat(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(char, usize),
}

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
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// More of one letter than any pattern means; the length of a path stays bounded.
const WIDTH_MAX: usize = 16;

impl PathFormat {
    /// # Errors
    /// A letter without a meaning here, or a quote without its end.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some(first) = rest.chars().next() {
            if first == '\'' {
                let (literal, behind) =
                    quoted(&rest[1..]).ok_or_else(|| format!("{pattern:?} has a quote without its end"))?;
                parts.push(Part::Literal(literal));
                rest = behind;
                continue;
            }
            let behind = rest.trim_start_matches(first);
            let width = (rest.len() - behind.len()) / first.len_utf8();
            if first.is_ascii_alphabetic() {
                if !"YyMdDHhkKmsSEea".contains(first) || width > WIDTH_MAX {
                    return Err(format!(
                        "{pattern:?} has the letters {:?}, which have no meaning here: quote text as 'text'",
                        &rest[..width]
                    ));
                }
                parts.push(Part::Field(first, width));
            } else {
                parts.push(Part::Literal(rest[..rest.len() - behind.len()].to_owned()));
            }
            rest = behind;
        }
        Ok(Self(parts))
    }

    #[must_use]
    pub fn format(&self, civil: &Civil) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.clone(),
                Part::Field(letter, width) => field(*letter, *width, civil),
            })
            .collect()
    }
}

/// Up to the closing quote; `''` is one quote, inside and outside.
fn quoted(text: &str) -> Option<(String, &str)> {
    if let Some(behind) = text.strip_prefix('\'') {
        return Some(("'".to_owned(), behind));
    }
    let mut literal = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('\'')?;
        literal.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(behind) => {
                literal.push('\'');
                rest = behind;
            }
            None => return Some((literal, rest)),
        }
    }
}

fn field(letter: char, width: usize, civil: &Civil) -> String {
    let named = |name: &str| if width > 3 { name.to_owned() } else { name[..3].to_owned() };
    let number = match letter {
        'Y' | 'y' if width == 2 => civil.year.rem_euclid(100),
        'Y' | 'y' => civil.year,
        'M' if width > 2 => return named(MONTHS[civil.month as usize - 1]),
        'M' => civil.month.into(),
        'd' => civil.day.into(),
        'D' => civil.day_of_year.into(),
        'H' => civil.hour.into(),
        'k' => {
            if civil.hour == 0 {
                24
            } else {
                civil.hour.into()
            }
        }
        'K' => (civil.hour % 12).into(),
        'h' => {
            if civil.hour.is_multiple_of(12) {
                12
            } else {
                (civil.hour % 12).into()
            }
        }
        'm' => civil.minute.into(),
        's' => civil.second.into(),
        'S' => {
            let digits = format!("{:03}", civil.millisecond);
            return format!("{digits:0<width$}")[..width].to_owned();
        }
        'a' => return if civil.hour < 12 { "AM".into() } else { "PM".into() },
        'E' => return named(DAYS[civil.weekday as usize - 1]),
        _ => civil.weekday.into(),
    };
    format!("{number:0width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, expected: &str) {
        let format = PathFormat::parse(pattern).unwrap();
        assert_eq!(format.format(&Civil::of_millis(1_709_210_096_089)), expected);
    }

    #[test]
    fn patterns_read_as_in_joda() {
        check("'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH", "year=2024/month=02/day=29/hour=12");
        check("yy-M-d_HHmmss.SSS", "24-2-29_123456.089");
        check("'dt'=yyyy-MM-dd", "dt=2024-02-29");
        check("EEE MMM EEEE MMMM a h D", "Thu Feb Thursday February PM 12 60");
        check("''yyyy'o''clock'", "'2024o'clock");
        check("", "");
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        assert!(PathFormat::parse("year=YYYY").is_err());
        assert!(PathFormat::parse("'year=YYYY").is_err());
        assert!(PathFormat::parse(&"Y".repeat(17)).is_err());
    }
}
