//! Which values are right. Source: the validators in Kafka's `ConfigDef`, with its wording.

use super::key::ConfigType;
use super::value::{list_items, number_text};
use std::fmt;

/// A check of one value, after it was parsed.
#[derive(Debug, Clone, PartialEq)]
pub enum Validator {
    Any,
    /// `NonNullValidator`
    NonNull,
    /// `NonEmptyString`
    NonEmpty,
    /// `NonEmptyStringWithoutControlChars`
    NonEmptyWithoutControlChars,
    /// `Range`; both ends included.
    Range {
        min: Option<f64>,
        max: Option<f64>,
    },
    /// `ValidString` and `CaseInsensitiveValidString`; for lists `ValidList` over each item.
    ValidValues {
        values: Vec<String>,
        ignore_case: bool,
    },
    /// `ValidList.anyNonDuplicateValues`: no item twice, none empty (KIP-1161).
    UniqueList {
        is_empty_allowed: bool,
    },
    /// `ListSize`
    ListSize {
        max: usize,
    },
    /// `CompositeValidator`: the first that objects.
    All(Vec<Validator>),
    /// `LambdaValidator`
    Custom(Custom),
}

/// A check that only one key needs.
#[derive(Clone, Copy)]
pub struct Custom {
    /// For generated pages: which values are right.
    pub description: &'static str,
    /// Gets the value, null as `None`; the error is the reason alone.
    pub check: fn(Option<&str>) -> Result<(), String>,
}

impl Validator {
    /// `LambdaValidator`
    #[must_use]
    pub fn custom(description: &'static str, check: fn(Option<&str>) -> Result<(), String>) -> Self {
        Self::Custom(Custom { description, check })
    }

    #[must_use]
    pub fn at_least(min: f64) -> Self {
        Self::Range { min: Some(min), max: None }
    }

    /// Compared without case.
    #[must_use]
    pub fn any_case(values: &[&str]) -> Self {
        Self::ValidValues { values: values.iter().map(|value| (*value).to_owned()).collect(), ignore_case: true }
    }

    #[must_use]
    pub fn one_of(values: &[&str]) -> Self {
        Self::ValidValues { values: values.iter().map(|value| (*value).to_owned()).collect(), ignore_case: false }
    }

    /// `value` is the parsed value as text; null is `None`.
    pub(super) fn ensure_valid(&self, name: &str, kind: ConfigType, value: Option<&str>) -> Result<(), String> {
        let invalid = |reason: String| {
            let shown = match (kind, value) {
                (_, None) => "null".to_owned(),
                (ConfigType::Password, Some(_)) => super::HIDDEN.to_owned(),
                (ConfigType::List, Some(text)) => format!("[{}]", list_items(text).join(", ")),
                (_, Some(text)) => text.to_owned(),
            };
            Err(format!("Invalid value {shown} for configuration {name}: {reason}"))
        };
        match self {
            Self::Any => Ok(()),
            Self::NonNull if value.is_none() => invalid("entry must be non null".to_owned()),
            Self::NonNull => Ok(()),
            Self::NonEmpty if value == Some("") => invalid("String must be non-empty".to_owned()),
            Self::NonEmpty => Ok(()),
            Self::NonEmptyWithoutControlChars => without_control_chars(value).or_else(invalid),
            Self::Range { min, max } => in_range(*min, *max, value).or_else(invalid),
            Self::ValidValues { values, ignore_case } => among(values, *ignore_case, kind, value).or_else(invalid),
            Self::UniqueList { is_empty_allowed } => unique_list(name, *is_empty_allowed, value),
            Self::ListSize { max } => match value.map(list_items) {
                Some(items) if items.len() > *max => invalid(format!("exceeds maximum list size of [{max}].")),
                _ => Ok(()),
            },
            Self::All(validators) => {
                validators.iter().try_for_each(|validator| validator.ensure_valid(name, kind, value))
            }
            Self::Custom(custom) => (custom.check)(value).or_else(invalid),
        }
    }
}

fn without_control_chars(value: Option<&str>) -> Result<(), String> {
    let Some(text) = value else { return Ok(()) };
    if text.is_empty() {
        return Err("String may not be empty".to_owned());
    }
    let control = text.chars().filter(|character| character.is_control());
    let control: Vec<String> = control.map(|character| (character as u32).to_string()).collect();
    if control.is_empty() {
        return Ok(());
    }
    Err(format!("String may not contain control sequences but had the following ASCII chars: {}", control.join(", ")))
}

fn in_range(min: Option<f64>, max: Option<f64>, value: Option<&str>) -> Result<(), String> {
    let Some(text) = value else { return Err("Value must be non-null".to_owned()) };
    let number: f64 = text.parse().unwrap_or(f64::NAN);
    match (min, max) {
        (Some(min), _) if number < min => Err(format!("Value must be at least {}", number_text(min))),
        (_, Some(max)) if number > max => Err(format!("Value must be no more than {}", number_text(max))),
        _ => Ok(()),
    }
}

