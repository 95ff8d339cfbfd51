//! Which version of a plugin is wanted. Source: KIP-891, Maven's version ranges; a bare version means exactly that one.

use std::cmp::Ordering;
use std::fmt;

/// What a `*.plugin.version` key asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionRange {
    /// No version, or `latest`.
    Latest,
    /// Any of these intervals.
    Intervals(Vec<Interval>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    min: Option<String>,
    max: Option<String>,
    is_min_included: bool,
    is_max_included: bool,
}

/// The text is no version and no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid version specification: {specification}")]
pub struct VersionError {
    pub specification: String,
}

impl VersionRange {
    /// # Errors
    /// [`VersionError`].
    pub fn parse(text: Option<&str>) -> Result<Self, VersionError> {
        let Some(text) = text.map(str::trim).filter(|text| !text.eq_ignore_ascii_case("latest")) else {
            return Ok(Self::Latest);
        };
        if !text.starts_with(['[', '(']) {
            let exact = Some(text.to_owned()).filter(|text| !text.is_empty());
            let interval = Interval { min: exact.clone(), max: exact, is_min_included: true, is_max_included: true };
            return Ok(Self::Intervals(vec![interval]));
        }
        let failed = || VersionError { specification: text.to_owned() };
        let mut intervals = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find([']', ')']).ok_or_else(failed)?;
            intervals.push(Interval::parse(&rest[..=end]).ok_or_else(failed)?);
            rest = rest[end + 1..].trim_start_matches([',', ' ']);
        }
        Ok(Self::Intervals(intervals))
    }

    /// This version and no other.
    #[must_use]
    pub fn exactly(version: &str) -> Self {
        let bound = Some(version.to_owned());
        Self::Intervals(vec![Interval { min: bound.clone(), max: bound, is_min_included: true, is_max_included: true }])
    }

    #[must_use]
    pub fn contains(&self, version: &str) -> bool {
        match self {
            Self::Latest => true,
            Self::Intervals(intervals) => intervals.iter().any(|interval| interval.contains(version)),
        }
    }
}

impl Interval {
    /// `[1.0,2.0)`, `[1.0]`, `(,3.0]`
    fn parse(text: &str) -> Option<Self> {
        let is_min_included = text.starts_with('[');
        let is_max_included = text.ends_with(']');
        let inner = text.strip_prefix(['[', '('])?.strip_suffix([']', ')'])?;
        let bound = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let (min, max) = match inner.split_once(',') {
            Some((min, max)) if !max.contains(',') => (bound(min), bound(max)),
            Some(_) => return None,
            None => {
                let exact = bound(inner).filter(|_| is_min_included && is_max_included)?;
                (Some(exact.clone()), Some(exact))
            }
        };
        if let (Some(min), Some(max)) = (&min, &max)
            && compare(min, max) == Ordering::Greater
        {
            return None;
        }
        Some(Self { min, max, is_min_included, is_max_included })
    }

    fn contains(&self, version: &str) -> bool {
        if self.min.is_none() && self.max.is_none() {
            // The empty version that somebody wrote is none that there is.
            return !(self.is_min_included && self.is_max_included);
        }
        let above = self.min.as_ref().is_none_or(|min| match compare(version, min) {
            Ordering::Less => false,
            Ordering::Equal => self.is_min_included,
            Ordering::Greater => true,
        });
        let below = self.max.as_ref().is_none_or(|max| match compare(version, max) {
            Ordering::Less => true,
            Ordering::Equal => self.is_max_included,
            Ordering::Greater => false,
        });
        above && below
    }
}

/// As Maven writes ranges.
impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Intervals(intervals) = self else { return f.write_str("latest") };
        for (index, interval) in intervals.iter().enumerate() {
            let bound = |bound: &Option<String>| bound.clone().unwrap_or_default();
            let comma = if index > 0 { "," } else { "" };
            let (open, close) =
                (if interval.is_min_included { '[' } else { '(' }, if interval.is_max_included { ']' } else { ')' });
            write!(f, "{comma}{open}{},{}{close}", bound(&interval.min), bound(&interval.max))?;
        }
        Ok(())
    }
}

/// Number by number; a word comes before the number 0 and before nothing (`1.0-beta` < `1.0`).
#[must_use]
pub fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (tokens(left), tokens(right));
    let length = left.len().max(right.len());
    left.resize(length, Token::Number(0));
    right.resize(length, Token::Number(0));
    left.cmp(&right)
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Word(String),
    Number(u64),
}

fn tokens(version: &str) -> Vec<Token> {
    let parts = version.split(['.', '-', '_', '+']).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().map_or_else(|_| Token::Word(part.to_lowercase()), Token::Number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_maven_says_they_hold() {
        for (range, version, expected) in [
            (None, "1.0", true),
            (Some("latest"), "0.1", true),
            (Some("1.2.3"), "1.2.3", true),
            (Some("1.2.3"), "1.2.4", false),
            (Some("[1.0,2.0)"), "1.0", true),
            (Some("[1.0,2.0)"), "2.0", false),
            (Some("(,3.0]"), "3.0.0", true),
            (Some("(,3.0]"), "3.0.1", false),
            (Some("[1.0],[2.0]"), "2.0", true),
            (Some("[1.0],[2.0]"), "1.5", false),
            (Some("[1.10,)"), "1.9", false),
            (Some(""), "1.0", false),
        ] {
            assert_eq!(VersionRange::parse(range).unwrap().contains(version), expected, "{range:?} {version}");
        }
        assert_eq!(VersionRange::parse(Some("99.0")).unwrap().to_string(), "[99.0,99.0]");
        assert_eq!(VersionRange::parse(Some("")).unwrap().to_string(), "[,]");
        for broken in ["[1.0", "[1,2,3]", "(1.0)", "[2,1]"] {
            assert!(VersionRange::parse(Some(broken)).is_err(), "{broken}");
        }
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let mut versions = ["1.10", "1.9.1", "1.0-beta", "1.0", "1.9"];
        versions.sort_by(|left, right| compare(left, right));
        assert_eq!(versions, ["1.0-beta", "1.0", "1.9", "1.9.1", "1.10"]);
    }
}
