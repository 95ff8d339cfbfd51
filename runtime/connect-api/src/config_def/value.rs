//! How text becomes a value, and how the value is written. Source: Kafka `ConfigDef.parseType`, `convertToString`.

use super::key::ConfigType;
use sluice_data::values::java_trim;

/// The value in its canonical text form; lists joined with commas.
///
/// # Errors
/// As Kafka words them, with the text as it was given.
pub fn parse_type(name: &str, kind: ConfigType, text: &str) -> Result<String, String> {
    let trimmed = java_trim(text);
    let invalid = |reason: &str| format!("Invalid value {text} for configuration {name}: {reason}");
    let not_a_number = || invalid(&format!("Not a number of type {}", kind.as_str()));
    match kind {
        ConfigType::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            lower @ ("true" | "false") => Ok(lower.to_owned()),
            _ => Err(invalid("Expected value to be either true or false")),
        },
        ConfigType::Int => trimmed.parse::<i32>().map(|value| value.to_string()).map_err(|_| not_a_number()),
        ConfigType::Short => trimmed.parse::<i16>().map(|value| value.to_string()).map_err(|_| not_a_number()),
        ConfigType::Long => trimmed.parse::<i64>().map(|value| value.to_string()).map_err(|_| not_a_number()),
        ConfigType::Double => parse_double(trimmed).map(double_text).ok_or_else(not_a_number),
        ConfigType::List => Ok(split_list(trimmed).join(",")),
        ConfigType::String | ConfigType::Class | ConfigType::Password => Ok(trimmed.to_owned()),
    }
}

/// The items of a list for a caller that wants no empty ones and none twice.
#[must_use]
pub fn parse_list(text: &str) -> Vec<&str> {
    let mut items: Vec<&str> = Vec::new();
    for item in split_list(java_trim(text)).into_iter().filter(|item| !item.is_empty()) {
        if !items.contains(&item) {
            items.push(item);
        }
    }
    items
}

/// The items of a list in its canonical form.
pub(super) fn list_items(canonical: &str) -> Vec<&str> {
    if canonical.is_empty() { Vec::new() } else { canonical.split(',').collect() }
}

/// Java's `split("\\s*,\\s*", -1)`: blanks around commas go, empty items stay; the empty text is the empty list.
fn split_list(trimmed: &str) -> Vec<&str> {
    if trimmed.is_empty() {
        return Vec::new();
    }
    let is_blank = |character: char| matches!(character, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r');
    let count = trimmed.matches(',').count();
    trimmed
        .split(',')
        .enumerate()
        .map(|(at, item)| {
            let item = if at == 0 { item } else { item.trim_start_matches(is_blank) };
            if at == count { item } else { item.trim_end_matches(is_blank) }
        })
        .collect()
}

/// `Double.parseDouble`, without hexadecimal.
fn parse_double(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return text.to_ascii_lowercase().parse().ok();
    }
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text).parse().ok()
}

/// `Double.toString`.
fn double_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() };
    }
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

/// A bound as Kafka prints it: whole where it is.
pub(super) fn number_text(value: f64) -> String {
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_parsed_as_java_parses_them() {
        use ConfigType::{Boolean, Double, Int, List, Long, Password, Short, String};
        for (kind, text, expected) in [
            (Boolean, " TRUE ", Some("true")),
            (Boolean, "yes", None),
            (Int, "+7", Some("7")),
            (Int, "2147483648", None),
            (Int, "1_000", None),
            (Int, "", None),
            (Short, "-32768", Some("-32768")),
            (Long, " 9223372036854775807\n", Some("9223372036854775807")),
            (Double, "1", Some("1.0")),
            (Double, "1e10", Some("1.0E10")),
            (Double, "-1.5e-5f", Some("-1.5E-5")),
            (Double, ".5d", Some("0.5")),
            (Double, "Infinity", Some("Infinity")),
            (Double, "inf", None),
            (Double, "nan", None),
            (List, " a , b,,c ", Some("a,b,,c")),
            (List, " ", Some("")),
            (List, "a,", Some("a,")),
            (String, "\u{1} x y \u{2}", Some("x y")),
            (String, "\u{a0}x", Some("\u{a0}x")),
            (Password, " geheim ", Some("geheim")),
        ] {
            assert_eq!(parse_type("k", kind, text).ok().as_deref(), expected, "{kind:?} {text:?}");
        }
        assert_eq!(
            parse_type("k", Short, " x ").unwrap_err(),
            "Invalid value  x  for configuration k: Not a number of type SHORT"
        );
    }

    #[test]
    fn a_list_for_callers_has_no_empty_items_and_none_twice() {
        assert_eq!(parse_list(" a, b,,a "), ["a", "b"]);
        assert_eq!(parse_list(""), Vec::<&str>::new());
    }
}