fn among(values: &[String], ignore_case: bool, kind: ConfigType, value: Option<&str>) -> Result<(), String> {
    let is_valid = |text: &str| {
        values.iter().any(|valid| valid == text || (ignore_case && valid.to_uppercase() == text.to_uppercase()))
    };
    let parts = match (kind, value) {
        (ConfigType::List, Some(text)) => list_items(text),
        (_, Some(text)) => vec![text],
        (_, None) => Vec::new(),
    };
    if value.is_some() && parts.into_iter().all(is_valid) {
        return Ok(());
    }
    if ignore_case {
        let values: Vec<String> = values.iter().map(|value| value.to_uppercase()).collect();
        return Err(format!("String must be one of (case insensitive): {}", values.join(", ")));
    }
    Err(format!("String must be one of: {}", values.join(", ")))
}

/// Its errors name the key themselves.
fn unique_list(name: &str, is_empty_allowed: bool, value: Option<&str>) -> Result<(), String> {
    let items = value.map(list_items).unwrap_or_default();
    if items.is_empty() && !is_empty_allowed {
        return Err(format!("Configuration '{name}' must not be empty."));
    }
    if (1..items.len()).any(|at| items[..at].contains(&items[at])) {
        return Err(format!("Configuration '{name}' values must not be duplicated."));
    }
    if items.iter().any(|item| item.is_empty()) {
        return Err(format!("Configuration '{name}' values must not be empty."));
    }
    Ok(())
}

/// As Kafka's generated pages name the values that are right.
impl fmt::Display for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = |bound: Option<f64>| bound.map_or_else(|| "...".to_owned(), number_text);
        match self {
            Self::Any => Ok(()),
            Self::NonNull => f.write_str("non-null string"),
            Self::NonEmpty => f.write_str("non-empty string"),
            Self::NonEmptyWithoutControlChars => f.write_str("non-empty string without ISO control characters"),
            Self::Range { min, max } => write!(f, "[{},{}]", bound(*min), bound(*max)),
            Self::ValidValues { values, ignore_case: false } => write!(f, "[{}]", values.join(", ")),
            Self::ValidValues { values, ignore_case: true } => {
                write!(f, "(case insensitive) [{}]", values.join(", "))
            }
            Self::UniqueList { is_empty_allowed: true } => f.write_str("any non-duplicate values"),
            Self::UniqueList { is_empty_allowed: false } => f.write_str("any non-duplicate values, at least one"),
            Self::ListSize { max } => write!(f, "List containing maximum of {max} elements"),
            Self::All(validators) => {
                let texts: Vec<String> = validators.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join(","))
            }
            Self::Custom(custom) => f.write_str(custom.description),
        }
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description)
    }
}

/// By what they say they check.
impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        self.description == other.description
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(validator: &Validator, kind: ConfigType, value: Option<&str>) -> String {
        validator.ensure_valid("k", kind, value).err().unwrap_or_default()
    }

    #[test]
    fn reasons_are_worded_as_kafka_words_them() {
        use ConfigType::{Double, Int, List, Password, String};
        let between = Validator::Range { min: Some(1.0), max: Some(2.5) };
        let list = Validator::UniqueList { is_empty_allowed: false };
        for (validator, kind, value, expected) in [
            (&between, Int, Some("0"), "Invalid value 0 for configuration k: Value must be at least 1"),
            (&between, Double, Some("3.0"), "Invalid value 3.0 for configuration k: Value must be no more than 2.5"),
            (&between, Int, None, "Invalid value null for configuration k: Value must be non-null"),
            (&between, Int, Some("2"), ""),
            (&Validator::NonEmpty, String, Some(""), "Invalid value  for configuration k: String must be non-empty"),
            (&Validator::NonEmpty, String, None, ""),
            (&Validator::NonNull, Password, None, "Invalid value null for configuration k: entry must be non null"),
            (
                &Validator::one_of(&["a", "b"]),
                Password,
                Some("x"),
                "Invalid value [hidden] for configuration k: String must be one of: a, b",
            ),
            (&Validator::one_of(&["a", "b"]), List, Some("b,a"), ""),
            (
                &Validator::any_case(&["a", "b"]),
                String,
                Some("c"),
                "Invalid value c for configuration k: String must be one of (case insensitive): A, B",
            ),
            (&Validator::any_case(&["a", "b"]), String, Some("B"), ""),
            (&list, List, Some(""), "Configuration 'k' must not be empty."),
            (&list, List, Some("a,b,a"), "Configuration 'k' values must not be duplicated."),
            (&list, List, Some("a,,b"), "Configuration 'k' values must not be empty."),
            (
                &Validator::ListSize { max: 1 },
                List,
                Some("a,b"),
                "Invalid value [a, b] for configuration k: exceeds maximum list size of [1].",
            ),
            (
                &Validator::NonEmptyWithoutControlChars,
                String,
                Some("a\u{1}\n"),
                "Invalid value a\u{1}\n for configuration k: String may not contain control sequences but had the following ASCII chars: 1, 10",
            ),
        ] {
            assert_eq!(error(validator, kind, value), expected, "{validator:?} {value:?}");
        }
    }

    #[test]
    fn the_first_of_several_validators_that_objects_is_heard() {
        let both = Validator::All(vec![Validator::NonEmpty, Validator::one_of(&["a"])]);
        assert!(error(&both, ConfigType::String, Some("")).ends_with("String must be non-empty"));
        assert!(error(&both, ConfigType::String, Some("b")).ends_with("one of: a"));
    }
}
