//! `RegexRouter`: renames the topic when the whole of it matches. Java's replacement syntax: `$1`, `${name}`, `\$`.

use crate::smt::{RecordSmt, SmtResult, string_key};
use regex::{Captures, Regex};
use sluice_connect_api::config_def::Default;
use sluice_connect_api::{ConfigDef, ConfigMap};
use sluice_data::ConnectBatch;

pub struct RegexRouter {
    whole: Regex,
    regex: Regex,
    replacement: Vec<Part>,
}

#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    Group(usize),
    Name(String),
}

impl RecordSmt for RegexRouter {
    fn config_def() -> ConfigDef {
        ConfigDef::default()
            .define(string_key("regex", Default::Required, "Regular expression to use for matching."))
            .define(string_key("replacement", Default::Required, "Replacement string."))
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        let (pattern, replacement) = (&config["regex"], &config["replacement"]);
        let invalid =
            |key: &str, value: &str, reason: String| format!("Invalid value {value} for configuration {key}: {reason}");
        let regex = Regex::new(pattern).map_err(|error| invalid("regex", pattern, error.to_string()))?;
        let whole =
            Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(|error| invalid("regex", pattern, error.to_string()))?;
        let replacement =
            parse_replacement(replacement, &regex).map_err(|reason| invalid("replacement", replacement, reason))?;
        Ok(Self { whole, regex, replacement })
    }

    fn apply(&self, batch: &ConnectBatch) -> SmtResult<Vec<ConnectBatch>> {
        let topic: &str = batch.topic();
        if !self.whole.is_match(topic) {
            return Ok(vec![batch.clone()]);
        }
        // As in Java, the match that is replaced is the first one, not the whole one.
        let renamed = self.regex.replace(topic, |captures: &Captures<'_>| self.expand(captures)).into_owned();
        Ok(vec![batch.clone().with_topic(renamed)])
    }
}

impl RegexRouter {
    fn expand(&self, captures: &Captures<'_>) -> String {
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Group(group) => captures.get(*group).map_or_else(String::new, |found| found.as_str().to_owned()),
            Part::Name(name) => captures.name(name).map_or_else(String::new, |found| found.as_str().to_owned()),
        };
        self.replacement.iter().map(text).collect()
    }
}

/// Source: Java `Matcher.appendReplacement`.
fn parse_replacement(replacement: &str, regex: &Regex) -> Result<Vec<Part>, String> {
    let groups = regex.captures_len();
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = replacement.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' => text.push(rest.next().ok_or("character to be escaped is missing")?),
            '$' => {
                parts.push(Part::Text(std::mem::take(&mut text)));
                if rest.next_if_eq(&'{').is_some() {
                    let name: String = rest.by_ref().take_while(|character| *character != '}').collect();
                    if !regex.capture_names().flatten().any(|known| known == name) {
                        return Err(format!("there is no group named {name:?}"));
                    }
                    parts.push(Part::Name(name));
                    continue;
                }
                let first = rest.next().and_then(|digit| digit.to_digit(10)).ok_or("a group number must follow $")?;
                let mut group = first as usize;
                if group >= groups {
                    return Err(format!("there is no group {group}"));
                }
                // More digits belong to the number only while there is such a group.
                while let Some(digit) = rest.peek().and_then(|character| character.to_digit(10)) {
                    let longer = group * 10 + digit as usize;
                    if longer >= groups {
                        break;
                    }
                    group = longer;
                    rest.next();
                }
                parts.push(Part::Group(group));
            }
            plain => text.push(plain),
        }
    }
    parts.push(Part::Text(text));
    Ok(parts)
}
